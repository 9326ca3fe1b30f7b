/**
 * The pay index of a release: one integer row per contributor and, to compare with, null rows made the same way from examples that were
 * never trained on. A query projected on the same basis gives every score as an exact integer dot product.
 *
 * Arithmetic at N = 700 examples, p = 110,592 (B matrices of rank 8 on all seven modules of a 6 × 256 model), 4 samples: 1.24 GB of
 * sampled gradients held while the index is built, 204 rows × p solved for, and a basis of 204 × p bytes = 22 MB stored.
 */
import {
  type Adapter,
  type createGradients,
  createRandom,
  type GradientSegment,
  type Sequence,
  shuffle,
} from "../engine/index.ts";
import { type Basis, projectQuery } from "./basis.ts";
import { adamMetric, applyMetric, invertFisher, layerBlocks } from "./influence.ts";
import { createProducts, orthonormalise, type Products } from "./linalg.ts";

export type PayIndexOptions = {
  /** Gradients with drawn labels per example. */
  samples: number;
  /** ρ: damping as a part of the curvature's mean eigenvalue. */
  damping: number;
  /** Most sampled gradients the curvature is fitted on; more examples are thinned evenly. */
  maxFisherRows: number;
  nullRows: number;
  /** Share of answers about things never taught for which somebody may still be paid. */
  falseDiscovery: number;
  /** c is never set below this, whatever the held-out answers say. */
  thresholdMin: number;
  seed: number;
  threads: number;
};

export const defaultPayIndexOptions: PayIndexOptions = {
  samples: 4,
  damping: 0.1,
  maxFisherRows: 3072,
  nullRows: 199,
  falseDiscovery: 0.05,
  thresholdMin: 0.5,
  seed: 1,
  threads: 2,
};

/** Most dimensions of a row (docs/protocol.md, section 4). */
export const maxDimensions = 1024;

export type PayIndexInput = {
  gradients: Awaited<ReturnType<typeof createGradients>>;
  adapter: Adapter;
  /** Adam's v after training, by tensor name, and its β₂ and number of steps. */
  secondMoments: ReadonlyMap<string, Float32Array>;
  beta2: number;
  steps: number;
  /** Training examples and, for each, its contributor's number in 0 … contributors − 1. */
  sequences: readonly Sequence[];
  contributorOf: readonly number[];
  contributors: number;
  /** Examples of the same kind that were never trained on. */
  heldOut: readonly Sequence[];
  /** Which of them have the form of answers to questions: the threshold is set on those, when there are at least 20. */
  heldOutIsAnswer?: readonly boolean[];
  /**
   * Score these answers, too, in floating point: against sums over sets of examples, to be held against retrainings on just those sets, and
   * against every row. Scores are linear, so a set costs one more row to solve for, whatever its size.
   */
  calibration?: { sets: readonly ReadonlySet<number>[]; queries: readonly Sequence[] };
};

/** Scores of answers in the solve's own unit, before anything is rounded; positive made the answer more likely. */
export type CalibrationScores = {
  /** `[Q, sets]`: Σ over a set's examples. */
  sets: Float32Array;
  /** `[Q, C + null rows]`. */
  rows: Float32Array;
};

export type PayIndex = {
  /** `contributors` rows, then null rows; each k integers in ±32,767. */
  rows: Int16Array[];
  k: number;
  basis: Basis;
  /** What one unit of a row is worth. */
  scale: number;
  /** T is this many millionths of the highest null score. */
  thresholdMillionths: number;
  /** Where calibration was asked for. */
  calibration?: CalibrationScores;
  report: {
    examples: number;
    heldOut: number;
    width: number;
    fisherRows: number;
    bytes: number;
    /** Share of held-out answers that would pay somebody, at the threshold chosen. */
    falseDiscovery: number;
    /** Norm of trained examples' rows over held-out examples' rows, root mean squares. */
    nullScale: number;
    seconds: number;
  };
};

export type IndexStage = "gradients" | "held-out gradients" | "curvature" | "basis";

