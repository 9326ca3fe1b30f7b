import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatOpen, parseOpen, parsePositiveOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";

const open = 10n ** 18n;

test("OPEN is read to the last wei", () => {
  assert.equal(parseOpen("10"), 10n * open);
  assert.equal(parseOpen(" 0.25 "), open / 4n);
  assert.equal(parseOpen("0.000000000000000001"), 1n);
  assert.equal(parseOpen("1000000000"), 10n ** 27n);
  assert.equal(parseOpen("999999999.999999999999999999"), 10n ** 27n - 1n);
  assert.equal(parseOpen("0"), 0n);
});

test("what is not an amount is refused as wrong usage, with what was expected", () => {
  const wrong = ["", "-1", "+1", "1e3", "0x10", "1,000", "1_000", ".5", "5.", "1.2.3", "NaN", "1 OPEN", "١"];
  for (const text of [...wrong, "0.0000000000000000001", "1000000000.1", "99999999999", "9".repeat(100)]) {
    assert.throws(
      () => parseOpen(text),
      (error) =>
        error instanceof CliError &&
        error.exitCode === exitCodes.usage &&
        /18 decimals/.test(error.expected ?? ""),
      text,
    );
  }
  assert.throws(() => parsePositiveOpen("0.0"), /more than 0/);
  assert.equal(parsePositiveOpen("0.000000000000000001"), 1n);
});

test("what is written is read as the same wei", () => {
  assert.equal(formatOpen(0n), "0");
  assert.equal(formatOpen(-open / 2n), "-0.5");
  assert.equal(formatOpen(10n ** 27n), "1000000000");
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 27n), (wei) => {
      const text = formatOpen(wei);
      assert.equal(parseOpen(text), wei);
      assert.doesNotMatch(text, /\.$|\.\d*0$|e/);
    }),
  );
});
