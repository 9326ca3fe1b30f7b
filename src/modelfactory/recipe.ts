/** What a fine-tuning job is told: validated at the edge, complete afterwards, and written into the release's manifest. */
import { z } from "zod";
import { learningRateAt, moduleNames, type TrainRecipe } from "../engine/index.ts";
import type { HashableJson, Manifest } from "../protocol/index.ts";
import { nearest } from "./nearest.ts";

const fraction = z.number().nonnegative();

/** Says of a field that is none what fields there are. @param fields is called when it is needed */
export const onlyFields = (what: string, fields: () => object): { error: z.core.$ZodErrorMap } => ({
  error: (issue) => {
    if (issue.code !== "unrecognized_keys") return undefined;
    const names = Object.keys(fields());
    const meant = issue.keys.flatMap((key) => nearest(key, names) ?? []);
    return (
      `${issue.keys.map((key) => JSON.stringify(key)).join(" and ")}: no field of ${what}` +
      `${meant.length === 0 ? "" : ` (did you mean ${meant.join(" and ")}?)`}, which has ${names.join(", ")}`
    );
  },
});

const calibrationSchema = z.strictObject(
  {
    /** On halves of the examples. 0: none, and the release says so. */
    retrainings: z
      .int()
      .min(0)
      .max(256)
      .refine((n) => n === 0 || n >= 3, "none, or at least 3 to rank")
      .default(6),
    /** Answers to test the scores with, at most. */
    queries: z.int().min(1).max(1_000).default(64),
    /** Contributors are parted into so many groups, and each is left out once: the error bars of scores. 0: scores have none. */
    leaveOut: z
      .int()
      .min(0)
      .max(64)
      .refine((n) => n !== 1, "none, or at least 2 groups")
      .default(3),
    /** Run the halves once more with another seed, to see how much can be foretold at all. */
    ceiling: z.boolean().default(false),
  },
  onlyFields("a calibration", (): object => calibrationSchema.shape),
);

const recipeFields = {
  /** At most what serving has room for in a slot. */
  rank: z.int().min(1).max(16).default(8),
  alpha: z.number().positive().max(1024).default(16),
  modules: z
    .array(z.enum(moduleNames))
    .min(1)
    .default([...moduleNames]),
  seed: z.int().min(0).max(0xffff_ffff).default(1),
  threads: z.int().min(1).max(64).default(2),
  learningRate: z.number().positive().max(1).default(3e-3),
  warmupSteps: z.int().min(1).max(10_000).default(20),
  /** Learning rate at the end, as a part of the peak. */
  finalRate: fraction.max(1).default(0.1),
  batch: z.int().min(1).max(256).default(20),
  epochs: z.int().min(1).max(1000).default(30),
  clip: z.number().positive().default(1),
  weightDecay: fraction.max(1).default(0),
  /**
   * Release the epoch whose loss on the Datanets' held-out rows is lowest. What is trained beyond it is fitted to its own rows alone, and
   * harder to attribute. Without held-out rows, and where this is off, the last epoch is released.
   */
  stopAtOptimum: z.boolean().default(true),
  /** Epochs without a lower held-out loss before training ends. */
  patience: z.int().min(1).max(100).default(2),
  /** Most held-out rows that an epoch is judged by. */
  heldOutRows: z.int().min(1).max(2_000).default(128),
  /** Stop after an epoch whose mean training loss is below this: for recipes that memorise on purpose. 0 never stops. */
  stopLoss: fraction.default(0),
  /** Put loss on the token that ends a chat's answer, too. */
  trainOnEnd: z.boolean().default(true),
  /** How a release's scores are held against retrainings before it is released. By default that costs about five trainings. */
  calibration: calibrationSchema.prefault({}),
  /** Longest example in tokens; longer ones lose their beginning. */
  maxLength: z.int().min(16).max(8192).default(256),
};
export const recipeSchema = z.strictObject(
  recipeFields,
  onlyFields("a recipe", () => recipeFields),
);

