import type { Address, Digest, Example } from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import { type RowReference, type RowStatus, readRules, type Verdict } from "./checks/index.ts";
import { type RowReview, reviewsOf } from "./curation/review.ts";
import { DatanetError } from "./errors.ts";
import type { Source } from "./formats/source.ts";
import type { Split } from "./split.ts";

/** What became of one row, with every reason. */
export type RowReport = Omit<Verdict, "status"> & {
  readonly status: RowStatus;
  readonly line: number;
  readonly digest: Digest;
  /** Where the contributor said it came from. */
  readonly source?: Source;
  /** The earlier row that is the same example, of a duplicate. */
  readonly duplicateOf?: RowReference;
  /** The row that represents the near duplicates this one belongs to. */
  readonly nearOf?: RowReference;
  /** What curators decided, and how they would have it; not who they are. */
  readonly reviews?: readonly RowReview[];
  /** Its own text, where curators would have another: for who may read the Datanet. */
  readonly example?: Example;
  /** When its contributor took it back, or took a curator's text in its place. */
  readonly withdrawnAtMs?: number;
};

/** What became of a contribution: of all its rows how many, and a page of them in the order given. The counts add up to `exampleCount`. */
export type ContributionReport = {
  readonly contributionId: number;
  readonly datanetId: bigint;
  readonly contributor: Address;
  readonly split: Split;
  readonly license: string;
  readonly consentDigest: Digest;
  readonly exampleCount: number;
  readonly accepted: number;
  readonly duplicates: number;
  /** Rows that wait for curators, and those that they turned down. */
  readonly pending: number;
  readonly rejected: number;
  /** Rows that the Datanet's rules keep out, near duplicates among them. */
  readonly refused: number;
  readonly nearDuplicates: number;
  /** Rows that were taken back, or exchanged for a curator's text: they are in no other count. */
  readonly withdrawn: number;
  /** Of those that wait or were turned down: rows that curators would have otherwise. */
  readonly proposed: number;
  /** Rows of which more is to be said than that they count or wait: turned down, noted by a check, or wanted otherwise. */
  readonly noted: number;
  /** SPDX expression of the licence that the contributor said the texts come under. */
  readonly sourceLicense: string | null;
  readonly rows: readonly RowReport[];
};

/** Which rows of a report: all, or those that stand in one way, from the `offset`-th on; of those noted, what was turned down first. */
export type ReportPage = {
  readonly status?: RowStatus | "withdrawn" | "proposed" | "noted" | undefined;
  readonly offset: number;
  readonly limit: number;
};

/** What is given to who asks for no page. */
export const firstReportPage = { offset: 0, limit: 100 } as const satisfies ReportPage;
export const reportRowsMax = 500;

type ContributionRecord = {
  contributionId: number;
  datanetId: bigint;
  contributor: Address;
  split: Split;
  license: string;
  consentDigest: Digest;
  exampleCount: number;
  sourceLicense: string | null;
};

type RowRecord = Omit<Verdict, "status"> & { status: RowStatus } & {
  line: number;
  digest: Digest;
  source: Source | null;
  withdrawnAtMs: number | null;
} & Record<`${"of" | "near"}Line`, number | null> &
  Record<`${"of" | "near"}Contribution`, number | null> &
  Record<`${"of" | "near"}Contributor`, Address | null>;

/** Whether a row, `r`, waits or was turned down, and a curator would have it otherwise: SQL. */
export const isProposed = `(r.status in ('pending', 'rejected') and r.withdrawn_at_ms is null
  and exists (select 1 from datanets.reviews v where v.row_id = r.id and v.proposal is not null))`;

/** Whether there is more to say of a row, `r`, than that it counts or waits: SQL. */
const isNoted = `(r.withdrawn_at_ms is null
  and (r.status not in ('accepted', 'pending') or jsonb_array_length(r.reasons) > 0 or ${isProposed}))`;

