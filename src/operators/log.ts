import type { Database } from "../store/index.ts";
import type { Principal, Scope } from "./scopes.ts";

/** One thing that somebody did, or was refused, in the operator's name. */
export type LogEntry = {
  readonly seq: number;
  readonly atMs: number;
  /** A {@link Principal}'s `who`, and the name its key had. */
  readonly who: string;
  readonly name: string;
  readonly scope: Scope;
  readonly method: string;
  readonly path: string;
  /** HTTP status; null while it is under way, and for ever if the node ended meanwhile. */
  readonly status: number | null;
};

/** Entries kept: at the default 600 requests a minute one key alone needs almost three hours to push out the oldest. */
const entriesMax = 100_000;
const pathMax = 300;

/** Before it is done, so that nothing is done unseen. @returns its number, for {@link endEntry} */
export async function beginEntry(
  database: Database,
  entry: Pick<Principal, "who" | "name"> & Omit<LogEntry, "seq" | "status" | "who" | "name">,
): Promise<number> {
  const { atMs, who, name, scope, method, path } = entry;
  const [row] = await database.query<{ seq: number }>(
    `insert into operators.log (at_ms, who, name, scope, method, path) values ($1, $2, $3, $4, $5, $6) returning seq`,
    [atMs, who, name, scope, method, path.slice(0, pathMax)],
  );
  const { seq } = row as { seq: number };
  await database.query("delete from operators.log where seq <= $1", [seq - entriesMax]);
  return seq;
}

/** What came of it. */
export async function endEntry(database: Database, seq: number, status: number): Promise<void> {
  await database.query("update operators.log set status = $2 where seq = $1", [seq, status]);
}

/** Newest first. @param page at most `limit`, all of them older than entry `before` */
export function listEntries(
  database: Database,
  { limit, before }: { readonly limit: number; readonly before?: number | undefined },
): Promise<LogEntry[]> {
  return database.query<LogEntry>(
    `select seq, at_ms as "atMs", who, name, scope, method, path, status from operators.log
     where $2::bigint is null or seq < $2 order by seq desc limit $1`,
    [limit, before ?? null],
  );
}
