import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
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

/** The comment that begins a benchmark's file, which says what it measures and what it takes. */
function about(name: string): string {
  const text = readFileSync(new URL(`${name}.ts`, folder), "utf8");
  return (/^\/\*\*(.*?)\*\//s.exec(text)?.[1] ?? "").replace(/^ ?\* ?/gm, "").trim();
}

/** `bench --help` lists the benchmarks, each by its comment's first line; with a name it is the whole comment. */
function help([name]: readonly string[]): string {
  const names = benchmarks();
  if (name !== undefined && names.includes(name)) return `\n${about(name)}`;
  const width = Math.max(...names.map(({ length }) => length));
  const lines = names.map((each) => `  ${each.padEnd(width)} ${about(each).split("\n", 1)[0]}`);
  return `\n${lines.join("\n")}\n\n'openledger bench <name> --help' lists a benchmark's own options.`;
}

/**
 * `openledger bench <name> [option ...]`: runs it in a process of its own, so that nothing of the command line is measured. Options
 * after the name are the benchmark's own; the comment that begins its file explains them.
 */
export function define(command: Command, io: Io): void {
  command.argument("<name>", "which one").argument("[option...]", "the benchmark's own options");
  command.addHelpText("after", ({ command: { args } }) => help(args));
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
    const errors = new URL("bench-errors.ts", import.meta.url).href;
    const child = spawn(process.execPath, ["--import", errors, script, ...args], { stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    if (code === exitCodes.usage)
      throw new CliError(`The benchmark ${name} does not take these options.`, {
        fix: [`./openledger bench ${name} --help says what it takes.`],
        exitCode: exitCodes.usage,
      });
    if (code !== 0)
      throw new CliError(`The benchmark ${name} failed (${signal ?? `exit code ${code}`}).`, {
        fix: [`./openledger bench ${name} --help says what it takes, and when it fails.`],
      });
  });
}
