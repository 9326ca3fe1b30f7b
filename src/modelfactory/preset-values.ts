/** What presets say, without a recipe's schema: pages read them, too. */

export const presetNames = ["quick", "balanced", "thorough"] as const;
export type PresetName = (typeof presetNames)[number];

type Part = { readonly calibration?: object | undefined };

export const presetValues = {
  /** To see whether it works at all: few epochs, and no retrainings, which the release says ("not calibrated"). */
  quick: { epochs: 5, patience: 1, calibration: { retrainings: 0, leaveOut: 0 } },
  /** The defaults: the held-out optimum, and six retrainings that the scores are held against. */
  balanced: {},
  /** Slower steps, more patience, a longer look at the held-out rows, twice the retrainings, and how much could be foretold at all. */
  thorough: {
    ...{ learningRate: 1e-3, epochs: 60, patience: 4, heldOutRows: 512 },
    calibration: { retrainings: 12, queries: 256, leaveOut: 6, ceiling: true },
  },
} satisfies Record<PresetName, Record<string, unknown>>;

/** A preset's values with others over them, those of the calibration one by one. */
export function overPreset<Fields extends Part>(preset: PresetName, fields: Fields) {
  const values: Part = presetValues[preset];
  return { ...values, ...fields, calibration: { ...values.calibration, ...fields.calibration } };
}
