import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  createEvaluator,
  createRandom,
  createTrainer,
  initialWeights,
  loraOf,
  type ModelConfig,
  positionsFor,
} from "../engine/index.ts";
import { temporaryFolder } from "../store/index.ts";
import { type RecipeInput, recipeSchema, recipeWarnings, toTrainRecipe } from "./recipe.ts";
import {
  CancelledError,
  type EpochEvent,
  type StepEvent,
  type TrainingOptions,
  trainAdapter,
} from "./training.ts";
import { readTraining, type TrainingProgress, writeTraining } from "./training-state.ts";

const config: ModelConfig = {
  family: "llama",
  layers: 2,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediate: 48,
  vocab: 64,
  biases: [],
  qkNorm: false,
  rope: { theta: 10_000 },
  normEpsilon: 1e-5,
  maxPositions: 64,
  tied: true,
};
const base = { config, weights: initialWeights(config, 5) };
const random = createRandom(8);
/** Two in three say that the last token follows from the first; the rest is noise, which can only be learned by heart. */
const sequences = Array.from({ length: 48 }, (_, i) => {
  const ids = Array.from({ length: 6 }, () => random.below(64));
  if (i % 3 > 0) ids[5] = ((ids[0] as number) % 4) + 1;
  return { ids, targets: [4, 5] };
});
const [taught, heldOut] = [sequences.slice(0, 24), sequences.slice(24)];

async function train(
  input: RecipeInput,
  judged = heldOut,
  more: Partial<Pick<TrainingOptions, "saved" | "save" | "saveEveryMs" | "signal">> & {
    stopAt?: number;
  } = {},
) {
  const recipe = recipeSchema.parse({ rank: 2, alpha: 4, batch: 5, warmupSteps: 3, threads: 1, ...input });
  const steps: StepEvent[] = [];
  const epochs: EpochEvent[] = [];
  const result = await trainAdapter(base, recipe, taught, judged, {
    signal: new AbortController().signal,
    ...more,
    onStep: (event) => {
      steps.push(event);
      if (event.step === more.stopAt) throw new Error("The process ends here.");
    },
    onEpoch: (event) => epochs.push(event),
  });
  return { recipe, steps, epochs, ...result };
}
const stepsPerEpoch = 5;

test("the epoch with the lowest held-out loss is kept, with Adam's state as it was then", async () => {
  const run = await train({ learningRate: 0.03, epochs: 12, patience: 3 });
  const [, ...losses] = run.heldOutLosses;
  const lowest = Math.min(...losses);
  assert.equal(losses.indexOf(lowest) + 1, run.releasedEpoch);
  assert.ok(run.releasedEpoch < 12, "this training runs past its optimum");
  assert.equal(losses.length, Math.min(12, run.releasedEpoch + 3), "and ends when patience does");
  assert.equal(run.epochs.length, run.heldOutLosses.length);
  assert.equal(run.state.step, run.releasedEpoch * stepsPerEpoch);
  assert.equal(run.state.optimizer.step, run.state.step);

  const again = await createTrainer(base, toTrainRecipe(run.recipe), taught);
  while (again.state.step < run.state.step) await again.step();
  assert.deepEqual(run.state.adapter.tensors, again.state.adapter.tensors);
  assert.deepEqual(run.state.optimizer, again.state.optimizer);
  const evaluate = await createEvaluator(base, run.state.adapter.config, positionsFor(heldOut), 1);
  assert.equal((await evaluate(run.state.adapter, heldOut)).loss, lowest);
});

test("each epoch tells which had the lowest held-out loss so far, also where training does not stop there", async () => {
  const { epochs } = await train({ learningRate: 0.03, epochs: 8, stopAtOptimum: false });
  const losses = epochs.map(({ heldOutLoss }) => heldOutLoss);
  for (const [at, { bestEpoch }] of epochs.entries())
    assert.equal(losses[bestEpoch], Math.min(...losses.slice(0, at + 1)));
  assert.ok((epochs.at(-1)?.bestEpoch ?? 0) > 0, "it learned something");
});

