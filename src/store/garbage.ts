import type { Blobs, Digest } from "./blobs.ts";
import type { Database, Transaction } from "./database.ts";

export type Collected = {
  /** Blobs stored before the grace began, and those that something names. */
  readonly looked: number;
  readonly named: number;
  /** Removed; under `dryRun` what would be. */
  readonly removed: number;
  readonly removedBytes: number;
  /** Blobs that are younger: nothing was asked about them. */
  readonly young: number;
};

export type CollectOptions = {
  readonly database: Database;
  readonly blobs: Pick<Blobs, "list" | "remove">;
  /** How long a blob stays after it was last stored, named or not; a day unless given. Longer than it takes to name what was stored. */
  readonly graceMs?: number;
  /** Say what would be removed, and remove nothing. */
  readonly dryRun?: boolean;
  readonly now?: () => number;
  /** Blobs that are asked about at once; 100,000 unless given. */
  readonly batch?: number;
};

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Removes blobs that nothing names (mark and sweep).
 *
 * **What names a blob**: its digest, `0x…`, anywhere in a text, JSON or array column of any table of any room. No room has to say which of its columns hold digests, and none can
 * forget to; a digest that stands somewhere for another reason keeps a blob too long, never too short. What a release names stands in its manifest.
 *
 * **Why nothing is lost that is named later**: who names a blob has stored it just before, and storing it again counts as storing it. All tables are read in one transaction, after
 * the grace's end was fixed; a blob that is named after that was stored within the grace, and {@link Blobs.remove} refuses it, also when the put comes between mark and
 * sweep. A crash in between leaves some garbage for the next time.
 */
export async function collectGarbage(options: CollectOptions): Promise<Collected> {
  const { database, blobs, graceMs = dayMs, dryRun = false, now = Date.now, batch = 100_000 } = options;
  const beforeMs = now() - graceMs;
  const total = { looked: 0, named: 0, removed: 0, removedBytes: 0, young: 0 };
  let candidates = new Map<Digest, number>();
  const sweep = async () => {
    const unnamed = await unnamedOf(database, [...candidates.keys()]);
    total.looked += candidates.size;
    total.named += candidates.size - unnamed.length;
    for (const digest of unnamed) {
      if (!dryRun && !(await blobs.remove(digest, beforeMs))) continue;
      total.removed++;
      total.removedBytes += candidates.get(digest) ?? 0;
    }
    candidates = new Map();
  };
  for await (const { digest, bytes, storedAtMs } of blobs.list()) {
    if (storedAtMs >= beforeMs) total.young++;
    else candidates.set(digest, bytes);
    if (candidates.size >= batch) await sweep();
  }
  if (candidates.size > 0) await sweep();
  return total;
}

type Column = { schema: string; name: string; column: string };

/**
 * Those digests that stand nowhere in the database, as of one moment.
 *
 * @param besides rooms whose tables are not asked
 */
export function unnamedOf(
  database: Database,
  digests: readonly Digest[],
  besides: readonly string[] = [],
): Promise<Digest[]> {
  return database.transaction(async (tx) => {
    await tx.query("create temporary table candidates (digest text primary key) on commit drop");
    await tx.query("insert into candidates select jsonb_array_elements_text($1::jsonb)", [
      JSON.stringify(digests),
    ]);
    for (const column of await columnsWithText(tx))
      if (!besides.includes(column.schema)) await removeNamed(tx, column);
    return (await tx.query<{ digest: Digest }>("select digest from candidates")).map(({ digest }) => digest);
  });
}

const columnsWithText = (tx: Transaction): Promise<Column[]> =>
  tx.query<Column>(
    `select n.nspname as schema, c.relname as name, a.attname as column
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     join pg_type t on t.oid = a.atttypid
     where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
       and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%'
       -- What an encrypted blob is called outside names nothing: it is the very thing that is asked about.
       and not (n.nspname = 'sealing' and c.relname = 'blobs' and a.attname = 'digest')
       and (t.typname in ('text', 'varchar', 'bpchar', 'json', 'jsonb') or t.typcategory = 'A')
     order by 1, 2, 3`,
  );

async function removeNamed(tx: Transaction, { schema, name, column }: Column): Promise<void> {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  await tx.query(
    `delete from candidates where digest in (
       select m[1] from ${quoted(schema)}.${quoted(name)} x, regexp_matches(x.${quoted(column)}::text, '0x[0-9a-f]{64}', 'g') m)`,
  );
}
