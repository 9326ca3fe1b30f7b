/** The queue of rows that wait for curators: who looks at which, what they decide, and what that makes of the rows. */
import {
  type Address,
  canonicalJson,
  type Digest,
  type Example,
  exampleSchema,
} from "../../protocol/index.ts";
import type { Blobs, Database, Queries } from "../../store/index.ts";
import { maskExample } from "../checks/index.ts";
import { DatanetError } from "../errors.ts";
import type { Registry } from "../registry.ts";
import { proposalText, type Texts } from "../texts.ts";

export type CurationParts = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly texts: Pick<Texts, "put">;
  readonly registry: Registry;
  /** Whether an account may curate: named by the owner, or elected. */
  readonly mayCurate: (datanetId: bigint, account: Address) => Promise<boolean>;
  readonly now: () => number;
};

/** A row as a curator sees it: not whose it is, so that it is judged by what it says. */
export type QueuedRow = {
  readonly row: number;
  readonly digest: Digest;
  readonly split: "train" | "heldout";
  readonly example: Example;
  /** What the checks noted. */
  readonly reasons: readonly unknown[];
  readonly source: unknown;
  /** How many have judged it. */
  readonly judged: number;
};

export type Decision = {
  readonly row: number;
  readonly decision: "accept" | "reject";
  readonly reason: string;
  /** The row as the curator would have it; only its contributor can give it. */
  readonly proposal?: Example | undefined;
};

/** What came of decisions: the rows that were decided by them, one way or the other. */
export type Reviewed = {
  readonly recorded: number;
  readonly accepted: number;
  readonly rejected: number;
};

/** How long a row is one curator's to judge. */
const assignedMs = 30 * 60_000;
export const queueMax = 200;
export const decisionsMax = 1_000;

/** @throws DatanetError `not-curator` */
export async function requireCurator(
  { mayCurate }: Pick<CurationParts, "mayCurate">,
  datanetId: bigint,
  curator: Address,
): Promise<void> {
  if (await mayCurate(datanetId, curator)) return;
  throw new DatanetError(
    "not-curator",
    `${curator} is neither the owner nor a curator of Datanet ${datanetId}, named or elected.`,
  );
}

/** How many must look at each row; null where what passes the checks counts at once. */
export async function overlapOf(queries: Queries, datanetId: bigint): Promise<number | null> {
  const [found] = await queries.query<{ overlap: number | null }>(
    "select review_overlap as overlap from datanets.datanets where id = $1",
    [datanetId],
  );
  return found?.overlap ?? null;
}

/**
 * Gives a curator rows to judge: those fewest look at, oldest first, none of their own and none they have judged. They are theirs for half an
 * hour, and stay theirs when they ask again.
 *
 * @throws DatanetError `not-curator`
 */
