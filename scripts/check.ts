/**
 * Everything that can be said about the sources without running them: types, style and floors, generated files.
 *
 *   node scripts/check.ts
 */
import { existsSync, readFileSync } from "node:fs";
import { repository, runSteps, type Step } from "./steps.ts";

/** Scripts that write committed files; with `--check` they only compare, and fail when a file is out of date. */
const generators = ["rooms", "lock", "contracts", "api-types"];

/** The checks, in the order in which they are worth reading. */
export function checks(): Step[] {
  return [
    { name: "types", command: [packageBin("typescript", "bin/tsc"), "-p", "tsconfig.json"] },
    { name: "types of the web application", command: [packageBin("typescript", "bin/tsc"), "-p", "web"] },
    { name: "style", command: [packageBin("@biomejs/biome", "bin/biome"), "check", "--error-on-warnings"] },
    ...generators
      .map((name) => ({ name: `${name} up to date`, command: [`scripts/${name}.ts`, "--check"] }))
      .filter(({ command }) => takesCheck(command[0]!)),
  ];
}

function takesCheck(script: string): boolean {
  const file = new URL(script, repository);
  return existsSync(file) && readFileSync(file, "utf8").includes("--check");
}

function packageBin(name: string, file: string): string {
  return `node_modules/${name}/${file}`;
}

if (import.meta.main) process.exitCode = await runSteps(checks());
