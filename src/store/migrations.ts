import { keccak256, stringToBytes } from "viem";
import type { Database } from "./database.ts";
import { StoreError } from "./errors.ts";

type Recorded = { number: number; digest: string };

/** Runs a room's migrations that are not recorded in `store.migrations` yet; see {@link Database.migrate}. */
export async function runMigrations(
  database: Database,
  room: string,
  migrations: readonly string[],
): Promise<void> {
  if (!/^[a-z]{1,40}$/.test(room))
    throw new TypeError(`"${room}" is no room's name: expected lower-case letters.`);
  await database.transaction(async (tx) => {
    const recorded = await tx.query<Recorded>(
      "select number, digest from store.migrations where room = $1 order by number",
      [room],
    );
    if (recorded.length > migrations.length) {
      throw new StoreError(
        "database-newer",
        `The database has ${recorded.length} migrations of ${room}, this program knows ${migrations.length}: ` +
          "it was written by a newer version. Upgrade the program, or restore a backup from before the upgrade.",
      );
    }
    await tx.query(`create schema if not exists "${room}"`);
    for (const [number, sql] of migrations.entries()) {
      const digest = keccak256(stringToBytes(sql));
      const before = recorded[number];
      if (before && before.digest !== digest) {
        throw new StoreError(
          "migration-changed",
          `Migration ${number} of ${room} has changed since it ran here: recorded ${before.digest}, now ${digest}. ` +
            "Put its text back as it was and write a new migration instead.",
        );
      }
      if (before) continue;
      await tx.script(sql);
      await tx.query(
        "insert into store.migrations (room, number, digest, applied_at_ms) values ($1, $2, $3, $4)",
        [room, number, digest, Date.now()],
      );
    }
  });
}
