import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { influenceShares } from "./influence-shares.ts";
import { segmentsOf } from "./segments.ts";

test("the pieces of an answer are the answer, and the rarest of overlapping spans has the piece", () => {
  const place = fc
    .tuple(fc.nat(60), fc.nat(60))
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
  fc.assert(
    fc.property(
      fc.string({ maxLength: 50 }),
      fc.array(fc.record({ at: fc.array(place) })),
      (answer, spans) => {
        const segments = segmentsOf(answer, spans);
        assert.equal(segments.map(({ text }) => text).join(""), answer);
        for (const { start, text, span } of segments)
          for (let i = start; i < start + text.length; i++) {
            const first = spans.findIndex(({ at }) =>
              at.some(({ start, end }) => start <= i && i < end && end <= answer.length),
            );
            assert.equal(span ?? -1, first);
          }
      },
    ),
  );
});

test("a contributor's share is the sum of its rows', and rows of chance belong to nobody", () => {
  const score = (row: number, shareMillionths: number) => ({ row, shareMillionths, errorMillionths: 40_000 });
  assert.deepEqual(
    influenceShares([score(0, 200_000), score(1, 500_000), score(2, 300_000)], ["a", "b", "a"]),
    [
      { contributor: "a", share: 0.5, error: 0.04, rows: 2 },
      { contributor: "b", share: 0.5, error: 0.04, rows: 1 },
    ],
  );
  assert.deepEqual(influenceShares([score(9, 1_000_000)], ["a"]), []);
});
