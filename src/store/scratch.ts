import { existsSync, statSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Database } from "./database.ts";
import { openDatabase } from "./pglite.ts";

/**
 * A real database in a temporary folder, for tests and throw-away programs; `close()` removes it. The first call on a machine
 * creates a template (seconds), later ones copy it (a fraction of a second).
 */
export async function openScratchDatabase(): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), "openledger-scratch-"));
  await copyEmptyDatabase(folder);
  const database = await openDatabase(folder);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= database.close().finally(() => rm(folder, { recursive: true, force: true }));
    return closing;
  };
  return { ...database, close, [Symbol.asyncDispose]: close };
}

/** Makes `folder` an empty database's, as {@link openDatabase} would, but by copying the template. */
export async function copyEmptyDatabase(folder: string): Promise<void> {
  await cp(await template(), folder, { recursive: true });
}

/** An empty database folder, made once for each build of PGlite; renamed into place so that concurrent callers cannot see half of one. */
async function template(): Promise<string> {
  const wasm = statSync(fileURLToPath(new URL("pglite.wasm", import.meta.resolve("@electric-sql/pglite"))));
  const folder = join(
    tmpdir(),
    `openledger-template-${wasm.size}-${Math.floor(wasm.mtimeMs)}-${process.getuid?.() ?? 0}`,
  );
  if (existsSync(folder)) return folder;
  const fresh = `${folder}-${process.pid}`;
  await mkdir(fresh, { recursive: true });
  await (await openDatabase(fresh)).close();
  try {
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