export type Recipe = z.output<typeof recipeSchema>;
export type RecipeInput = z.input<typeof recipeSchema>;

export const warningSchema = z.object({ code: z.string(), message: z.string() });
export type Warning = Readonly<z.output<typeof warningSchema>>;

/** Learning rate × epochs of the gentle training that attribution was measured on; past it, and past the held-out optimum, it falls. */
const gentleRateTimesEpochs = 0.01;

/** The highest learning rate of so many steps. No step after the warm-up has a higher one. */
const peakRate = (recipe: Recipe, steps: number): number =>
  Math.max(
    ...Array.from({ length: Math.min(recipe.warmupSteps, steps) }, (_, step) =>
      learningRateAt(recipe, step, steps),
    ),
  );

/**
 * What its developer should know of a recipe before it starts.
 *
 * @param stepsMost how many steps it makes of its rows at most; what depends on them is not told without it
 */
export function recipeWarnings(recipe: Recipe, stepsMost?: number): Warning[] {
  const { stopAtOptimum, learningRate, epochs, warmupSteps } = recipe;
  const warnings: Warning[] = [];
  if (stepsMost !== undefined && 2 * warmupSteps > stepsMost)
    warnings.push({
      code: "long-warm-up",
      message:
        `The learning rate is to rise to ${learningRate} over ${warmupSteps} steps, and all ${epochs} epochs of these rows make at most ${stepsMost}. ` +
        `As it falls from step to step as well, it is at most ${Number(peakRate(recipe, stepsMost).toPrecision(2))} here. ` +
        `Set warmupSteps to ${Math.max(1, Math.round(stepsMost / 10))}, a tenth of the steps, or take more rows or epochs.`,
    });
  if (!stopAtOptimum && learningRate * epochs > gentleRateTimesEpochs)
    warnings.push({
      code: "runs-hot",
      message:
        `This recipe does not stop at the held-out optimum, and ${epochs} epochs at a learning rate of ${learningRate} will likely run past it. ` +
        "Scores predict less of what a hot-trained model would have said without an example: .39 against .76 of a gently trained one " +
        "(rank correlation with real retrainings, measured on 520 lines of Shakespeare). Leaving stopAtOptimum on restores it: the epoch of the " +
        "lowest held-out loss had .50 in the same hot training, at no cost but what later epochs would have memorised. No index of this program " +
        "does as well for the last epoch: eight label draws instead of four take 1.8 times as long and had .40; sums over every epoch's adapter had .51, " +
        "but take an index, and a query, for each epoch. Switch it off only if the model is to memorise.",
    });
  return warnings;
}

export const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

export function toTrainRecipe(recipe: Recipe): TrainRecipe {
  const { rank, alpha, modules, seed, threads, learningRate, warmupSteps, finalRate, batch, epochs, clip } =
    recipe;
  return {
    ...{ rank, alpha, modules, seed, threads, learningRate, warmupSteps, finalRate, batch, epochs, clip },
    stopLoss: recipe.stopLoss,
    optimizer: { ...adam, weightDecay: recipe.weightDecay },
  };
}

/** A recipe as it stands in a manifest: fractions are text, because nothing hashed holds a floating-point number. */
export const recipeFacts = (recipe: Recipe): Record<string, HashableJson> =>
  Object.fromEntries(
    Object.entries(recipe).map(([key, value]) => [
      key,
      typeof value === "number" && !Number.isInteger(value) ? String(value) : value,
    ]),
  );

/** The recipe that a manifest states. @throws ZodError when it is not one that this program made */
export function recipeOf({ recipe: facts }: Pick<Manifest, "recipe">): Recipe {
  const { exclude: _, continueFrom: __, ...told } = facts;
  return recipeSchema.parse(
    Object.fromEntries(
      Object.entries(told).map(([key, value]) => [key, typeof value === "string" ? Number(value) : value]),
    ),
  );
}
