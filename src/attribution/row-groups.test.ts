import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maxDimensions } from "../protocol/index.ts";
import { groupRows } from "./row-groups.ts";

test("every example stands in one row of its contributor's, in order, and rows are as even as they go", () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 12 })
        .chain((contributors) =>
          fc.tuple(fc.constant(contributors), fc.array(fc.nat(contributors - 1), { maxLength: 200 })),
        ),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 60 }),
      ([contributors, contributorOf], examplesPerRow, mostRows) => {
        const groups = groupRows(contributorOf, contributors, {
          examplesPerRow,
          nullRows: maxDimensions - mostRows,
        });
        const { members, contributorOfRow } = groups;
        assert.equal(members.length, contributorOfRow.length);
        assert.ok(members.length <= Math.max(mostRows, contributors));
        for (let c = 0; c < contributors; c++) {
          const own = members.filter((_, row) => contributorOfRow[row] === c);
          assert.deepEqual(
            own.flat(),
            [...contributorOf.keys()].filter((i) => contributorOf[i] === c),
          );
          const sizes = own.map(({ length }) => length);
          assert.ok(Math.max(...sizes) <= groups.examplesPerRow);
          assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
        }
        assert.deepEqual(
          contributorOfRow,
          contributorOfRow.toSorted((a, b) => a - b),
        );
      },
    ),
  );
});

test("rows stay at the size asked for as long as there are few enough", () => {
  const contributorOf = Array.from({ length: 100 }, (_, i) => i % 2);
  const rows = (mostRows: number) =>
    groupRows(contributorOf, 2, { examplesPerRow: 8, nullRows: maxDimensions - mostRows });
  assert.deepEqual([rows(14).members.length, rows(14).examplesPerRow], [14, 8]);
  assert.deepEqual([rows(13).members.length, rows(13).examplesPerRow], [12, 9]);
  assert.deepEqual([rows(2).members.length, rows(2).examplesPerRow], [2, 50]);
  assert.deepEqual([rows(1).members.length, rows(1).examplesPerRow], [2, 50]);
});
