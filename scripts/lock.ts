/**
 * Completes `package-lock.json` for every platform.
 *
 * A registry mirror may lack the native packages of platforms it does not serve; npm then leaves them out of the lock file,
 * and `npm ci` refuses that file wherever the registry has them. This adds what is missing: name and exact version from the
 * package that wants it, platform from its name. Such an entry has no digest until npm meets the package.
 *
 *   node scripts/lock.ts            after npm has changed the lock file
 *   node scripts/lock.ts --check    fails when something is missing
 */
import { readFileSync, writeFileSync } from "node:fs";

export type LockEntry = {
  version?: string;
  integrity?: string;
  cpu?: string[];
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
};

export type Lock = { packages: Record<string, LockEntry> };

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "sunos", "win32"];
const processors: Record<string, string> = { amd64: "x64", arm64: "arm64", ia32: "ia32", x64: "x64" };
const libraries: Record<string, string> = { gnu: "glibc", musl: "musl" };

/** The platform that a native package's name tells, such as `edr-linux-arm64-gnu`; `undefined` when it tells none. */
export function platformOf(name: string): Pick<LockEntry, "cpu" | "os" | "libc"> | undefined {
  const words = name.split(/[/-]/);
  const os = words.find((word) => systems.includes(word));
  const cpu = words.map((word) => processors[word]).find((word) => word !== undefined);
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.map((word) => libraries[word]).find((word) => word !== undefined);
  return { cpu: [cpu], os: [os], ...(libc && os === "linux" ? { libc: [libc] } : {}) };
}

/** The entries that a lock file lacks: native packages named by exact version, by their path. */
export function missingEntries(lock: Lock): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {};
  for (const wanting of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(wanting.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      const platform = platformOf(name);
      if (path in lock.packages || platform === undefined || !/^\d/.test(version)) continue;
      missing[path] = { version, ...platform, ...(wanting.dev ? { dev: true } : {}), optional: true };
    }
  }
  return missing;
}

/** The same lock file with every platform in it, its entries in npm's order. */
export function complete(lock: Lock): Lock {
  const packages = { ...lock.packages, ...missingEntries(lock) };
  const paths = Object.keys(packages).sort((a, b) => a.localeCompare(b, "en"));
  return { ...lock, packages: Object.fromEntries(paths.map((path) => [path, packages[path]!])) };
}

if (import.meta.main) {
  const files = ["../package-lock.json", "node24/package-lock.json"].map(
    (name) => new URL(name, import.meta.url),
  );
  for (const file of files) {
    const lock: Lock = JSON.parse(readFileSync(file, "utf8"));
    const missing = Object.keys(missingEntries(lock));
    if (missing.length === 0) continue;
    if (process.argv.includes("--check")) {
      process.stderr.write(`${file.pathname} lacks ${missing.join(", ")}. Run: node scripts/lock.ts\n`);
      process.exitCode = 1;
    } else {
      writeFileSync(file, `${JSON.stringify(complete(lock), null, 2)}\n`);
      process.stdout.write(`Added ${missing.length} packages of other platforms to ${file.pathname}\n`);
    }
  }
}
