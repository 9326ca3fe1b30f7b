/** Recipes by a word, for who does not want to know: what each field means stands in `recipe`. */
import type { RecipeInput } from "./recipe.ts";

export const presetNames = ["quick", "balanced", "thorough"] as const;
export type PresetName = (typeof presetNames)[number];

export const presets: Readonly<Record<PresetName, RecipeInput>> = {
  /** To see whether it works at all: few epochs, and no retrainings, which the release says ("not calibrated"). */
  quick: { epochs: 5, patience: 1, calibration: { retrainings: 0, leaveOut: 0 } },
  /** The defaults: the held-out optimum, and six retrainings that the scores are held against. */
  balanced: {},
  /** Slower steps, more patience, a longer look at the held-out rows, twice the retrainings, and how much could be foretold at all. */
  thorough: {
    ...{ learningRate: 1e-3, epochs: 60, patience: 4, heldOutRows: 512 },
    calibration: { retrainings: 12, queries: 256, leaveOut: 6, ceiling: true },
  },
};

/** A preset with fields of its own over it. */
export const withPreset = (preset: PresetName, recipe: RecipeInput = {}): RecipeInput => ({
  ...presets[preset],
  ...recipe,
  calibration: { ...presets[preset].calibration, ...recipe.calibration },
});