test("a training killed after any step goes on from its file to the same bytes, and tells the same losses", async () => {
  await using folder = await temporaryFolder("training");
  const file = join(folder.path, "one.training");
  // Ends by patience in epoch 4 of 12, with the best epoch among those saved.
  const recipe = { learningRate: 0.03, epochs: 12, patience: 3, seed: 7 };
  const lora = loraOf(recipeSchema.parse({ rank: 2, alpha: 4 }));
  const { recipe: _, steps, epochs: __, seconds: ___, ...whole } = await train(recipe);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: steps.length - 1 }),
      fc.integer({ min: 1, max: 4 }),
      async (stopAt, every) => {
        rmSync(file, { force: true });
        let turn = 0;
        const save = (progress: TrainingProgress) => {
          if (turn++ % every === 0) writeTraining(file, "key", progress);
        };
        await assert.rejects(train(recipe, heldOut, { save, saveEveryMs: 0, stopAt }), /process ends/);
        const saved = readTraining(file, "key", config, lora);
        assert.ok(saved && saved.state.step < stopAt, "it goes on from before the step that never ended");
        const { step } = saved.state;
        const again = await train(recipe, heldOut, { saved });
        assert.equal(again.steps[0]?.step, step + 1);
        const { recipe: _, steps: __, epochs: ___, seconds: ____, ...rest } = again;
        assert.deepEqual(rest, whole);
      },
    ),
    { numRuns: 6 },
  );
  assert.equal(
    readTraining(file, "another", config, lora),
    undefined,
    "another training's file is not taken",
  );
  const bytes = readFileSync(file);
  bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
  writeFileSync(file, bytes);
  assert.equal(readTraining(file, "key", config, lora), undefined, "nor is a damaged one");
  assert.equal(readTraining(join(folder.path, "none"), "key", config, lora), undefined);
});

test("a training that is stopped keeps the step that it had reached", async () => {
  const kept: TrainingProgress[] = [];
  const controller = new AbortController();
  const stopped = train({ learningRate: 0.03, epochs: 12 }, heldOut, {
    signal: controller.signal,
    save: (progress) => {
      kept.push(progress);
    },
  });
  controller.abort();
  await assert.rejects(stopped, CancelledError);
  assert.ok(kept.length <= 1, "and writes nothing else in between");
});

test("held-out rows are capped, the same ones each time; without any, or switched off, the last epoch is kept", async () => {
  const recipe = { learningRate: 0.01, epochs: 3, heldOutRows: 7 };
  const [one, two] = [await train(recipe), await train(recipe)];
  assert.equal(one.heldOutRows, 7);
  assert.deepEqual(one.heldOutLosses, two.heldOutLosses);
  for (const last of [await train({ ...recipe, stopAtOptimum: false }), await train(recipe, [])]) {
    assert.equal(last.releasedEpoch, 3);
    assert.equal(last.state.step, 3 * stepsPerEpoch);
  }
  const memorised = await train({ ...recipe, stopAtOptimum: false, stopLoss: 100 });
  assert.equal(memorised.releasedEpoch, 1);
});

test("a warm-up longer than half the steps is told with the highest learning rate that comes of it", () => {
  const recipe = recipeSchema.parse({ learningRate: 3e-3, warmupSteps: 20, finalRate: 0.1 });
  const [long, ...others] = recipeWarnings(recipe, 14);
  assert.deepEqual([long?.code, others], ["long-warm-up", []]);
  assert.match(
    long?.message ?? "",
    /make at most 14\. .* it is at most 0\.00066 here\. Set warmupSteps to 1,/,
  );
  // Step 20 of 39 is where the warm-up ends, and 0.9 · 19 / 39 of the rate has gone by then.
  assert.match(recipeWarnings(recipe, 39)[0]?.message ?? "", /it is at most 0\.0017 here/);
  assert.deepEqual(recipeWarnings(recipe, 40), []);
});

test("a recipe that will likely run hot is named, with what that does; one that stops is not", () => {
  const warnings = (input: RecipeInput) => recipeWarnings(recipeSchema.parse(input));
  assert.deepEqual(warnings({}), []);
  assert.deepEqual(warnings({ stopAtOptimum: false, learningRate: 2e-3, epochs: 5 }), []);
  const [hot] = warnings({ stopAtOptimum: false });
  assert.equal(hot?.code, "runs-hot");
  assert.match(hot?.message ?? "", /\.39 against \.76.*Leaving stopAtOptimum on restores it: .* had \.50/);
});
