/**
 * Builds `web/dist`, the web application that the node serves, unless what is there was built from these very sources.
 *
 *   node scripts/web.ts            builds when anything changed
 *   node scripts/web.ts --force    builds in any case
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { repository } from "./steps.ts";

const web = new URL("web/", repository);
const stamp = new URL("dist/.sources", web);
/** What the build reads: the application, what it shares with the node, and the versions it is built with. */
const inputs = [
  "web/{index.html,package.json,vite.config.ts}",
  "web/public/*",
  "web/src/**/*.*",
  "client/src/*.ts",
  "src/protocol/*.ts",
  "src/chain/arguments.ts",
  "src/chain/contracts/*.ts",
  "package-lock.json",
];

/** SHA-256 over the names and contents of everything that the build reads. */
export function sourcesDigest(): string {
  const hash = createHash("sha256");
  const cwd = fileURLToPath(repository);
  const paths = inputs
    .flatMap((pattern) => globSync(pattern, { cwd }))
    .filter((path) => !/\.test\.tsx?$/.test(path));
  for (const path of [...new Set(paths)].sort())
    hash
      .update(`${path.replaceAll("\\", "/")}\0`)
      .update(readFileSync(new URL(path, repository)))
      .update("\0");
  return hash.digest("hex");
}

/** Whether `web/dist` was built from the sources as they are. */
export const isBuilt = (digest = sourcesDigest()): boolean =>
  existsSync(stamp) && readFileSync(stamp, "utf8") === digest;

/** Builds `web/dist`; a few seconds. @returns whether there was anything to do */
export async function buildWeb({ force = false } = {}): Promise<boolean> {
  const digest = sourcesDigest();
  if (!force && isBuilt(digest)) return false;
  process.stderr.write("Building the web application, once for these sources …\n");
  const { build } = await import("vite");
  await build({
    configFile: fileURLToPath(new URL("vite.config.ts", web)),
    logLevel: "warn",
  });
  writeFileSync(stamp, digest);
  return true;
}

if (import.meta.main) {
  const built = await buildWeb({ force: process.argv.includes("--force") });
  process.stdout.write(built ? "Built web/dist.\n" : "web/dist is up to date.\n");
}
