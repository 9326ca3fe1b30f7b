/** What a validator must not forget of rounds over releases: which there are, its verdicts, and which are over for it. */
import type { Digest } from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";

/** Of the schema `validators`, after those of `tables`. */
export const releaseMigrations = [
  `create table validators.release_rounds (
     release_id text not null,
     round int not null,
     finished boolean not null default false,
     primary key (release_id, round)
   );
   create table validators.release_verdicts (
     release_id text not null,
     round int not null,
     wrong boolean not null,
     reason text not null,
     witness bytea not null,
     report text not null,
     salt text not null,
     commitment text not null,
     decided_at_ms bigint not null,
     primary key (release_id, round)
   );`,
];

export type RoundKey = { readonly releaseId: Digest; readonly round: number };

export async function addRound(queries: Queries, { releaseId, round }: RoundKey): Promise<void> {
  await queries.query(
    "insert into validators.release_rounds (release_id, round) values ($1, $2) on conflict do nothing",
    [releaseId, round],
  );
}

/** Rounds about which something may be left to do, at most 1,000. */
export const openRounds = (queries: Queries): Promise<RoundKey[]> =>
  queries.query<RoundKey>(
    `select release_id as "releaseId", round from validators.release_rounds where not finished order by release_id, round limit 1000`,
  );

export async function finishRound(queries: Queries, { releaseId, round }: RoundKey): Promise<void> {
  await queries.query(
    "update validators.release_rounds set finished = true where release_id = $1 and round = $2",
    [releaseId, round],
  );
}

export type StoredReleaseVerdict = RoundKey & {
  readonly wrong: boolean;
  readonly reason: string;
  /** No bytes where nothing was computed. */
  readonly witness: Uint8Array;
  /** Every check, as JSON. */
  readonly report: string;
  readonly salt: Digest;
  readonly commitment: Digest;
};

export async function findReleaseVerdict(
  queries: Queries,
  { releaseId, round }: RoundKey,
): Promise<StoredReleaseVerdict | undefined> {
  const [row] = await queries.query<StoredReleaseVerdict>(
    `select release_id as "releaseId", round, wrong, reason, witness, report, salt, commitment
     from validators.release_verdicts where release_id = $1 and round = $2`,
    [releaseId, round],
  );
  return row;
}

/** Keeps a verdict before anything of it is sent. @returns what stands: the one that was kept first */
export async function keepReleaseVerdict(
  database: Database,
  verdict: StoredReleaseVerdict,
  nowMs: number,
): Promise<StoredReleaseVerdict> {
  const { releaseId, round, wrong, reason, witness, report, salt, commitment } = verdict;
  await database.query(
    `insert into validators.release_verdicts (release_id, round, wrong, reason, witness, report, salt, commitment, decided_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing`,
    [releaseId, round, wrong, reason, witness, report, salt, commitment, nowMs],
  );
  return (await findReleaseVerdict(database, verdict)) as StoredReleaseVerdict;
}
