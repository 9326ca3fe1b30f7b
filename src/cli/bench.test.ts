import assert from "node:assert/strict";
import { test } from "node:test";
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
