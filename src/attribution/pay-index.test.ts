import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createGradients,
  createRandom,
  createTrainer,
  loadCheckpoint,
  loraOf,
  moduleNames,
  type Sequence,
  shuffle,
  type TrainRecipe,
} from "../engine/index.ts";
import { decodeBasis, encodeBasis, projectQuery } from "./basis.ts";
import { adamMetric, applyMetric, invertFisher, layerBlocks } from "./influence.ts";
import { holdAgainst } from "./inspect-index.ts";
import { createProducts } from "./linalg.ts";
import { createBm25, gradDot } from "./methods/index.ts";
import { buildPayIndex, defaultPayIndexOptions } from "./pay-index.ts";

const base = loadCheckpoint(
  join(fileURLToPath(new URL("../engine/fixtures/", import.meta.url)), "llama-untied"),
);
const random = createRandom(3);
const token = () => 3 + random.below(base.config.vocab - 3);

/** Facts with a key of three tokens and a value of two; each contributor has its own keys, values are shared. */
const values = Array.from({ length: 6 }, () => [token(), token()]);
const fact = (): Sequence => {
  const ids = [token(), token(), token(), ...(values[random.below(values.length)] as number[])];
  return { ids, targets: [3, 4] };
};
const contributors = 3;
const taught = Array.from({ length: 30 }, fact);
const sequences = taught.flatMap((s) => [s, { ids: [1, ...s.ids], targets: [4, 5] }]);
const contributorOf = sequences.map((_, i) => Math.floor(i / 2) % contributors);
const heldOut = Array.from({ length: 40 }, fact);
const recipe: TrainRecipe = {
  rank: 4,
  alpha: 8,
  modules: moduleNames,
  seed: 2,
  threads: 1,
  learningRate: 2e-2,
  warmupSteps: 5,
  finalRate: 0.1,
  batch: 10,
  epochs: 60,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  stopLoss: 0.02,
};

const trainer = await createTrainer(base, recipe, sequences);
while (!trainer.done) await trainer.step();
const { adapter, optimizer, step: steps } = trainer.state;
const gradients = await createGradients(base, loraOf(recipe), { parts: ["B"], positions: 32, threads: 1 });
const input = {
  gradients,
  adapter,
  secondMoments: new Map([...optimizer.moments].map(([name, { v }]) => [name, v] as const)),
  beta2: 0.999,
  steps,
  sequences,
  contributorOf,
  contributors,
  heldOut,
};
// One row a contributor, unless a test says otherwise.
const options = { ...defaultPayIndexOptions, threads: 1, nullRows: 30, examplesPerRow: 1000 };
const index = await buildPayIndex(input, options);
const dot = (a: Int16Array, b: Int16Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);

test("integer scores rank contributors as the floating-point rows do", async () => {
  const p = gradients.width;
  const metric = adamMetric(
    gradients.segments,
    p,
    (name) => optimizer.moments.get(name)?.v as Float32Array,
    1 - 0.999 ** steps,
  );
  const rows = await gradients.rows(adapter, sequences, options.samples, createRandom(options.seed, 41));
  applyMetric(rows.data, metric);
  applyMetric(rows.sampled, metric);
  const sums = new Float32Array(contributors * p);
  contributorOf.forEach((c, i) => {
    for (let j = 0; j < p; j++)
      sums[c * p + j] = (sums[c * p + j] as number) + (rows.data[i * p + j] as number);
  });
  const products = await createProducts(1);
  const solved = await invertFisher(
    products,
    sums,
    contributors,
    rows.sampled,
    sequences.length * options.samples,
    p,
    layerBlocks(gradients.segments),
    options.damping,
  );
  const queries = (await gradients.rows(adapter, taught)).data;
  let worst = 0;
  for (let q = 0; q < taught.length; q++) {
    const raw = queries.subarray(q * p, (q + 1) * p);
    const integer = index.rows.slice(0, contributors).map((row) => dot(row, projectQuery(index.basis, raw)));
    const exact = Array.from({ length: contributors }, (_, c) => {
      let sum = 0;
      for (let j = 0; j < p; j++)
        sum += (solved[c * p + j] as number) * (raw[j] as number) * (metric[j] as number);
      return sum;
    });
    const norm = (x: number[]) => Math.sqrt(x.reduce((s, v) => s + v * v, 0));
    const cosine = integer.reduce((s, v, c) => s + v * (exact[c] as number), 0) / norm(integer) / norm(exact);
    worst = Math.max(worst, 1 - cosine);
  }
  assert.ok(worst < 0.01, `integer scores turn away from the exact ones by ${worst}`);
});

