import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";

const folder = new URL("../../bench/", import.meta.url);

/** The benchmarks of a clone: each is a program, `bench/<name>.ts`, that exits with 1 below its bar. */
export function benchmarks(): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}

/**
 * `openledger bench <name> [option ...]`: runs it in a process of its own, so that nothing of the command line is measured. Options
 * after the name are the benchmark's own; the comment that begins its file explains them.
 */
export function define(command: Command, io: Io): void {
  command.argument("<name>", "which one").argument("[option...]", "the benchmark's own options");
  command.allowUnknownOption().action(async (name: string, given: string[]) => {
    const names = benchmarks();
    if (names.length === 0) {
      throw new CliError("This is an installed package, and the benchmarks are not in it.", {
        expected: fileURLToPath(folder),
        actual: "no such folder",
        fix: ["Clone the repository and run './openledger bench' there."],
        exitCode: exitCodes.unfit,
      });
    }
    if (!names.includes(name)) {
      throw new CliError(`There is no benchmark "${name}".`, {
        expected: names.join(", "),
        actual: name,
        exitCode: exitCodes.usage,
      });
    }
    const script = fileURLToPath(new URL(`${name}.ts`, folder));
    const args = [...given.filter((option) => option !== "--json"), ...(io.json ? ["--json"] : [])];
    const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    if (code !== 0) throw new CliError(`The benchmark ${name} failed (${signal ?? `exit code ${code}`}).`);
  });
}