/** @throws DatanetError `unknown-contribution`. */
export async function readReport(
  { database, blobs }: { database: Database; blobs: Blobs },
  contributionId: number,
  page: ReportPage = firstReportPage,
): Promise<ContributionReport> {
  const [contribution] = await database.query<ContributionRecord>(
    `select id as "contributionId", datanet_id as "datanetId", contributor, split, license, consent_digest as "consentDigest",
       example_count as "exampleCount", source_license as "sourceLicense"
     from datanets.contributions where id = $1`,
    [contributionId],
  );
  if (!contribution)
    throw new DatanetError("unknown-contribution", `There is no contribution ${contributionId} here.`);
  const counts = await database.query<{ status: string; rows: number }>(
    `select case when withdrawn_at_ms is null then status else 'withdrawn' end as status, count(*) as rows
     from datanets.rows where contribution_id = $1 group by 1`,
    [contributionId],
  );
  const [open] = await database.query<{ proposed: number; noted: number }>(
    `select count(*) filter (where ${isProposed}) as proposed, count(*) filter (where ${isNoted}) as noted
     from datanets.rows r where r.contribution_id = $1`,
    [contributionId],
  );
  const count = (of: string) => Number(counts.find(({ status }) => status === of)?.rows ?? 0);
  return {
    ...contribution,
    accepted: count("accepted"),
    pending: count("pending"),
    rejected: count("rejected"),
    duplicates: count("duplicate"),
    refused: count("near-duplicate") + count("refused"),
    nearDuplicates: count("near-duplicate"),
    withdrawn: count("withdrawn"),
    proposed: Number(open?.proposed ?? 0),
    noted: Number(open?.noted ?? 0),
    rows: await readRows({ database, blobs }, contribution, page),
  };
}

async function readRows(
  { database, blobs }: { database: Database; blobs: Blobs },
  { contributionId, datanetId }: ContributionRecord,
  { status: wanted, offset, limit }: ReportPage,
): Promise<RowReport[]> {
  const found = await database.query<RowRecord>(
    `select r.line, r.digest, r.status, r.reasons, r.source, r.withdrawn_at_ms as "withdrawnAtMs",
       o.contribution_id as "ofContribution", c.contributor as "ofContributor", o.line as "ofLine",
       n.contribution_id as "nearContribution", d.contributor as "nearContributor", n.line as "nearLine"
     from datanets.rows r
     left join datanets.rows o on o.id = r.duplicate_of
     left join datanets.contributions c on c.id = o.contribution_id
     left join datanets.rows n on n.id = r.near_of
     left join datanets.contributions d on d.id = n.contribution_id
     where r.contribution_id = $1
       and ($2::text is null or ($2 = 'proposed' and ${isProposed}) or ($2 = 'noted' and ${isNoted})
         or case when r.withdrawn_at_ms is null then r.status else 'withdrawn' end = $2)
     order by coalesce($2, '') = 'noted' and r.status in ('accepted', 'pending'), r.position offset $3 limit $4`,
    [contributionId, wanted ?? null, offset, limit],
  );
  const { rules } = await readRules(database, datanetId);
  const reviews = await reviewsOf(
    { blobs, database, mask: rules.maskPersonalData },
    contributionId,
    found.map(({ line }) => line),
  );
  return found.map(({ line, digest, status, reasons, source, withdrawnAtMs, ...row }): RowReport => {
    const judged = reviews.get(line);
    const duplicateOf = reference(row.ofContribution, row.ofContributor, row.ofLine);
    const nearOf = reference(row.nearContribution, row.nearContributor, row.nearLine);
    return {
      line,
      digest,
      status,
      reasons,
      ...(source && { source }),
      ...(duplicateOf && { duplicateOf }),
      ...(nearOf && { nearOf }),
      ...judged,
      ...(withdrawnAtMs !== null && { withdrawnAtMs }),
    };
  });
}

const reference = (
  contributionId: number | null,
  contributor: Address | null,
  line: number | null,
): RowReference | undefined =>
  contributionId === null || contributor === null || line === null
    ? undefined
    : { contributionId, contributor, line };
