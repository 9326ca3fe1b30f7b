/** Recipes by a word, for who does not want to know: what each field means stands in `recipe`. */
import { overPreset, type PresetName, presetValues } from "./preset-values.ts";
import type { RecipeInput } from "./recipe.ts";

export { type PresetName, presetNames } from "./preset-values.ts";

export const presets: Readonly<Record<PresetName, RecipeInput>> = presetValues;

/** A preset with fields of its own over it. */
export const withPreset = (preset: PresetName, recipe: RecipeInput = {}): RecipeInput =>
  overPreset(preset, recipe);