test("the contributor of a fact scores highest on it, far above chance", async () => {
  const { data } = await gradients.rows(adapter, taught);
  const p = gradients.width;
  const hits = taught.filter((_, i) => {
    const q = projectQuery(index.basis, data.subarray(i * p, (i + 1) * p));
    const scores = index.rows.slice(0, contributors).map((row) => dot(row, q));
    return scores.indexOf(Math.max(...scores)) === i % contributors;
  });
  assert.ok(hits.length >= 24, `${hits.length} of 30 (chance: 10)`);
});

test("an index is made again bit for bit, and says how often chance would pay", async () => {
  const again = await buildPayIndex(input, options);
  assert.deepEqual(again.rows, index.rows);
  assert.deepEqual(encodeBasis(again.basis), encodeBasis(index.basis));
  // A threshold where chance ends, as reported, leaves at most one in twenty unrelated questions that pay.
  const { chance, falseDiscovery } = index.report;
  const strict = await buildPayIndex(input, { ...options, threshold: chance + 1e-6 });
  assert.ok(strict.report.falseDiscovery <= 0.05 && falseDiscovery > strict.report.falseDiscovery);
  assert.equal(index.rows.length, contributors + 30);
  for (const row of index.rows) assert.ok(row.length === index.k && row.every((x) => Math.abs(x) <= 32_767));
  await assert.rejects(
    buildPayIndex({ ...input, heldOut: heldOut.slice(0, 5) }, options),
    /at least 20 held-out examples/,
  );
});

test("sets of examples are scored with the index: a contributor's set as its row, disjoint ones add up", async () => {
  const ofContributor = Array.from(
    { length: contributors },
    (_, c) => new Set(contributorOf.flatMap((of, i) => (of === c ? [i] : []))),
  );
  const everything = new Set(contributorOf.keys());
  const queries = taught.slice(0, 4);
  const { calibration, rows } = await buildPayIndex(
    { ...input, calibration: { sets: [...ofContributor, everything], queries } },
    options,
  );
  assert.deepEqual(rows, index.rows, "the index stays as it is");
  assert.ok(calibration);
  const [width, sets] = [rows.length, contributors + 1];
  const close = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) <= 1e-4 * Math.abs(expected), `${actual} against ${expected}`);
  for (let q = 0; q < queries.length; q++) {
    const of = calibration.sets.subarray(q * sets, (q + 1) * sets);
    let sum = 0;
    for (let c = 0; c < contributors; c++) {
      close(of[c] as number, calibration.rows[q * width + c] as number);
      sum += of[c] as number;
    }
    close(of[contributors] as number, sum);
  }
});

