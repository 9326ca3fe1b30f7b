/**
 * Adapters against peft: logits, losses, gradients and AdamW steps on tiny random checkpoints. `scripts/golden.py` made the fixtures
 * and defines every quantity.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type AdapterFacts,
  adapterGolden,
  adapters,
  assertDecodes,
  fixture,
  goldenRows,
  loadBase,
  loadExpected,
  near,
} from "./golden-suite.ts";
import {
  type Adapter,
  createEvaluator,
  createGradients,
  createTrainer,
  exportPeft,
  loadPeft,
  moduleNames,
  newOptimizerState,
  parseSafetensors,
  readPeft,
  readSafetensors,
} from "./index.ts";
import { parsePeftConfig } from "./peft-config.ts";

type Steps = {
  lr: number;
  weightDecay: number;
  clipNorm: number | null;
  recordedSteps: number[];
  steps: { objective: number; gradientNorm: number }[];
};
const peftKey = (name: string) => `base_model.model.${name}.weight`;

for (const base of new Set(adapters.map(([name]) => name)))
  test(`${base}: all its adapters and none decode in one batch to peft's logits and greedy answers`, async () => {
    await assertDecodes(loadBase(base), ...goldenRows(base));
  });

for (const [base, name] of adapters)
  test(`${base}, ${name}: losses are peft's, and an export holds the same adapter`, async () => {
    const { facts, sequences } = adapterGolden(base, name);
    const checkpoint = loadBase(base);
    const adapter = loadPeft(fixture(base, name), checkpoint.config);
    const evaluate = await createEvaluator(checkpoint, adapter.config, 16, 1);
    const { losses } = await evaluate(adapter, sequences);
    const means = facts.losses.map((loss, i) => loss / (sequences[i]?.targets.length as number));
    near(losses, means, 1e-4, "losses");

    const exported = exportPeft(adapter, base);
    const tensors = parseSafetensors(exported["adapter_model.safetensors"], "export");
    const json = JSON.parse(new TextDecoder().decode(exported["adapter_config.json"]));
    const again = readPeft(json, tensors, checkpoint.config, "export");
    assert.deepEqual(again.tensors, adapter.tensors);
    assert.deepEqual(again.config.modules, adapter.config.modules);
    assert.equal(again.config.rank, adapter.config.rank);
    near([again.config.scale], [adapter.config.scale], 1e-12, "scale");
  });

test("an adapter of one rank and scale is read and exported to the bit", () => {
  for (const name of ["adapter-a", "adapter-b"]) {
    const adapter = loadPeft(fixture("llama-untied", name), loadBase("llama-untied").config);
    const exported = parseSafetensors(exportPeft(adapter, "x")["adapter_model.safetensors"], "export");
    const theirs = readSafetensors(fixture("llama-untied", name, "adapter_model.safetensors"));
    assert.deepEqual(exported, theirs);
  }
});

test("random patterns, lists and choices of layers mean to this engine what they mean to peft", () => {
  const { config: model } = loadBase("llama-untied");
  const cases = JSON.parse(readFileSync(fixture("peft-matching.json"), "utf8")) as {
    patterns: { patterns: string[]; taken: number[][] }[];
    lists: ({ adapted: number[] } & Record<string, unknown>)[];
  };
  const modules = Array.from({ length: model.layers }, (_, layer) =>
    moduleNames.map((name) => ({ layer, name })),
  ).flat();
  const plain = { peft_type: "LORA", r: 100, lora_alpha: 1, target_modules: ["q_proj"] };
  for (const { patterns, taken } of cases.patterns) {
    const rank_pattern = Object.fromEntries(patterns.map((pattern, i) => [pattern, i + 1]));
    const config = parsePeftConfig({ ...plain, rank_pattern }, model, "x");
    modules.forEach(({ layer, name }, i) => {
      const expected = taken.findIndex((by) => by.includes(i)) + 1 || 100;
      assert.equal(
        config.module(layer, name).rank,
        expected,
        `${JSON.stringify(patterns)}: ${layer} ${name}`,
      );
    });
  }
  for (const { adapted, ...options } of cases.lists) {
    const config = parsePeftConfig({ ...plain, ...options }, model, "x");
    const ours = modules.flatMap(({ layer, name }, i) => (config.module(layer, name).adapted ? [i] : []));
    assert.deepEqual(ours, adapted, JSON.stringify(options));
  }
  assert.ok(cases.patterns.length > 0 && cases.lists.length > 0);
});

for (const parts of [["A", "B"], ["B"]] as const)
  test(`adapter-a: gradients by ${parts} of each example in a padded batch are peft's of each example alone`, async () => {
    const { expected, array, sequences } = loadExpected<
      Record<"adapter-a", AdapterFacts> & Record<"adamw" | "adamwClipped", Steps>
    >("llama-untied");
    const checkpoint = loadBase("llama-untied");
    const adapter = loadPeft(fixture("llama-untied", "adapter-a"), checkpoint.config);
    const gradients = await createGradients(checkpoint, adapter.config, { parts, positions: 16, threads: 1 });
    const { data, loss } = await gradients.rows(adapter, sequences);
    near(loss, expected["adapter-a"].losses, 1e-4, "losses");
    assert.equal(gradients.segments.length, checkpoint.config.layers * moduleNames.length * parts.length);
    assert.equal(data.length, sequences.length * gradients.width);
    sequences.forEach((_, i) => {
      for (const { name, offset, length } of gradients.segments) {
        const own = data.subarray(i * gradients.width + offset, i * gradients.width + offset + length);
        near(own, array(`adapter-a.gradient.${i}.${peftKey(name)}`), 1e-4, `gradient ${i} of ${name}`);
      }
    });
  });

for (const label of ["adamw", "adamwClipped"] as const)
  test(`${label}: three steps of the trainer on adapter-a end where torch.optim.AdamW does`, async () => {
    const { expected, array, sequences } = loadExpected<
      Record<"adapter-a", AdapterFacts> & Record<"adamw" | "adamwClipped", Steps>
    >("llama-untied");
    const checkpoint = loadBase("llama-untied");
    const { lr, weightDecay, clipNorm, recordedSteps, steps } = expected[label];
    const adapter: Adapter = loadPeft(fixture("llama-untied", "adapter-a"), checkpoint.config);
    // The trainer takes the mean over target tokens, the fixture over sequences: the same descent with every gradient, and so ε and
    // the largest norm, scaled by one factor.
    const factor = sequences.length / sequences.reduce((sum, { targets }) => sum + targets.length, 0);
    const trainer = await createTrainer(
      checkpoint,
      {
        rank: adapter.config.rank,
        alpha: adapter.config.scale * adapter.config.rank,
        modules: adapter.config.modules,
        seed: 1,
        threads: 1,
        learningRate: lr,
        warmupSteps: 1,
        finalRate: 1,
        batch: sequences.length,
        epochs: steps.length,
        clip: (clipNorm ?? Number.POSITIVE_INFINITY) * factor,
        optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 * factor, weightDecay },
        stopLoss: 0,
      },
      sequences,
      { saved: { step: 0, adapter, optimizer: newOptimizerState() } },
    );
    for (const [index, { objective, gradientNorm }] of steps.entries()) {
      const done = await trainer.step();
      near([done.loss], [objective * factor], 1e-4, `loss at step ${index}`);
      near([done.gradientNorm], [gradientNorm * factor], 1e-4, `gradient norm at step ${index}`);
      if (!recordedSteps.includes(index + 1)) continue;
      for (const [name, { data }] of trainer.state.adapter.tensors)
        near(
          data,
          array(`${label}.step${index + 1}.${peftKey(name)}`),
          1e-5,
          `${name} after step ${index + 1}`,
        );
    }
    assert.ok(trainer.done);
  });
