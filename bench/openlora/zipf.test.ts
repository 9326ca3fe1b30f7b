import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../../src/engine/index.ts";
import { createZipf } from "./zipf.ts";

test("zipf draws follow 1 / rank^s and stay within their number", () => {
  const [count, exponent, draws] = [50, 1.1, 40_000];
  const draw = createZipf(count, exponent);
  const random = createRandom(3);
  const seen = new Array<number>(count).fill(0);
  for (let i = 0; i < draws; i++) seen[draw(random)]!++;
  const sum = seen.reduce((total, n) => total + n);
  assert.equal(sum, draws);
  const norm = seen.reduce((total, _, k) => total + 1 / (k + 1) ** exponent, 0);
  for (const [k, n] of seen.entries()) {
    const expected = draws / norm / (k + 1) ** exponent;
    assert.ok(Math.abs(n - expected) < 5 * Math.sqrt(expected), `rank ${k + 1}: ${n} of ${expected}`);
  }
  assert.equal(createZipf(1, exponent)(random), 0);
});