export async function takeQueue(
  parts: CurationParts,
  datanetId: bigint,
  curator: Address,
  limit: number,
): Promise<QueuedRow[]> {
  await requireCurator(parts, datanetId, curator);
  const { database, now } = parts;
  const rows = await database.transaction(async (tx) => {
    await tx.query("select id from datanets.datanets where id = $1 for update", [datanetId]);
    const overlap = (await overlapOf(tx, datanetId)) ?? 1;
    await tx.query("delete from datanets.assignments where until_ms <= $1", [now()]);
    const found = await tx.query<Omit<QueuedRow, "example"> & { position: number; textDigest: Digest }>(
      `with looked as (
         select r.id, r.digest, r.split, r.position, r.reasons, r.source, c.text_digest,
           (select count(*) from datanets.reviews v where v.row_id = r.id) as judged,
           (select count(*) from datanets.assignments a where a.row_id = r.id and a.curator <> $2) as others,
           exists (select 1 from datanets.assignments a where a.row_id = r.id and a.curator = $2) as mine
         from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
         where r.datanet_id = $1 and r.status = 'pending' and r.withdrawn_at_ms is null and c.contributor <> $2
           and not exists (select 1 from datanets.reviews v where v.row_id = r.id and v.curator = $2)
       )
       select id as row, digest, split, position, reasons, source, text_digest as "textDigest", judged from looked
       -- A draw is judged by one more than the overlap, and so on until somebody tips it.
       where mine or others < greatest($3 - judged, 1)
       order by mine desc, judged + others, id limit $4`,
      [datanetId, curator, overlap, limit],
    );
    await tx.query(
      `insert into datanets.assignments (row_id, curator, until_ms) select value::bigint, $2, $3 from jsonb_array_elements_text($1::jsonb)
       on conflict (row_id, curator) do update set until_ms = $3`,
      [JSON.stringify(found.map(({ row }) => row)), curator, now() + assignedMs],
    );
    return found;
  });
  const texts = new Map<Digest, string[]>();
  const queued: QueuedRow[] = [];
  for (const { position, textDigest, ...row } of rows) {
    if (!texts.has(textDigest))
      texts.set(textDigest, new TextDecoder().decode(await parts.blobs.get(textDigest)).split("\n"));
    const text = (texts.get(textDigest) as string[])[position] as string;
    queued.push({
      ...row,
      row: Number(row.row),
      judged: Number(row.judged),
      example: exampleSchema.parse(JSON.parse(text)),
    });
  }
  return queued;
}

/**
 * Writes decisions down, all of them or none; a curator's earlier decision on a row that is still open is replaced. A row is decided once as
 * many as the overlap have judged it and one side has more.
 *
 * @throws DatanetError `not-curator`; `decided-twice` where they name a row twice; `not-pending` for a row that is not open, is the curator's own, or is of another Datanet
 */
export async function review(
  parts: CurationParts,
  datanetId: bigint,
  curator: Address,
  decisions: readonly Decision[],
): Promise<Reviewed> {
  await requireCurator(parts, datanetId, curator);
  requireOnce(decisions);
  const written: object[] = [];
  for (const { proposal, ...decision } of decisions)
    written.push({
      ...decision,
      proposal: proposal && (await parts.texts.put(datanetId, canonicalJson(proposal))),
    });
  return parts.database.transaction(async (tx) => {
    await tx.query("select id from datanets.datanets where id = $1 for update", [datanetId]);
    const overlap = (await overlapOf(tx, datanetId)) ?? 1;
    const numbers = JSON.stringify(decisions.map(({ row }) => row));
    const open = await tx.query<{ id: number }>(
      `select r.id from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
       where r.datanet_id = $1 and r.status = 'pending' and r.withdrawn_at_ms is null and c.contributor <> $2
         and r.id in (select value::bigint from jsonb_array_elements_text($3::jsonb))`,
      [datanetId, curator, numbers],
    );
    const isOpen = new Set(open.map(({ id }) => Number(id)));
    const closed = decisions.find(({ row }) => !isOpen.has(row));
    if (closed !== undefined)
      throw new DatanetError(
        "not-pending",
        `Row ${closed.row} does not wait for ${curator}'s judgement in Datanet ${datanetId}: it is decided, withdrawn, their own, or elsewhere. ` +
          "None of these decisions was recorded. Take the queue again.",
        { row: closed.row },
      );
    await tx.query(
      `insert into datanets.reviews (row_id, curator, decision, reason, proposal, reviewed_at_ms)
       select d.row, $2, d.decision, d.reason, d.proposal, $3
       from jsonb_to_recordset($1::jsonb) as d(row bigint, decision text, reason text, proposal text)
       on conflict (row_id, curator) do update set decision = excluded.decision, reason = excluded.reason,
         proposal = excluded.proposal, reviewed_at_ms = excluded.reviewed_at_ms`,
      [JSON.stringify(written), curator, parts.now()],
    );
    await tx.query(
      `delete from datanets.assignments where curator = $1
         and row_id in (select value::bigint from jsonb_array_elements_text($2::jsonb))`,
      [curator, numbers],
    );
    const decided = await decide(
      tx,
      decisions.map(({ row }) => row),
      overlap,
    );
    return { recorded: decisions.length, ...decided };
  });
}

