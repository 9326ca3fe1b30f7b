/** What a validator must not forget: its hash chains, its verdicts, and what it has done about each draw. */
import type { Digest } from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";
import { recordMigrations } from "./record.ts";
import { releaseMigrations } from "./release-tables.ts";

const migrations = [
  `create table validators.chains (
     number bigint generated always as identity primary key,
     seed text not null,
     length int not null,
     tip text not null unique
   );
   create table validators.verdicts (
     draw_id int primary key,
     receipt int not null,
     wrong boolean not null,
     reason text not null,
     projection bytea not null,
     salt text not null,
     commitment text not null,
     decided_at_ms bigint not null
   );
   create table validators.finished (draw_id int primary key);
   create table validators.attested (
     release_id text primary key,
     fault text,
     report text not null,
     attested_at_ms bigint not null
   );`,
];

export const migrateValidators = (database: Database): Promise<void> =>
  database.migrate("validators", [...migrations, ...releaseMigrations, ...recordMigrations]);

export type StoredChain = { readonly seed: Digest; readonly length: number; readonly tip: Digest };

/** Newest first. */
export const listChains = (queries: Queries): Promise<StoredChain[]> =>
  queries.query<StoredChain>("select seed, length, tip from validators.chains order by number desc");

export async function storeChain(queries: Queries, { seed, length, tip }: StoredChain): Promise<void> {
  await queries.query("insert into validators.chains (seed, length, tip) values ($1, $2, $3)", [
    seed,
    length,
    tip,
  ]);
}

export type StoredVerdict = {
  readonly drawId: number;
  readonly receipt: number;
  readonly wrong: boolean;
  readonly reason: string;
  /** No bytes where nothing was computed. */
  readonly projection: Uint8Array;
  readonly salt: Digest;
  readonly commitment: Digest;
};

export async function findVerdict(queries: Queries, drawId: number): Promise<StoredVerdict | undefined> {
  const [row] = await queries.query<StoredVerdict>(
    `select draw_id as "drawId", receipt, wrong, reason, projection, salt, commitment from validators.verdicts where draw_id = $1`,
    [drawId],
  );
  return row;
}

/** Keeps a verdict before anything of it is sent. @returns what stands: the one that was kept first */
export async function keepVerdict(
  database: Database,
  verdict: StoredVerdict,
  nowMs: number,
): Promise<StoredVerdict> {
  await database.query(
    `insert into validators.verdicts (draw_id, receipt, wrong, reason, projection, salt, commitment, decided_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (draw_id) do nothing`,
    [
      verdict.drawId,
      verdict.receipt,
      verdict.wrong,
      verdict.reason,
      verdict.projection,
      verdict.salt,
      verdict.commitment,
      nowMs,
    ],
  );
  return (await findVerdict(database, verdict.drawId)) as StoredVerdict;
}

export async function finishDraw(queries: Queries, drawId: number): Promise<void> {
  await queries.query("insert into validators.finished (draw_id) values ($1) on conflict do nothing", [
    drawId,
  ]);
}

/** Draws up to `count` about which something may be left to do, oldest first. */
export async function openDraws(queries: Queries, count: number): Promise<number[]> {
  const rows = await queries.query<{ drawId: number }>(
    `select n as "drawId" from generate_series(1, $1::int) as n
     where not exists (select 1 from validators.finished where draw_id = n) order by n limit 1000`,
    [count],
  );
  return rows.map(({ drawId }) => drawId);
}