/** @throws RangeError when there is too little held-out material to make null rows from */
export async function buildPayIndex(
  input: PayIndexInput,
  options: PayIndexOptions,
  onProgress: (stage: IndexStage, done: number, of: number) => void = () => {},
): Promise<PayIndex> {
  const started = performance.now();
  const { gradients, adapter, sequences, contributorOf, contributors, heldOut } = input;
  const { segments, width: p } = gradients;
  if (heldOut.length < 20)
    throw new RangeError(
      `A pay index needs at least 20 held-out examples to tell influence from chance; there are ${heldOut.length}.`,
    );
  const metric = adamMetric(
    segments as GradientSegment[],
    p,
    (name) => {
      const v = input.secondMoments.get(name);
      if (v === undefined) throw new RangeError(`The optimizer's state lacks ${name}.`);
      return v;
    },
    1 - input.beta2 ** input.steps,
  );

  // One pass over the training examples: contributors' sums, an even sample of rows, and gradients with drawn labels.
  const keepEvery = Math.max(1, Math.ceil((sequences.length * options.samples) / options.maxFisherRows));
  const fisherCount = Math.ceil(sequences.length / keepEvery);
  const fisher = new Float32Array(fisherCount * options.samples * p);
  const sums = new Float32Array(contributors * p);
  const sets = input.calibration?.sets ?? [];
  const setSums = new Float32Array(sets.length * p);
  const probeCount = Math.min(64, sequences.length, heldOut.length);
  const probes = new Float32Array(probeCount * p);
  const probeEvery = sequences.length / probeCount;
  const labels = createRandom(options.seed, 41);
  const chunk = 64;
  for (let start = 0; start < sequences.length; start += chunk) {
    const part = sequences.slice(start, start + chunk).map((sequence, i) => ({ sequence, at: start + i }));
    const drawn = part.filter(({ at }) => at % keepEvery === 0);
    const rest = part.filter(({ at }) => at % keepEvery !== 0);
    for (const [chosen, samples] of [
      [drawn, options.samples],
      [rest, 0],
    ] as const) {
      if (chosen.length === 0) continue;
      const { data, sampled } = await gradients.rows(
        adapter,
        chosen.map(({ sequence }) => sequence),
        samples,
        labels,
      );
      applyMetric(data, metric);
      applyMetric(sampled, metric);
      if (samples > 0) fisher.set(sampled, Math.ceil(start / keepEvery) * samples * p);
      chosen.forEach(({ at }, i) => {
        const row = data.subarray(i * p, (i + 1) * p);
        addRow(sums, contributorOf[at] as number, row);
        for (const [m, set] of sets.entries()) if (set.has(at)) addRow(setSums, m, row);
        const probe = Math.round(at / probeEvery);
        if (probe < probeCount && Math.round(probe * probeEvery) === at) probes.set(row, probe * p);
      });
    }
    onProgress("gradients", Math.min(start + chunk, sequences.length), sequences.length);
  }

  // Held-out examples: one half makes null rows, the other asks questions to set the threshold by.
  const order = shuffle(Array.from(heldOut.keys()), createRandom(options.seed, 42));
  const half = Math.ceil(order.length / 2);
  const sequencesAt = (numbers: readonly number[]) => numbers.map((i) => heldOut[i] as Sequence);
  const others = order.slice(half);
  const answers = others.filter((i) => input.heldOutIsAnswer?.[i] === true);
  const queries = answers.length >= 20 ? answers : others;
  const nullData = (
    await gradients.rows(adapter, sequencesAt(order.slice(0, half)), 0, undefined, 16, (done) =>
      onProgress("held-out gradients", done, half + queries.length),
    )
  ).data;
  const queryData = (
    await gradients.rows(adapter, sequencesAt(queries), 0, undefined, 16, (done) =>
      onProgress("held-out gradients", half + done, half + queries.length),
    )
  ).data;
  applyMetric(nullData, metric);

  const sizes = new Array<number>(contributors).fill(0);
  for (const c of contributorOf) sizes[c] = (sizes[c] as number) + 1;
  const draws = createRandom(options.seed, 43);
  const nullSums = new Float32Array(options.nullRows * p);
  for (let n = 0; n < options.nullRows; n++) {
    const size = Math.max(1, sizes[n % contributors] as number);
    const target = nullSums.subarray(n * p, (n + 1) * p);
    for (let drawn = 0; drawn < size; drawn++) {
      const from = draws.below(half) * p;
      for (let j = 0; j < p; j++) target[j] = (target[j] as number) + (nullData[from + j] as number);
    }
  }

  // One solve for everything: contributor sums, null sums, single rows of both kinds to compare their lengths, and sums of sets.
  const total = contributors + options.nullRows;
  const solvedRows = total + 2 * probeCount + sets.length;
  const all = new Float32Array(solvedRows * p);
  all.set(sums);
  all.set(nullSums, contributors * p);
  all.set(probes, total * p);
  all.set(nullData.subarray(0, probeCount * p), (total + probeCount) * p);
  all.set(setSums, (total + 2 * probeCount) * p);
  const blocks = layerBlocks(segments);
  const products = await createProducts(options.threads);
  const solved = await invertFisher(
    products,
    all,
    solvedRows,
    fisher,
    fisherCount * options.samples,
    p,
    blocks,
    options.damping,
    (layer) => onProgress("curvature", layer, blocks.length),
  );
  const rms = (first: number) => {
    let sum = 0;
    for (let i = first * p; i < (first + probeCount) * p; i++) sum += (solved[i] as number) ** 2;
    return Math.sqrt(sum / probeCount);
  };
  // A trained example is fitted and its gradient short; a held-out one is not. Null rows are scaled to the length of trained ones, so that
  // the threshold compares directions.
  const nullScale = rms(total) / rms(total + probeCount);
  const rows = solved.subarray(0, total * p);
  for (let i = contributors * p; i < total * p; i++) rows[i] = (rows[i] as number) * nullScale;

  const calibration =
    input.calibration === undefined
      ? undefined
      : await scoreAll(
          products,
          gradients,
          adapter,
          input.calibration.queries,
          metric,
          rows,
          solved.subarray((total + 2 * probeCount) * p),
        );

  onProgress("basis", 0, 1);
  const gram = Float64Array.from(await products.timesTransposed(rows, rows, total, total, p));
  const { rank: k, coordinates, fromRows } = orthonormalise(gram, total, maxDimensions);
  const vectors = await products.times(Float32Array.from(fromRows), rows, k, p, total);
  const basis = quantiseBasis(vectors, k, metric);
  let largest = 0;
  for (const x of coordinates) largest = Math.max(largest, Math.abs(x));
  const scale = largest / 32_767;
  const integerRows = Array.from({ length: total }, (_, i) =>
    Int16Array.from(coordinates.subarray(i * k, (i + 1) * k), (x) => Math.round(x / scale)),
  );
  onProgress("basis", 1, 1);

  const { thresholdMillionths, falseDiscovery } = chooseThreshold(
    integerRows,
    contributors,
    queries.length,
    options,
    (i) => projectQuery(basis, queryData.subarray(i * p, (i + 1) * p)),
  );
  return {
    rows: integerRows,
    k,
    basis,
    scale,
    thresholdMillionths,
    ...(calibration === undefined ? {} : { calibration }),
    report: {
      examples: sequences.length,
      heldOut: heldOut.length,
      width: p,
      fisherRows: fisherCount * options.samples,
      bytes: k * p + 4 * (k + p) + total * k * 2,
      falseDiscovery,
      nullScale,
      seconds: (performance.now() - started) / 1000,
    },
  };
}

