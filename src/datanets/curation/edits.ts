/** Rows as a curator would have them, taken by their contributor: one signature, a consent to the new texts, stands for them. */
import {
  type Address,
  type Consent,
  canonicalJson,
  type Digest,
  exampleDigest,
  type Hex,
  sameHex,
} from "../../protocol/index.ts";
import type { Blobs, Database, Queries } from "../../store/index.ts";
import { readRules } from "../checks/index.ts";
import type { ContributionInput } from "../contribution.ts";
import { DatanetError } from "../errors.ts";
import type { ContributionReport } from "../report.ts";
import { decide, overlapOf, proposalOf } from "./review.ts";

export type EditsInput = {
  readonly contributionId: number;
  readonly contributor: Address;
  /** Which proposals: the line, and the digest of the text that is taken, in the order signed. */
  readonly edits: readonly { readonly line: number; readonly digest: Digest }[];
  readonly consent: Omit<Consent, "datanetId">;
  readonly signature: Hex;
};

type Parts = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** Takes a contribution in that was committed to as an earlier one. */
  readonly contribute: (input: ContributionInput) => Promise<ContributionReport>;
  /** Of rows that were exchanged, so that what takes their place is not held against them. */
  readonly forget: (datanetId: bigint) => void;
};

type Original = {
  readonly rowId: number;
  readonly line: number;
  readonly status: string;
  readonly curator: Address;
  readonly proposal: string;
};

export const editsMax = 1_000;

/**
 * Gives the proposed texts in place of rows that wait or were turned down. Whoever proposed one has judged it with that; where others must look, too, it waits for them.
 *
 * @throws DatanetError `no-proposal`, `unknown-contribution`, `consent-mismatch`, `consent-forged`, `consent-replayed`
 */
export async function acceptEdits(parts: Parts, input: EditsInput): Promise<ContributionReport> {
  const { database, blobs } = parts;
  const { contributionId, contributor, edits, consent, signature } = input;
  const given = await contributionOf(database, contributionId);
  if (!sameHex(given.contributor, contributor))
    throw new DatanetError(
      "consent-mismatch",
      `Contribution ${contributionId} is ${given.contributor}'s, and ${contributor} takes edits of it. Only who gave rows does.`,
    );
  const proposed = await proposalsOf(
    database,
    contributionId,
    edits.map(({ line }) => line),
  );
  const { rules } = await readRules(database, given.datanetId);
  const chosen: { original: Original; text: string }[] = [];
  for (const { line, digest } of edits)
    chosen.push(
      await chosenOf(
        { blobs, mask: rules.maskPersonalData },
        proposed.filter((one) => one.line === line),
        line,
        digest,
      ),
    );
  const report = await parts.contribute({
    ...{ consent: { ...consent, datanetId: given.datanetId }, signature, split: given.split },
    ...(given.sourceLicense !== null && { sourceLicense: given.sourceLicense }),
    editOf: {
      committed: given.committedAt,
      begin: async () => {
        await exchange(
          database,
          chosen.map(({ original }) => original.rowId),
        );
        parts.forget(given.datanetId);
      },
    },
    chunks: (async function* () {
      for (const { text } of chosen) yield Buffer.from(`${text}\n`, "utf8");
    })(),
  });
  await judgedByProposers(
    parts,
    given.datanetId,
    report.contributionId,
    chosen.map(({ original }) => original.curator),
  );
  return report;
}

async function contributionOf(queries: Queries, contributionId: number) {
  const [found] = await queries.query<{
    datanetId: bigint;
    contributor: Address;
    split: "train" | "heldout";
    sourceLicense: string | null;
    committedAt: number | null;
  }>(
    `select datanet_id as "datanetId", contributor, split, source_license as "sourceLicense", committed_at as "committedAt"
     from datanets.contributions where id = $1`,
    [contributionId],
  );
  if (found) return found;
  throw new DatanetError("unknown-contribution", `There is no contribution ${contributionId} here.`);
}

const proposalsOf = (
  queries: Queries,
  contributionId: number,
  lines: readonly number[],
): Promise<Original[]> =>
  queries.query<Original>(
    `select r.id as "rowId", r.line, r.status, v.curator, v.proposal from datanets.rows r join datanets.reviews v on v.row_id = r.id
     where r.contribution_id = $1 and v.proposal is not null and r.line in (select value::int from jsonb_array_elements_text($2::jsonb))
     order by v.reviewed_at_ms`,
    [contributionId, JSON.stringify(lines)],
  );

async function chosenOf(
  { blobs, mask }: { readonly blobs: Blobs; readonly mask: boolean },
  proposed: readonly Original[],
  line: number,
  digest: Digest,
) {
  const none = (what: string) => new DatanetError("no-proposal", what, { line });
  if (proposed.length === 0) throw none(`No curator has proposed another text for row ${line}.`);
  if (proposed[0]?.status === "accepted")
    throw none(`Row ${line} counts as it is. Take it back first (a withdrawal), then give the other text.`);
  for (const original of proposed) {
    const example = await proposalOf(blobs, original.proposal, mask);
    if (sameHex(exampleDigest(example), digest)) return { original, text: canonicalJson(example) };
  }
  throw none(
    `None of the ${proposed.length} texts proposed for row ${line} has the digest ${digest}. GET the contribution and sign for one of those.`,
  );
}

/** What is taken in exchange does not wait any more. */
const exchange = (database: Database, rows: readonly number[]) =>
  database.query(
    `update datanets.rows set withdrawn_at_ms = coalesce(withdrawn_at_ms, $2)
     where status in ('pending', 'rejected') and id in (select value::bigint from jsonb_array_elements_text($1::jsonb))`,
    [JSON.stringify(rows), Date.now()],
  );

async function judgedByProposers(
  { database }: Parts,
  datanetId: bigint,
  contributionId: number,
  curators: readonly Address[],
): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx.query<{ id: number; position: number }>(
      "select id, position from datanets.rows where contribution_id = $1 and status = 'pending' order by position",
      [contributionId],
    );
    for (const { id, position } of rows)
      await tx.query(
        `insert into datanets.reviews (row_id, curator, decision, reason, reviewed_at_ms) values ($1, $2, 'accept', 'as proposed', $3)
         on conflict do nothing`,
        [id, curators[position], Date.now()],
      );
    await decide(
      tx,
      rows.map(({ id }) => Number(id)),
      (await overlapOf(tx, datanetId)) ?? 1,
    );
  });
}
