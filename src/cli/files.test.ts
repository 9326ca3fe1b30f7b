import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead, cannotWrite, readText, writeText } from "./files.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-files-"));
after(() => rmSync(folder, { recursive: true }));

const told = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, exitCodes.usage);
    assert.doesNotMatch(`${error.message} ${error.actual}`, /E[A-Z]{4,}|syscall/);
    return [error.message, error.actual, error.fix?.join(" ")].join("\n");
  }
  return assert.fail("nothing was thrown");
};

test("a file that cannot be read is named, with what is there and what to do", () => {
  const absent = join(folder, "none.txt");
  assert.match(
    told(() => readText(absent)),
    /^Cannot read .*none\.txt\.\nthere is nothing at .*none\.txt\nCorrect/,
  );
  assert.match(
    told(() => readText(folder)),
    /it is a folder\nName a file in it/,
  );
  writeFileSync(join(folder, "plain"), "");
  assert.match(
    told(() => readText(join(folder, "plain", "x"))),
    /a part of its path is a file/,
  );
});

test("a file that cannot be written is named, with what is there and what to do", () => {
  const out = join(folder, "no", "out.txt");
  assert.match(
    told(() => writeText(out, "x")),
    /^Cannot write .*out\.txt\.\nthere is none\nmkdir -p .*no, or/,
  );
  assert.match(
    told(() => writeText(folder, "x")),
    /it is a folder/,
  );
  const kept = join(folder, "kept");
  writeText(kept, "one");
  assert.equal(readText(kept), "one");
  assert.equal(readFileSync(kept, "utf8"), "one");
});

test("what the system says otherwise is told in words where they are known, else as it came", () => {
  const system = (code: string) => Object.assign(new Error(`${code}: no luck`), { code });
  assert.equal(cannotRead("a", system("EACCES")).actual, "it may not");
  assert.equal(cannotWrite("a", system("ENOSPC")).actual, "it is full");
  assert.match(cannotWrite("a", system("EEXIST")).actual ?? "", /nothing is written over/);
  assert.equal(cannotRead("a", new Error("longer than 5 bytes")).actual, "longer than 5 bytes");
});
