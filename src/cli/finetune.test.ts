import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobState } from "../modelfactory/index.ts";
import { datanetVersion } from "./finetune.ts";
import { stateLine } from "./finetune-state.ts";
import { parseGrid } from "./finetune-sweep.ts";

test("a Datanet's version is a number at a number", () => {
  assert.deepEqual(datanetVersion("12@3", datanetVersion("1@1")), [
    { datanetId: "1", version: 1 },
    { datanetId: "12", version: 3 },
  ]);
  for (const wrong of ["1", "1@", "@1", "0@1", "1@0", "1@1.5", "a@1", "1@1 "])
    assert.throws(() => datanetVersion(wrong), /1@1/, wrong);
});

test("a grid's recipe may name a preset, beside it or in it; what is no list of values is named", () => {
  const rank = [4, 8];
  for (const text of ["preset: quick\nrank: [4, 8]", "recipe: {preset: quick}\nrank: [4, 8]"]) {
    const { grid, recipe } = parseGrid(text);
    assert.deepEqual([grid, recipe.epochs, recipe.calibration?.retrainings], [{ rank }, 5, 0]);
  }
  assert.throws(() => parseGrid("preset: fast\nrank: [4]"), /no preset "fast"; there are quick/);
  assert.throws(() => parseGrid("rnak: [4]"), /"rnak" is no field/);
  assert.throws(() => parseGrid("rank: 4"), /"rank" is one value, not a list/);
});

test("a state is said in the API's word, in a sentence that holds", () => {
  const said = (state: JobState) => stateLine({ id: "a", state, spec: { model: "valley" } });
  assert.deepEqual(
    [said("queued"), said("succeeded"), said("cancelled")],
    ['Job a is queued: "valley".', 'Job a has succeeded: "valley".', 'Job a is cancelled: "valley".'],
  );
});
