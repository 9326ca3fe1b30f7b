import { exampleSchema } from "../../protocol/index.ts";
import type { Blobs, Database } from "../../store/index.ts";
import type { Split } from "../split.ts";
import { textOf } from "./each-row.ts";

export type Stored = { readonly database: Pick<Database, "query">; readonly blobs: Blobs };

/** A row that counts, or waits for curators, with its text. A near duplicate names the row that represents it, also when that one was withdrawn or rejected. */
export type AcceptedText = {
  readonly id: number;
  readonly text: string;
  readonly nearOf: number | null;
  readonly isOrphan: boolean;
};

/**
 * The texts of a Datanet's accepted rows in the order they were accepted, one contribution in memory at a time.
 *
 * @param split rows of one split only
 */
export async function* acceptedTexts(
  { database, blobs }: Stored,
  datanetId: bigint,
  split?: Split,
): AsyncGenerator<AcceptedText> {
  const contributions = await database.query<{ id: number; textDigest: `0x${string}` }>(
    `select id, text_digest as "textDigest" from datanets.contributions c
     where datanet_id = $1 and ($2::text is null or split = $2) and accepted_count > 0 order by id`,
    [datanetId, split ?? null],
  );
  for (const contribution of contributions) {
    const rows = await database.query<Omit<AcceptedText, "text"> & { position: number }>(
      `select r.id, r.position, r.near_of as "nearOf", coalesce(n.withdrawn_at_ms is not null or n.status = 'rejected', false) as "isOrphan"
       from datanets.rows r left join datanets.rows n on n.id = r.near_of
       where r.contribution_id = $1 and r.status in ('accepted', 'pending') and r.withdrawn_at_ms is null order by r.position`,
      [contribution.id],
    );
    if (rows.length === 0) continue;
    const lines = new TextDecoder().decode(await blobs.get(contribution.textDigest)).split("\n");
    for (const { position, ...row } of rows)
      yield { ...row, text: textOf(exampleSchema.parse(JSON.parse(lines[position] as string))) };
  }
}
