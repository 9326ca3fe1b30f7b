/** Who gave what to a Datanet: by contributor, and contribution by contribution. */
import type { Address } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";
import { isProposed } from "./report.ts";

export type Contributor = {
  readonly contributor: Address;
  /** Accepted rows that count now. */
  readonly trainRows: number;
  readonly heldoutRows: number;
  readonly contributions: number;
  readonly lastAtMs: number;
};

export type ContributionSummary = {
  readonly contributionId: number;
  readonly contributor: Address;
  readonly split: "train" | "heldout";
  readonly license: string;
  readonly exampleCount: number;
  /** Of its rows, those that count now, and those that wait for curators. */
  readonly accepted: number;
  readonly pending: number;
  /** Rows for which curators propose another text that was not taken yet. */
  readonly proposals: number;
  readonly recordedAtMs: number;
};

/** Contributors of rows that count, most rows first. */
export async function listContributors(
  queries: Queries,
  datanetId: bigint,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): Promise<Contributor[]> {
  const found = await queries.query<Record<keyof Contributor, string>>(
    `select c.contributor, count(*) filter (where r.split = 'train') as "trainRows",
       count(*) filter (where r.split = 'heldout') as "heldoutRows", count(distinct c.id) as contributions,
       max(c.recorded_at_ms) as "lastAtMs"
     from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
     where r.datanet_id = $1 and r.status = 'accepted' and r.withdrawn_at_ms is null
     group by c.contributor order by count(*) desc, c.contributor offset $2 limit $3`,
    [datanetId, offset, limit],
  );
  return found.map(({ contributor, ...numbers }) => ({
    contributor: contributor as Address,
    trainRows: Number(numbers.trainRows),
    heldoutRows: Number(numbers.heldoutRows),
    contributions: Number(numbers.contributions),
    lastAtMs: Number(numbers.lastAtMs),
  }));
}

/** Contributions, newest first. @param before the number of a contribution; @param contributor of one only */
export async function listContributions(
  queries: Queries,
  datanetId: bigint,
  {
    contributor,
    before,
    limit,
  }: {
    readonly contributor?: Address | undefined;
    readonly before?: number | undefined;
    readonly limit: number;
  },
): Promise<ContributionSummary[]> {
  const found = await queries.query<Record<keyof ContributionSummary, string>>(
    `select c.id as "contributionId", c.contributor, c.split, c.license, c.example_count as "exampleCount",
       c.recorded_at_ms as "recordedAtMs",
       (select count(*) from datanets.rows r where r.contribution_id = c.id and r.status = 'accepted' and r.withdrawn_at_ms is null) as accepted,
       (select count(*) from datanets.rows r where r.contribution_id = c.id and r.status = 'pending' and r.withdrawn_at_ms is null) as pending,
       (select count(*) from datanets.rows r where r.contribution_id = c.id and ${isProposed}) as proposals
     from datanets.contributions c
     where c.datanet_id = $1 and ($2::text is null or c.contributor = $2) and ($3::bigint is null or c.id < $3)
     order by c.id desc limit $4`,
    [datanetId, contributor ?? null, before ?? null, limit],
  );
  return found.map(({ contributor: by, split, license, ...numbers }) => ({
    contributionId: Number(numbers.contributionId),
    contributor: by as Address,
    split: split as "train" | "heldout",
    license,
    exampleCount: Number(numbers.exampleCount),
    accepted: Number(numbers.accepted),
    pending: Number(numbers.pending),
    proposals: Number(numbers.proposals),
    recordedAtMs: Number(numbers.recordedAtMs),
  }));
}
