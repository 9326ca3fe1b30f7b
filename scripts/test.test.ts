import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { repository, runSteps, summary } from "./steps.ts";
import { steps, testFiles } from "./test.ts";

const root = fileURLToPath(repository);
const scratch = mkdtempSync(join(tmpdir(), "openledger-test-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

test("test files are found below folders, and by name, once each", () => {
  for (const folder of ["a/b", "node_modules/c", "dist"])
    mkdirSync(join(scratch, folder), { recursive: true });
  for (const file of [
    "a/one.test.ts",
    "a/b/two.test.ts",
    "a/test.ts",
    "node_modules/c/x.test.ts",
    "dist/y.test.ts",
  ]) {
    writeFileSync(join(scratch, file), "");
  }
  const names = testFiles([".", "a", "a/one.test.ts"], scratch).map((path) =>
    path.split("/").slice(-2).join("/"),
  );
  assert.deepEqual(names, ["b/two.test.ts", "a/one.test.ts"]);
  assert.throws(() => testFiles(["nowhere"], scratch), /no file or folder/);
});

test("everything is the checks, the tests and the contracts; a path is only what is below it", () => {
  const flat = (...paths: string[]) =>
    steps(paths, root).flatMap((step) => ("beside" in step ? step.beside.flat() : [step]));
  const names = (...paths: string[]) => flat(...paths).map(({ name }) => name);
  assert.deepEqual(names("scripts/test.test.ts"), ["web application", "tests"]);
  assert.deepEqual(names("contracts"), ["contract tests"]);
  const all = names();
  for (const name of ["types", "style", "tests", "contract tests"]) assert.ok(all.includes(name), name);
  const files = flat().flatMap(({ command }) => command.filter((word) => word.endsWith(".test.ts")));
  const found = testFiles(["src", "client", "web", "scripts", "examples", "bench"], root);
  assert.deepEqual(files.sort(), found, "every file of tests, once");
});

test("steps beside each other all run, and none's words mix with another's", async () => {
  const say = join(scratch, "say.ts");
  writeFileSync(say, "console.log(process.argv[2]); process.exitCode = Number(process.argv[3]);");
  const step = (name: string, code: string) => ({ name, command: [say, name, code] });
  assert.equal(await runSteps([{ beside: [[step("a", "0"), step("b", "0")], [step("c", "0")]] }]), 0);
  assert.equal(await runSteps([{ beside: [[step("a", "0")], [step("b", "1"), step("c", "0")]] }]), 1);
});

test("a run goes on after a failure, and then fails", async () => {
  const ok = join(scratch, "ok.ts");
  const bad = join(scratch, "bad.ts");
  writeFileSync(ok, "");
  writeFileSync(bad, "process.exitCode = 3;");
  assert.equal(await runSteps([{ name: "good", command: [ok] }]), 0);
  assert.equal(
    await runSteps([
      { name: "bad", command: [bad] },
      { name: "good", command: [ok] },
    ]),
    1,
  );
});

test("the summary's last line names what failed", () => {
  const passed = { name: "types", passed: true, seconds: 1.25, how: "passed" };
  const failed = { name: "style", passed: false, seconds: 0.1, how: "FAILED (exit code 1)" };
  assert.match(summary([passed]), /types +1\.3 s +passed\nEverything passed\.\n$/);
  assert.match(summary([passed, failed]), /\n1 of 2 failed: style\.\n$/);
});
