import type { Address, Digest } from "../../protocol/index.ts";
import type { Database } from "../../store/index.ts";
import type { Earlier } from "./near-duplicates.ts";

const perStatement = 5_000;

/** A row that was accepted before. `line` counts the contribution's rows, from 1. */
export type RowReference = {
  readonly contributionId: number;
  readonly contributor: Address;
  readonly line: number;
};

/** Splits what is asked of the database into statements it can hold. */
export async function inParts<T, R>(
  items: readonly T[],
  ask: (part: readonly T[]) => Promise<R[]>,
): Promise<R[]> {
  const answers: R[] = [];
  for (let from = 0; from < items.length; from += perStatement)
    answers.push(...(await ask(items.slice(from, from + perStatement))));
  return answers;
}

/** Of each row the one that is the same example: accepted or waiting for curators, here or earlier among these rows. */
export async function findDuplicates(
  database: Pick<Database, "query">,
  datanetId: bigint,
  digests: readonly Digest[],
): Promise<(Earlier | undefined)[]> {
  const accepted = await inParts(digests, (part) =>
    database.query<{ id: number; digest: Digest }>(
      `select id, digest from datanets.rows
       where datanet_id = $1 and status in ('accepted', 'pending') and withdrawn_at_ms is null
         and digest in (select jsonb_array_elements_text($2::jsonb))`,
      [datanetId, JSON.stringify(part)],
    ),
  );
  return repeatedIn(digests, new Map(accepted.map(({ id, digest }) => [digest, { id }])));
}

/** Of each row the one that is the same example, earlier among these rows or `before` them. */
export function repeatedIn(
  digests: readonly Digest[],
  before: ReadonlyMap<Digest, Earlier> = new Map(),
): (Earlier | undefined)[] {
  const first = new Map(before);
  return digests.map((digest, position) => {
    const earlier = first.get(digest);
    if (earlier === undefined) first.set(digest, { position });
    return earlier;
  });
}

/** Where accepted rows stand; those that were withdrawn or rejected in the meantime are left out. */
export async function referencesOf(
  database: Pick<Database, "query">,
  ids: readonly number[],
): Promise<Map<number, RowReference>> {
  const found = await inParts([...new Set(ids)], (part) =>
    database.query<RowReference & { id: number }>(
      `select r.id, r.contribution_id as "contributionId", c.contributor, r.line
       from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
       where r.id in (select jsonb_array_elements_text($1::jsonb)::bigint)
         and r.withdrawn_at_ms is null and r.status <> 'rejected'`,
      [JSON.stringify(part)],
    ),
  );
  return new Map(found.map(({ id, ...reference }) => [id, reference]));
}
