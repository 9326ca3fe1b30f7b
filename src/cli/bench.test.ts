import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { benchmarks, define } from "./bench.ts";
import { CliError, exitCodes } from "./errors.ts";
import { createIo } from "./io.ts";

test("the benchmarks are the programs in bench/, and another name is refused with theirs", async () => {
  assert.ok(benchmarks().includes("chain"));
  assert.ok(benchmarks().every((name) => !name.includes(".")));
  const command = new Command("bench").exitOverride();
  define(command, createIo(true));
  await assert.rejects(
    command.parseAsync(["../src/cli/bin"], { from: "user" }),
    (error) =>
      error instanceof CliError && error.exitCode === exitCodes.usage && /chain/.test(error.expected ?? ""),
  );
});

test("options that a benchmark does not take are refused in a line each, without a stack, with exit code 2", async () => {
  const bin = fileURLToPath(new URL("./bin.ts", import.meta.url));
  const names = benchmarks().filter((name) =>
    readFileSync(new URL(`../../bench/${name}.ts`, import.meta.url), "utf8").includes("parseArgs"),
  );
  for (const name of names.slice(0, 3)) {
    const child = spawn(process.execPath, [bin, "bench", name, "--no-such-option"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let err = "";
    child.stderr.on("data", (part) => (err += part));
    const [code] = await once(child, "close");
    assert.equal(code, exitCodes.usage, err);
    assert.match(
      err,
      /^Unknown option '--no-such-option'.*\nopenledger: The benchmark .* does not take these options\.\n {2}→ .*\n$/,
    );
  }
});

test("--help lists the benchmarks, and after a name that benchmark's options", async () => {
  const help = async (...args: string[]) => {
    let text = "";
    const command = new Command("bench")
      .exitOverride()
      .configureOutput({ writeOut: (part) => (text += part) });
    define(command, createIo(true));
    await assert.rejects(command.parseAsync([...args, "--help"], { from: "user" }), {
      code: "commander.helpDisplayed",
    });
    return text;
  };
  const all = await help();
  for (const name of benchmarks()) assert.match(all, new RegExp(`^  ${name} +[A-Z].+`, "m"));
  assert.match(await help("quantised"), /--model DIR/);
  assert.match(await help("load", "--seconds", "5"), /--seconds 60/);
});
