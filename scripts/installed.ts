/**
 * Tells by its exit code whether `node_modules` already holds what `package-lock.json` names, so that the launcher does
 * not install again what `npm install`, run by hand, has installed.
 *
 *   node scripts/installed.ts production | full
 */
import { existsSync, readFileSync } from "node:fs";

export type LockedPackage = {
  version?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string | string[];
  cpu?: string | string[];
  libc?: string | string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
};

type Lock = { packages: Record<string, LockedPackage> };

const admits = (allowed: string | string[] | undefined, name: string): boolean =>
  allowed === undefined || [allowed].flat().includes(name);

/** The C library of a Linux system, as npm names it. */
function cLibrary(): "glibc" | "musl" {
  const report = process.report as unknown as {
    excludeNetwork: boolean;
    getReport(): { header: { glibcVersionRuntime?: string } };
  };
  report.excludeNetwork = true;
  return report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

/** Whether npm would install this package on the machine we run on. */
export function wanted(locked: LockedPackage, need: "production" | "full"): boolean {
  if (locked.dev && need === "production") return false;
  return (
    admits(locked.os, process.platform) &&
    admits(locked.cpu, process.arch) &&
    (process.platform !== "linux" || admits(locked.libc, cLibrary()))
  );
}

const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

/**
 * The locked packages that npm installs here: an optional one only with a package that needs it, for those of a package for another
 * platform are locked without a platform of their own.
 */
export function wantedPackages(
  packages: Lock["packages"],
  need: "production" | "full",
): [string, LockedPackage][] {
  let found = Object.entries(packages).filter(([, entry]) => wanted(entry, need));
  for (;;) {
    const needed = new Set(
      found.flatMap(([, { dependencies, optionalDependencies, peerDependencies }]) =>
        Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }),
      ),
    );
    const kept = found.filter(([path, { optional }]) => !optional || needed.has(nameOf(path)));
    if (kept.length === found.length) return kept;
    found = kept;
  }
}

/**
 * The packages that are missing or of another version.
 *
 * @param root - folder of `package-lock.json` and `node_modules`, with a trailing slash
 * @param need - with or without the dependencies of development
 * @returns paths below `root`, such as `node_modules/zod`; all of them when npm has never finished here
 */
export function missingPackages(root: URL, need: "production" | "full"): string[] {
  const read = (name: string): Lock => JSON.parse(readFileSync(new URL(name, root), "utf8"));
  const locked = read("package-lock.json");
  const hidden = new URL("node_modules/.package-lock.json", root);
  const installed = existsSync(hidden) ? read("node_modules/.package-lock.json").packages : {};
  return wantedPackages(locked.packages, need)
    .filter(([path]) => path.includes("node_modules/"))
    .filter(([path, entry]) => {
      const found = installed[path];
      if (found === undefined || !existsSync(new URL(`${path}/package.json`, root))) return true;
      return !entry.link && (found.version !== entry.version || found.integrity !== entry.integrity);
    })
    .map(([path]) => path);
}

if (import.meta.main) {
  const need = process.argv[2] === "full" ? "full" : "production";
  const missing = missingPackages(new URL("../", import.meta.url), need);
  if (missing.length > 0) {
    process.stdout.write(`${missing.map((path) => path.replace("node_modules/", "")).join(", ")}\n`);
    process.exitCode = 1;
  }
}
