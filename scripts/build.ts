/**
 * Builds `dist/`, what an installed package runs (Node does not strip types below node_modules): the sources compiled to
 * JavaScript, and the data files that stand beside them.
 *
 *   node scripts/build.ts [output folder]
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { repository } from "./steps.ts";

/** `new URL("./worker.ts", import.meta.url)`: the compiler renames imports only, not these. */
const sourceUrl = /(new URL\(\s*["'`]\.{1,2}\/[^"'`]+)\.ts(["'`],\s*import\.meta\.url\s*\))/g;

/** JavaScript in which files beside it are named as they are named once built. */
export function renameSourceUrls(javascript: string): string {
  return javascript.replace(sourceUrl, "$1.js$2");
}

/** Whether a file below src/ belongs beside the compiled code: data, but no test's data. */
export function isAsset(path: string): boolean {
  return ![".ts", ".md"].includes(extname(path)) && !/(^|\/)fixtures\/|\.test\./.test(path);
}

function compile(outDir: string): void {
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", repository));
  const args = [tsc, "-p", "tsconfig.build.json", "--outDir", outDir];
  const { status } = spawnSync(process.execPath, args, { cwd: fileURLToPath(repository), stdio: "inherit" });
  if (status !== 0)
    throw new Error(`The compiler ended with exit code ${status}; what it found is named above.`);
}

/**
 * Compiles the sources into an empty folder.
 *
 * @param outDir - absolute path; what is there is deleted
 */
export function build(outDir: string): void {
  const src = fileURLToPath(new URL("src/", repository));
  rmSync(outDir, { recursive: true, force: true });
  compile(outDir);
  for (const path of globSync("**/*.js", { cwd: outDir })) {
    const file = join(outDir, path);
    writeFileSync(file, renameSourceUrls(readFileSync(file, "utf8")));
  }
  for (const path of globSync("**/*.*", { cwd: src }).filter(isAsset)) {
    cpSync(join(src, path), join(outDir, path));
  }
  chmodSync(join(outDir, "cli/bin.js"), 0o755);
}

if (import.meta.main) {
  const outDir = resolve(process.argv[2] ?? fileURLToPath(new URL("dist", repository)));
  build(outDir);
  process.stdout.write(`Built ${outDir}\n`);
}
