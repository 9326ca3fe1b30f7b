import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadCheckpoint } from "../engine/index.ts";
import { recipeSchema } from "./recipe.ts";
import { trainingRows } from "./training-rows.ts";

const folder = fileURLToPath(new URL("../engine/fixtures/", import.meta.url));
const base = loadCheckpoint(join(folder, "llama-untied"));
const recipe = recipeSchema.parse({ rank: 2, maxLength: 32, threads: 1 });
const words = (count: number, mark: string) =>
  Array.from({ length: count }, (_, i) => `${mark}${i}`).join(" ");

test("what is cut away before a row does not make it another one", () => {
  const prompt = words(20, "asked");
  const completion = words(8, "said");
  const examples = [
    { prompt, completion },
    { prompt: `${words(500, "unread")} ${prompt}`, completion },
    { prompt, completion: words(8, "else") },
  ];
  const { sequences, copies } = trainingRows(base, recipe, examples);
  assert.equal(copies, 1);
  assert.equal(sequences.length, 2);
  assert.ok(sequences.every(({ ids }) => ids.length === 32));
});
