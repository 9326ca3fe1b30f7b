/** Recipes as files: YAML, of which JSON is a part. A preset may stand in one, with fields of its own over it. */
import { isMap, parseDocument, stringify } from "yaml";
import { z } from "zod";
import { whatIsWrong } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { presetNames, withPreset } from "./presets.ts";
import { type Recipe, type RecipeInput, recipeSchema } from "./recipe.ts";

const textMax = 64 * 1024;

/** @throws ModelFactoryError `bad-recipe`, naming the line or the field */
export function parseRecipe(text: string): RecipeInput {
  const refuse = (what: string) =>
    new ModelFactoryError(
      "bad-recipe",
      `${what} Expected fields of a recipe, such as "epochs: 10", and maybe "preset: quick".`,
    );
  if (text.length > textMax) throw refuse(`The recipe is longer than ${textMax} characters.`);
  // No aliases: a few lines of them can stand for more than any memory holds.
  const document = parseDocument(text, { schema: "core", version: "1.2" });
  const [fault] = document.errors;
  if (fault !== undefined) throw refuse(`The recipe is not YAML: ${fault.message.split("\n")[0]}.`);
  if (document.contents !== null && !isMap(document.contents))
    throw refuse("The recipe is not a list of fields.");
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw refuse(`The recipe cannot be read: ${(error as Error).message}.`);
  }
  const { preset = "balanced", ...fields } = value as { preset?: unknown } & Record<string, unknown>;
  const named = z.enum(presetNames).safeParse(preset);
  if (!named.success)
    throw refuse(`There is no preset "${String(preset)}"; there are ${presetNames.join(", ")}.`);
  const checked = recipeSchema.safeParse(withPreset(named.data, fields as RecipeInput), {
    reportInput: true,
  });
  if (!checked.success) throw refuse(`The recipe is not right: ${whatIsWrong(checked.error)}.`);
  return checked.data;
}

/** Every field of a recipe, in the order in which it is defined: what {@link parseRecipe} reads back as the same. */
export const formatRecipe = (recipe: Recipe): string => stringify(recipe, { lineWidth: 0 });