/** Adds a row to row `at` of sums. */
function addRow(sums: Float32Array, at: number, row: Float32Array): void {
  const from = at * row.length;
  for (let j = 0; j < row.length; j++) sums[from + j] = (sums[from + j] as number) + (row[j] as number);
}

async function scoreAll(
  products: Products,
  gradients: PayIndexInput["gradients"],
  adapter: Adapter,
  queries: readonly Sequence[],
  metric: Float32Array,
  rows: Float32Array,
  sets: Float32Array,
): Promise<CalibrationScores> {
  const p = metric.length;
  const { data } = await gradients.rows(adapter, queries);
  applyMetric(data, metric);
  const times = async (matrix: Float32Array) =>
    matrix.length === 0
      ? new Float32Array(0)
      : products.timesTransposed(data, matrix, queries.length, matrix.length / p, p);
  return { sets: await times(sets), rows: await times(rows) };
}

function quantiseBasis(vectors: Float32Array, k: number, metric: Float32Array): Basis {
  const p = metric.length;
  const values = new Int8Array(k * p);
  const scales = new Float32Array(k);
  for (let i = 0; i < k; i++) {
    let largest = 0;
    for (let j = 0; j < p; j++) largest = Math.max(largest, Math.abs(vectors[i * p + j] as number));
    const unit = largest / 127 || 1;
    scales[i] = unit;
    for (let j = 0; j < p; j++) values[i * p + j] = Math.round((vectors[i * p + j] as number) / unit);
  }
  return { k, metric, scales, values };
}

const dot = (a: Int16Array, b: Int16Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);

/**
 * The smallest c, but no less than the least allowed, for which, over questions about things nobody taught, somebody's score passes
 * c · (highest null score) in at most the share of cases asked for.
 */
function chooseThreshold(
  rows: readonly Int16Array[],
  contributors: number,
  queries: number,
  options: Pick<PayIndexOptions, "falseDiscovery" | "thresholdMin">,
  query: (i: number) => Int16Array,
) {
  const ratios: number[] = [];
  for (let i = 0; i < queries; i++) {
    const q = query(i);
    const scores = rows.map((row) => dot(row, q));
    const best = Math.max(...scores.slice(0, contributors));
    const chance = Math.max(0, ...scores.slice(contributors));
    ratios.push(best <= 0 ? 0 : chance === 0 ? Number.POSITIVE_INFINITY : best / chance);
  }
  ratios.sort((a, b) => a - b);
  const allowed = Math.floor(options.falseDiscovery * queries);
  const ratio = Math.max(options.thresholdMin, ratios[queries - 1 - allowed] as number);
  const thresholdMillionths = Math.min(Math.ceil(ratio * 1_000_000), 100_000_000);
  return {
    thresholdMillionths,
    falseDiscovery: ratios.filter((r) => r * 1_000_000 > thresholdMillionths).length / queries,
  };
}
