/**
 * Runs forge from `node_modules` on `contracts/`: `node scripts/forge.ts test`, `node scripts/forge.ts build`, or any
 * other forge command. Nothing is downloaded: the binary is inside npm's platform package, and forge compiles with npm's
 * solc through `contracts/solc.cjs`, which needs this Node first in the path.
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** @returns the path of forge's binary for this machine */
export function forgeBinary(): string {
  const platform = process.platform === "win32" ? "win32" : process.platform;
  const cpu = process.arch === "x64" ? "amd64" : process.arch;
  const name = `@foundry-rs/forge-${platform}-${cpu}`;
  try {
    return createRequire(import.meta.url).resolve(
      `${name}/bin/forge${process.platform === "win32" ? ".exe" : ""}`,
    );
  } catch {
    throw new Error(`forge needs ${name}, which is not installed. Run: npm install --include=optional`);
  }
}

/** @returns forge's exit code; its output goes to this process's */
export function forge(args: readonly string[], stdout: "inherit" | "ignore" = "inherit"): number {
  const [command, ...rest] = args;
  const where = command === undefined || command.startsWith("-") ? [] : ["--root", root];
  const run = spawnSync(forgeBinary(), [...(command ? [command] : []), ...where, ...rest], {
    cwd: root,
    stdio: ["ignore", stdout, "inherit"],
    env: {
      ...process.env,
      FOUNDRY_CONFIG: join(root, "contracts/foundry.toml"),
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`,
    },
  });
  if (run.error) throw run.error;
  return run.status ?? 1;
}

if (import.meta.main) process.exitCode = forge(process.argv.slice(2));
