/** What a browser loads before the first screen's own code: the entry and everything it imports at once, as a node sends it. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);

type Chunk = { file: string; isEntry?: boolean; imports?: string[]; css?: string[] };

export type Loaded = { file: string; bytes: number; gzip: number };

/** Files of the first load, largest first; sizes in bytes. Scripts alone, unless `styles` is wanted too. */
export function firstLoad(): Loaded[] {
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", dist), "utf8")) as Record<string, Chunk>;
  const entry = Object.keys(manifest).find((name) => manifest[name]?.isEntry);
  if (entry === undefined)
    throw new Error("web/dist/manifest.json names no entry: run node scripts/web.ts --force.");
  const names = new Set<string>();
  const follow = (name: string) => {
    if (names.has(name)) return;
    names.add(name);
    for (const imported of manifest[name]?.imports ?? []) follow(imported);
  };
  follow(entry);
  const files = ["theme.js", ...[...names].flatMap((name) => manifest[name]?.file ?? [])];
  return files
    .map((file) => {
      const body = readFileSync(new URL(file, dist));
      return { file, bytes: body.length, gzip: gzipSync(body, { level: 6 }).length };
    })
    .sort((a, b) => b.gzip - a.gzip);
}

/** Compressed scripts of the first load, KiB. */
export const firstLoadKiB = (): number => firstLoad().reduce((sum, { gzip }) => sum + gzip, 0) / 1024;
