/** Who gave what: to a Datanet by contributor, and contribution by contribution. */
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
  readonly datanetId: bigint;
  readonly datanetName: string;
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

/** A contributor's rows, and of them what curators decided. What was taken back, or exchanged for a curator's text, is in no number. */
export type ContributorFigures = Contributor & {
  readonly rejected: number;
  /** Of the rows that count, and of those and the rejected ones, how many curators decided. */
  readonly acceptedByCurators: number;
  readonly judged: number;
};

/**
 * Who gave what, most rows that count first.
 *
 * @param page.of `counting`: who has rows that count; `judged`: who has rows that curators decided
 */
export async function contributorFigures(
  queries: Queries,
  datanetId: bigint,
  {
    of,
    offset,
    limit,
  }: { readonly of: "counting" | "judged"; readonly offset: number; readonly limit: number },
): Promise<ContributorFigures[]> {
  const found = await queries.query<Record<keyof ContributorFigures, string>>(
    `with standing as (
       select c.contributor, c.id, c.recorded_at_ms, r.split, r.status = 'accepted' as counts, v.row_id is not null as judged
       from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
       left join (select distinct v.row_id from datanets.reviews v join datanets.rows o on o.id = v.row_id where o.datanet_id = $1) v
         on v.row_id = r.id
       where r.datanet_id = $1 and r.status in ('accepted', 'rejected') and r.withdrawn_at_ms is null
     )
     select contributor, count(*) filter (where counts and split = 'train') as "trainRows",
       count(*) filter (where counts and split = 'heldout') as "heldoutRows",
       count(distinct id) filter (where counts) as contributions, max(recorded_at_ms) filter (where counts) as "lastAtMs",
       count(*) filter (where not counts) as rejected, count(*) filter (where counts and judged) as "acceptedByCurators",
       count(*) filter (where judged) as judged
     from standing group by contributor
     having case when $4 = 'counting' then count(*) filter (where counts) else count(*) filter (where judged) end > 0
     order by count(*) filter (where counts) desc, contributor offset $2 limit $3`,
    [datanetId, offset, limit, of],
  );
  return found.map(({ contributor, ...numbers }) => ({
    contributor: contributor as Address,
    trainRows: Number(numbers.trainRows),
    heldoutRows: Number(numbers.heldoutRows),
    contributions: Number(numbers.contributions),
    lastAtMs: Number(numbers.lastAtMs),
    rejected: Number(numbers.rejected),
    acceptedByCurators: Number(numbers.acceptedByCurators),
    judged: Number(numbers.judged),
  }));
}

/** Contributors of rows that count, most rows first. */
export async function listContributors(
  queries: Queries,
  datanetId: bigint,
  page: { readonly offset: number; readonly limit: number },
): Promise<Contributor[]> {
  const found = await contributorFigures(queries, datanetId, { of: "counting", ...page });
  return found.map(({ rejected: _, acceptedByCurators: _a, judged: _j, ...contributor }) => contributor);
}

export type ContributionsPage = {
  /** Of one only. */
  readonly contributor?: Address | undefined;
  /** Those alone of which rows would be otherwise by a curator's proposal that was not taken yet. */
  readonly proposed?: boolean | undefined;
  /** The number of a contribution. */
  readonly before?: number | undefined;
  readonly limit: number;
};

/** Contributions, newest first. @param datanetId undefined: to all Datanets */
export async function listContributions(
  queries: Queries,
  datanetId: bigint | undefined,
  { contributor, proposed = false, before, limit }: ContributionsPage,
): Promise<ContributionSummary[]> {
  const found = await queries.query<Record<keyof ContributionSummary, string>>(
    `select c.id as "contributionId", c.datanet_id as "datanetId", d.name as "datanetName", c.contributor, c.split, c.license,
       c.example_count as "exampleCount", c.recorded_at_ms as "recordedAtMs",
       (select count(*) from datanets.rows r where r.contribution_id = c.id and r.status = 'accepted' and r.withdrawn_at_ms is null) as accepted,
       (select count(*) from datanets.rows r where r.contribution_id = c.id and r.status = 'pending' and r.withdrawn_at_ms is null) as pending,
       (select count(*) from datanets.rows r where r.contribution_id = c.id and ${isProposed}) as proposals
     from datanets.contributions c join datanets.datanets d on d.id = c.datanet_id
     where ($1::numeric is null or c.datanet_id = $1) and ($2::text is null or c.contributor = $2)
       and ($3::bigint is null or c.id < $3)
       and (not $5::boolean or exists (select 1 from datanets.rows r where r.contribution_id = c.id and ${isProposed}))
     order by c.id desc limit $4`,
    [datanetId ?? null, contributor ?? null, before ?? null, limit, proposed],
  );
  return found.map(({ contributor: by, split, license, datanetName, datanetId: of, ...numbers }) => ({
    contributionId: Number(numbers.contributionId),
    datanetId: BigInt(of),
    datanetName,
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
