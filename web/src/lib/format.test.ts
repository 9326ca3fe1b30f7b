import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ago,
  bytes,
  count,
  counted,
  date,
  dateToSecond,
  duration,
  money,
  openText,
  parseOpen,
  percent,
  settings,
  short,
  tone,
  words,
} from "./format.ts";

test("amounts of wei are written in OPEN, rounded down, with the exact amount beside", () => {
  assert.deepEqual(money("1000000000000000000000000000"), {
    amount: "1,000,000,000",
    unit: "OPEN",
    exact: "1,000,000,000,000,000,000,000,000,000 wei",
  });
  assert.equal(money("1999999999999999999").amount, "1.999999");
  assert.equal(money("1234567890123456").amount, "0.00123456");
  assert.equal(money("0").amount, "0");
  assert.deepEqual(money("999999"), { amount: "999,999", unit: "wei", exact: "999,999 wei" });
  assert.equal(money(-1_500_000_000_000_000_000n).amount, "−1.5");
});

test("what is typed in OPEN is read to the wei, or refused", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 27n }), (wei) => {
      const text = `${wei / 10n ** 18n}.${(wei % 10n ** 18n).toString().padStart(18, "0")}`;
      assert.equal(parseOpen(text), wei);
      assert.equal(parseOpen(openText(wei)), wei);
    }),
  );
  for (const bad of ["", "-1", "1.", ".5", "1e3", "0.1234567890123456789", "all"])
    assert.throws(() => parseOpen(bad), /amount of OPEN/);
});

test("counts, hashes, sizes, ages and names are written for people", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(short("0x5fbdb2315678afecb367f032d93f642f64180aa3"), "0x5fbdb2…180aa3");
  assert.equal(short("7"), "7");
  assert.deepEqual([bytes(0), bytes(999), bytes(1_234_000)], ["0 B", "999 B", "1.23 MB"]);
  assert.deepEqual([ago(300), ago(45_000), ago(-300_000)], ["just now", "45 s ago", "in 5 min"]);
  assert.deepEqual(
    [duration(59_400), duration(125_000), duration(3_900_000), duration(259_200_000)],
    ["59 s", "2 min 5 s", "1 h 5 min", "3 days"],
  );
  assert.equal(percent(0.1234), "12.3 %");
  assert.equal(words("completionTokens"), "completion tokens");
  assert.match(date(Date.UTC(2026, 10, 22, 5, 31)), /22 Nov 2026/);
  assert.match(dateToSecond(Date.UTC(2026, 10, 22, 5, 31, 7)), /22 Nov 2026, \d\d:\d\d:07 \S+/);
});

test("a state is calm when final, loud when challenged", () => {
  assert.deepEqual(
    ["final", "posted", "challenged", "reverted", "succeeded", "running", "cancelled"].map(tone),
    ["good", "wait", "bad", "bad", "good", "wait", "quiet"],
  );
});

test("a number agrees with its noun", () => {
  assert.deepEqual(
    [counted(0, "row"), counted(1, "row"), counted("2000", "row"), counted(2n, "row counts", "rows count")],
    ["0 rows", "1 row", "2,000 rows", "2 rows count"],
  );
});

test("settings are named in words, those of a group after it, and sorted", () => {
  assert.deepEqual(
    settings({
      stopLoss: 0.01,
      calibration: { leaveOut: 3, ceiling: false },
      modules: ["q", "v"],
      seed: null,
      exclude: [],
    }),
    [
      ["calibration, ceiling", "no"],
      ["calibration, leave out", "3"],
      ["exclude", "none"],
      ["modules", "q, v"],
      ["seed", "none"],
      ["stop loss", "0.01"],
    ],
  );
});
