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
