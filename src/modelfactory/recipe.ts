/** What a fine-tuning job is told: validated at the edge, complete afterwards, and written into the release's manifest. */
import { z } from "zod";
import { moduleNames, type TrainRecipe } from "../engine/index.ts";

const fraction = z.number().nonnegative();

export const recipeSchema = z.strictObject({
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
  /** Stop after an epoch whose mean loss is below this; 0 never stops. */
  stopLoss: fraction.default(0.01),
  /** Put loss on the token that ends a chat's answer, too. */
  trainOnEnd: z.boolean().default(true),
  /** Longest example in tokens; longer ones lose their beginning. */
  maxLength: z.int().min(16).max(8192).default(256),
});

export type Recipe = z.output<typeof recipeSchema>;
export type RecipeInput = z.input<typeof recipeSchema>;

export const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

export function toTrainRecipe(recipe: Recipe): TrainRecipe {
  const { weightDecay, trainOnEnd: _, maxLength: __, ...rest } = recipe;
  return { ...rest, optimizer: { ...adam, weightDecay } };
}

/** A recipe as it stands in a manifest: fractions are text, because nothing hashed holds a floating-point number. */
export const recipeFacts = (recipe: Recipe): Record<string, string | boolean | string[] | number> =>
  Object.fromEntries(
    Object.entries(recipe).map(([key, value]) => [
      key,
      typeof value === "number" && !Number.isInteger(value) ? String(value) : value,
    ]),
  );
