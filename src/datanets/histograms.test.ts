import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { histogramsOf, tokenBars } from "./histograms.ts";
import { createRowFacts } from "./row-facts.ts";

test("every row stands under exactly one bar, and bars are few and follow each other", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2_000_000), { minLength: 1, maxLength: 300 }), (lengths) => {
      const bars = tokenBars(Uint32Array.from(lengths));
      assert.ok(bars.length <= 12, `${bars.length} bars`);
      for (const [at, { from, to, rows }] of bars.entries()) {
        const under = lengths.filter((length) => length >= from && length <= (to ?? Infinity)).length;
        assert.equal(rows, under);
        if (at + 1 < bars.length) assert.equal(bars[at + 1]?.from, (to as number) + 1);
      }
      assert.equal(
        bars.reduce((sum, { rows }) => sum + rows, 0),
        lengths.length,
      );
    }),
  );
});

test("one very long row does not press the others into one bar", () => {
  const lengths = Uint32Array.from([...Array.from({ length: 200 }, (_, at) => 10 + (at % 40)), 50_000]);
  const bars = tokenBars(lengths);
  assert.deepEqual(
    [bars[0], bars.at(-1)],
    [
      { from: 10, to: 14, rows: 25 },
      { from: 50, to: null, rows: 1 },
    ],
  );
});

const row = (text: string, contributor: `0x${string}` = "0x01") => ({
  contributor,
  example: { prompt: text, completion: "" },
});

test("rows beyond the limits are counted as rows, and have no length and no language", async () => {
  const rows = [
    row("The river runs past the old mill and the bakery in the valley."),
    row("Der Fluss fließt an der alten Mühle und an der Bäckerei vorbei.", "0x02"),
    row("?"),
    row("Never looked at, for the limit is three rows."),
  ];
  let calls = 0;
  const countTokens = (text: string) => {
    calls++;
    return text.length;
  };
  const factsOf = createRowFacts(countTokens, { rowsMax: 3, charactersMax: 1_000 });
  const [facts, again] = await Promise.all([factsOf(rows), factsOf(rows)]);
  assert.deepEqual([again === facts, calls], [true, 6], "looked at once, prompt and completion");
  const { total, looked, languages, contributors } = histogramsOf(rows, facts);
  assert.deepEqual([total, looked], [4, 3]);
  assert.deepEqual(new Set(languages.map(({ language }) => language)), new Set(["en", "de", null]));
  assert.deepEqual(contributors, [
    { contributor: "0x01", rows: 3 },
    { contributor: "0x02", rows: 1 },
  ]);
  const short = await createRowFacts(countTokens, { rowsMax: 9, charactersMax: 70 })(rows.slice(1));
  assert.equal(short.looked, 2, "characters are limited, too");
});
