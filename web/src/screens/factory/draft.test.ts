import assert from "node:assert/strict";
import { test } from "node:test";
import { draftOf, emptyDraft, jobOf, missing, readRecipe, recipeText } from "./draft.ts";

test("a recipe written out and read back is the same, and what is no recipe is refused", async () => {
  const recipe = {
    preset: "quick" as const,
    fields: { epochs: 7, modules: ["q_proj"], calibration: { queries: 9 } },
  };
  assert.deepEqual(await readRecipe(await recipeText(recipe)), recipe);
  assert.deepEqual(await readRecipe(""), { preset: "balanced", fields: {} });
  await assert.rejects(readRecipe("- epochs"), /not a list of fields/);
  await assert.rejects(readRecipe("epochs: [1"), /not YAML/);
  await assert.rejects(readRecipe("preset: fast"), /no preset "fast"/);
  await assert.rejects(readRecipe("a: &a [1]\nb: *a"), /alias/i);
});

test("one's own fields win over the preset's, and a duplicate asks for the same", () => {
  const draft = {
    ...emptyDraft,
    model: "valley",
    datanets: { "1": 2 },
    preset: "quick" as const,
    fields: { epochs: 9 },
  };
  const { recipe, ...job } = jobOf(draft);
  assert.equal(recipe.epochs, 9);
  assert.equal(recipe.patience, 1);
  const again = jobOf(draftOf({ spec: { ...job, recipe } }));
  assert.deepEqual(again.datanets, [{ datanetId: "1", version: 2 }]);
  assert.equal(again.recipe.epochs, 9);
  assert.equal(missing(draft), undefined);
  assert.match(missing({ ...draft, datanets: {} }) ?? "", /Datanet/);
  assert.match(missing({ ...draft, model: "Big Name" }) ?? "", /name/);
});