function requireOnce(decisions: readonly Decision[]): void {
  const before = new Map<number, Decision["decision"]>();
  for (const { row, decision } of decisions) {
    const first = before.get(row);
    if (first !== undefined)
      throw new DatanetError(
        "decided-twice",
        `Row ${row} is ${first === decision ? "named twice" : "both accepted and rejected"}. Name each row once. None of these decisions was recorded.`,
        { row },
      );
    before.set(row, decision);
  }
}

/** Decides those of these rows that enough have judged, one side more than the other. */
export async function decide(
  tx: Queries,
  rows: readonly number[],
  overlap: number,
): Promise<{ accepted: number; rejected: number }> {
  const decided = await tx.query<{ status: "accepted" | "rejected" }>(
    `with counted as (
       select row_id, count(*) filter (where decision = 'accept') as accept, count(*) filter (where decision = 'reject') as reject
       from datanets.reviews where row_id in (select value::bigint from jsonb_array_elements_text($1::jsonb)) group by row_id
     )
     update datanets.rows r set status = case when accept > reject then 'accepted' else 'rejected' end from counted
     where r.id = counted.row_id and accept + reject >= $2 and accept <> reject returning r.status`,
    [JSON.stringify(rows), overlap],
  );
  const count = (status: string) => decided.filter((row) => row.status === status).length;
  return { accepted: count("accepted"), rejected: count("rejected") };
}

/** What a curator decided, for the contributor. */
export type RowReview = Pick<Decision, "decision" | "reason" | "proposal">;

/**
 * What a curator proposed. Curators see a text without the personal data that was masked, and may still write some: where the Datanet masks it, it is
 * masked here as in any row that is given, so that what its contributor reads, signs and gives is one text.
 */
export async function proposalOf(
  blobs: Pick<Blobs, "get">,
  proposal: string,
  mask: boolean,
): Promise<Example> {
  const example = exampleSchema.parse(JSON.parse(await proposalText(blobs, proposal)));
  return mask ? maskExample(example) : example;
}

/** What curators said of a row; with a proposal, beside the row's own text. */
export type ReviewedRow = { readonly reviews: RowReview[]; example?: Example };

/** By line of a contribution, for these lines of it. */
export async function reviewsOf(
  { database, blobs, mask }: Pick<CurationParts, "database" | "blobs"> & { readonly mask: boolean },
  contributionId: number,
  lines: readonly number[],
): Promise<Map<number, ReviewedRow>> {
  const found = await database.query<{
    line: number;
    position: number;
    textDigest: Digest;
    decision: "accept" | "reject";
    reason: string;
    proposal: string | null;
  }>(
    `select r.line, r.position, c.text_digest as "textDigest", v.decision, v.reason, v.proposal
     from datanets.reviews v join datanets.rows r on r.id = v.row_id join datanets.contributions c on c.id = r.contribution_id
     where r.contribution_id = $1 and r.line in (select value::int from jsonb_array_elements_text($2::jsonb))
     order by r.position, v.reviewed_at_ms`,
    [contributionId, JSON.stringify(lines)],
  );
  let texts: string[] | undefined;
  const byLine = new Map<number, ReviewedRow>();
  for (const { line, position, textDigest, proposal, ...review } of found) {
    const row: ReviewedRow = byLine.get(line) ?? { reviews: [] };
    byLine.set(line, row);
    if (proposal === null) {
      row.reviews.push(review);
      continue;
    }
    texts ??= new TextDecoder().decode(await blobs.get(textDigest)).split("\n");
    row.example ??= exampleSchema.parse(JSON.parse(texts[position] as string));
    row.reviews.push({ ...review, proposal: await proposalOf(blobs, proposal, mask) });
  }
  return byLine;
}