test("rows of a few examples sum to the contributor's, and say whose they are", async () => {
  const queries = taught.slice(0, 4);
  const calibration = { sets: [], queries };
  const whole = await buildPayIndex({ ...input, calibration }, options);
  const built = await buildPayIndex({ ...input, calibration }, { ...options, examplesPerRow: 8 });
  assert.deepEqual(built.contributorOfRow, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assert.equal(built.examplesPerRow, 8);
  assert.equal(built.rows.length, 9 + 30);
  const [from, to] = [built.calibration?.rows ?? assert.fail(), whole.calibration?.rows ?? assert.fail()];
  for (let q = 0; q < queries.length; q++)
    for (let c = 0; c < contributors; c++) {
      const sum = [0, 1, 2].reduce((total, i) => total + (from[q * 39 + 3 * c + i] as number), 0);
      const expected = to[q * 33 + c] as number;
      assert.ok(Math.abs(sum - expected) <= 1e-4 * Math.abs(expected), `${sum} against ${expected}`);
    }
});

test("rows made layer by layer from files are those of one solve in memory, null rows and single ones among them", async () => {
  const p = gradients.width;
  for (const thinned of [{}, { samples: 3, maxFisherRows: 50 }]) {
    const chosen = { ...options, ...thinned };
    const single: Float32Array[] = [];
    const built = await buildPayIndex(
      {
        ...input,
        calibration: { sets: [new Set([5, 0, 17])], queries: taught },
        explain: (row, example) => {
          assert.equal(example, single.length);
          single.push(row);
        },
      },
      chosen,
    );
    // Everything at once, as matrices.
    const metric = built.basis.metric;
    const random = createRandom(chosen.seed, 41);
    const keepEvery = Math.ceil((sequences.length * chosen.samples) / chosen.maxFisherRows);
    const drawn = sequences.filter((_, i) => i % keepEvery === 0);
    const fisher = (await gradients.rows(adapter, drawn, chosen.samples, random)).sampled;
    const own = (await gradients.rows(adapter, sequences)).data;
    const order = shuffle(Array.from(heldOut.keys()), createRandom(chosen.seed, 42)).slice(0, 20);
    const material = (
      await gradients.rows(
        adapter,
        order.map((i) => heldOut[i] as Sequence),
      )
    ).data;
    for (const rows of [fisher, own, material]) applyMetric(rows, metric);
    const draws = createRandom(chosen.seed, 43);
    const lists = [
      ...Array.from({ length: contributors }, (_, c) =>
        [...contributorOf.keys()].filter((i) => contributorOf[i] === c),
      ),
      ...Array.from({ length: 30 }, () => Array.from({ length: 20 }, () => draws.below(20))),
      [0, 5, 17],
    ];
    const sums = new Float32Array(lists.length * p);
    lists.forEach((list, row) => {
      const from = row >= contributors && row < contributors + 30 ? material : own;
      for (const i of list)
        for (let j = 0; j < p; j++)
          sums[row * p + j] = (sums[row * p + j] as number) + (from[i * p + j] as number);
    });
    const products = await createProducts(1);
    const blocks = layerBlocks(gradients.segments);
    // Of every keepEvery-th example's gradients, that part of ρ.
    const damping = (chosen.damping * drawn.length) / sequences.length;
    const solve = (rows: Float32Array) =>
      invertFisher(products, rows, rows.length / p, fisher, fisher.length / p, p, blocks, damping);
    const solved = await solve(sums);
    const queries = (await gradients.rows(adapter, taught)).data;
    applyMetric(queries, metric);
    const scores = await products.timesTransposed(queries, solved, taught.length, lists.length, p);
    const at = (q: number, row: number) => scores[q * lists.length + row] as number;
    const close = (actual: Float32Array, columns: number, expected: (q: number, row: number) => number) => {
      const all = Array.from(actual, (_, i) => expected(Math.floor(i / columns), i % columns));
      const largest = Math.max(...all.map(Math.abs));
      all.forEach((value, i) => {
        const difference = Math.abs(value - (actual[i] as number));
        assert.ok(difference < 1e-5 * largest, `${actual[i]} against ${value}, of at most ${largest}`);
      });
    };
    const { rows, sets } = built.calibration ?? assert.fail();
    close(
      rows,
      contributors + 30,
      (q, row) => at(q, row) * (row < contributors ? 1 : built.report.nullScale),
    );
    close(sets, 1, (q) => at(q, lists.length - 1));
    const each = await solve(own);
    assert.equal(single.length, sequences.length);
    for (const [i, row] of single.entries()) close(row, p, (_, j) => each[i * p + j] as number);
  }
});

test("made again from its basis' metric, an index shows rows that are the published ones before rounding", async () => {
  const single: Float32Array[] = [];
  await buildPayIndex({ ...input, explain: (row) => single.push(row) }, options);
  const { basis, scale, rows } = index;
  const examples = [41, 3, 20];
  let taken = 0;
  const again = await buildPayIndex(
    {
      ...{ gradients, adapter, sequences, contributorOf, contributors, heldOut },
      metric: basis.metric,
      inspect: {
        examples,
        heldOut: (count) => [0, count - 1, 0],
        take: async (exact) => {
          for (const [at, example] of examples.entries())
            assert.deepEqual(
              exact.example(at),
              single[example],
              "single rows are those of the explain index",
            );
          assert.ok(exact.heldOut().some((x) => x !== 0));
          const apart = await holdAgainst(exact, { basis, scale, rows });
          const { rank, expected, expressed, published, beyond, roundingWithin, roundingBeyond } = apart;
          for (const i of rows.keys()) {
            const of = (values: Float64Array) => values.subarray(i * rank, (i + 1) * rank);
            const distance = (a: Float64Array, b: Float64Array) =>
              Math.hypot(...a.map((x, j) => x - (b[j] as number)));
            assert.ok(
              distance(of(published), of(expressed)) < 1.5 * (roundingWithin[i] as number),
              `row ${i}`,
            );
            assert.ok(
              distance(of(expressed), of(expected)) < 2.5 * (roundingWithin[i] as number),
              `row ${i}`,
            );
            assert.ok(Math.sqrt(beyond[i] as number) < 1.2 * (roundingBeyond[i] as number), `row ${i}`);
          }
          taken++;
        },
      },
    },
    options,
  );
  assert.equal(taken, 1);
  assert.deepEqual([again.rows, again.thresholdMillionths], [rows, index.thresholdMillionths]);
  assert.deepEqual(encodeBasis(again.basis), encodeBasis(basis));
});

test("near duplicates are as if they had not been given", async () => {
  const copied = [3, 4, 50];
  const representatives = [...sequences.keys(), ...copied];
  const explained: number[] = [];
  const built = await buildPayIndex(
    {
      ...input,
      sequences: [...sequences, ...copied.map((i) => sequences[i] as Sequence)],
      contributorOf: [...contributorOf, ...copied.map(() => 0)],
      representatives,
      explain: (_, example) => explained.push(example),
    },
    options,
  );
  assert.deepEqual(built.rows, index.rows);
  assert.equal(built.thresholdMillionths, index.thresholdMillionths);
  assert.deepEqual(explained, [...sequences.keys()]);
  const last = await buildPayIndex(
    {
      ...input,
      // The first example is a copy of the second here, so numbers move: sets and rows keep those they were given by.
      representatives: [1, ...Array.from(sequences.keys()).slice(1)],
      calibration: { sets: [new Set([0]), new Set([0, 1]), new Set([1])], queries: taught.slice(0, 2) },
    },
    options,
  );
  const { sets } = last.calibration ?? assert.fail();
  for (const q of [0, 1]) {
    assert.equal(sets[3 * q], 0);
    assert.equal(sets[3 * q + 1], sets[3 * q + 2]);
    assert.notEqual(sets[3 * q + 2], 0);
  }
});

test("a basis survives its bytes; torn bytes are refused", () => {
  const bytes = encodeBasis(index.basis);
  assert.deepEqual(decodeBasis(bytes), index.basis);
  assert.throws(() => decodeBasis(bytes.subarray(0, bytes.length - 1)), /not an attribution basis/);
  assert.throws(() => projectQuery(index.basis, new Float32Array(3)), /built for/);
  assert.ok(projectQuery(index.basis, new Float32Array(gradients.width)).every((x) => x === 0));
  assert.throws(
    () => projectQuery(index.basis, new Float32Array(gradients.width).fill(Number.NaN)),
    /not a number/,
  );
});

test("Grad-Dot is the dot product of summed gradients", async () => {
  const scores = await gradDot(
    gradients,
    adapter,
    sequences,
    contributorOf,
    contributors,
    taught.slice(0, 2),
    1,
  );
  const own = await gradients.rows(adapter, sequences);
  const query = await gradients.rows(adapter, taught.slice(0, 2));
  const p = gradients.width;
  for (let q = 0; q < 2; q++)
    for (let c = 0; c < contributors; c++) {
      let expected = 0;
      sequences.forEach((_, i) => {
        if (contributorOf[i] !== c) return;
        for (let j = 0; j < p; j++)
          expected += (own.data[i * p + j] as number) * (query.data[q * p + j] as number);
      });
      const actual = scores[q]?.[c] as number;
      assert.ok(
        Math.abs(actual - expected) < 1e-3 * Math.max(1e-6, ...scores.flat().map(Math.abs)),
        `${actual} against ${expected}`,
      );
    }
});

test("BM25 prefers the document that shares rare words", () => {
  const score = createBm25(["the cat sat", "the dog sat", "the cat and the dog"]);
  const scores = score("dog sat");
  assert.equal(scores.indexOf(Math.max(...scores)), 1);
  assert.deepEqual([...score("zebra")], [0, 0, 0]);
});
