import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { moduleNames } from "../engine/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { presetNames, presets, withPreset } from "./presets.ts";
import { recipeSchema } from "./recipe.ts";
import { formatRecipe, parseRecipe } from "./recipe-file.ts";

test("a recipe written as YAML is read back as the same, whatever it holds", () => {
  fc.assert(
    fc.property(
      fc.record({
        rank: fc.integer({ min: 1, max: 16 }),
        modules: fc.subarray([...moduleNames], { minLength: 1 }),
        learningRate: fc.double({ min: 1e-7, max: 1, noNaN: true }),
        seed: fc.integer({ min: 0, max: 0xffff_ffff }),
        stopAtOptimum: fc.boolean(),
      }),
      (fields) => {
        const recipe = recipeSchema.parse(fields);
        assert.deepEqual(parseRecipe(formatRecipe(recipe)), recipe);
      },
    ),
  );
});

test("presets are whole recipes, and may be changed; JSON is read, too", () => {
  for (const name of presetNames)
    assert.deepEqual(parseRecipe(`preset: ${name}`), recipeSchema.parse(presets[name]), name);
  assert.deepEqual(parseRecipe(""), recipeSchema.parse({}));
  const changed = parseRecipe("preset: quick\nepochs: 3 # fewer\ncalibration:\n  retrainings: 4\n");
  assert.deepEqual(
    [changed.epochs, changed.patience, changed.calibration?.retrainings, changed.calibration?.leaveOut],
    [3, 1, 4, 0],
  );
  assert.deepEqual(withPreset("quick", { epochs: 9 }).epochs, 9);
  assert.equal(parseRecipe('{"learningRate": 0.001, "preset": "thorough"}').learningRate, 0.001);
});

test("what is no recipe is refused by line or field", () => {
  for (const [text, message] of [
    ["epochs: [", /not YAML/],
    ["- epochs", /not a list of fields/],
    ["epoch: 3", /epoch/],
    ["rank: 99", /rank/],
    ["preset: fast", /"fast"/],
    ["preset: { a: 1 }", /no preset/],
    ["a: &a 1\nepochs: *a", /cannot be read|epochs|alias/i],
    ["x".repeat(70_000), /longer than/],
    ["epochs: 1\nepochs: 2", /not YAML/],
  ] as const)
    assert.throws(
      () => parseRecipe(text),
      (error: unknown) => {
        assert.ok(error instanceof ModelFactoryError && error.code === "bad-recipe", String(error));
        assert.match(error.message, message);
        return true;
      },
    );
});

test("a field that is none is told with the one that was meant; a value out of bounds with the bound and itself", () => {
  for (const [text, message] of [
    ["epoch: 3", /"epoch": no field of a recipe \(did you mean epochs\?\), which has rank, /],
    ["learning_rate: 1", /\(did you mean learningRate\?\)/],
    ["colour: red", /"colour": no field of a recipe, which has/],
    ["rank: 64", /rank: expected at most 16, actual 64\./],
    ["epochs: lots", /epochs: expected a number, actual "lots"\./],
    ["epochs: 1.5", /epochs: expected a whole number, actual 1\.5\./],
    ["learningRate: 0", /learningRate: expected more than 0, actual 0\./],
    ["modules: []", /modules: expected at least 1 entries\./],
    ["calibration: {retrainings: 2}", /calibration\.retrainings: none, or at least 3 to rank\./],
  ] as const)
    assert.throws(() => parseRecipe(text), { message }, text);
});
