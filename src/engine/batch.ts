/** From token sequences to the inputs of a training graph. */
import type { ModelConfig } from "./config.ts";
import { f32, i64, type Tensor } from "./runtime.ts";

/** A tokenised example: loss falls on the tokens at `targets` (positions ≥ 1), each predicted from what stands before it. */
export type Sequence = {
  readonly ids: readonly number[];
  readonly targets: readonly number[];
};

export type Batch = {
  readonly feeds: Record<string, Tensor>;
  readonly rows: number;
  /** Sequence number of each loss row, and the row's weight. */
  readonly owner: Int32Array;
  readonly weights: Float32Array;
};

export type BatchOptions = {
  /** Weight of each target token of sequence b; a scalar weight for all when left out is 1. */
  weight?: (sequence: number) => number;
  /** Replaces the labels of all loss rows, in order (labels drawn from the model, for instance). */
  labels?: readonly number[];
  /** Leaves out the inputs that only a backward pass reads. */
  forwardOnly?: boolean;
};

/**
 * Right-pads sequences to the longest; causality keeps padding from touching anything that is read. The last target is only a label,
 * so S is the largest target position.
 */
export function makeBatch(
  config: ModelConfig,
  sequences: readonly Sequence[],
  options: BatchOptions = {},
): Batch {
  const rows = sequences.length;
  if (rows === 0) throw new RangeError("A batch needs at least one sequence.");
  const length = Math.max(...sequences.map((s) => Math.max(0, ...s.targets)));
  const ids = new BigInt64Array(rows * length);
  const positions = new BigInt64Array(rows * length);
  const lossRows: bigint[] = [];
  const labels: bigint[] = [];
  const owner: number[] = [];
  sequences.forEach((sequence, b) => {
    for (let t = 0; t < length; t++) {
      positions[b * length + t] = BigInt(t);
      ids[b * length + t] = BigInt(sequence.ids[t] ?? 0);
    }
    for (const t of sequence.targets) {
      const token = sequence.ids[t];
      if (t < 1 || token === undefined)
        throw new RangeError(
          `A target at position ${t} of a sequence of ${sequence.ids.length} tokens has nothing before it or is not there.`,
        );
      lossRows.push(BigInt(b * length + t - 1));
      labels.push(BigInt(token));
      owner.push(b);
    }
  });
  const m = lossRows.length;
  if (m === 0) throw new RangeError("No sequence of this batch has a target token.");
  if (options.labels) {
    if (options.labels.length !== m)
      throw new RangeError(`${options.labels.length} labels for ${m} loss rows.`);
    options.labels.forEach((label, i) => {
      labels[i] = BigInt(label);
    });
  }
  const weights = Float32Array.from(owner, (b) => options.weight?.(b) ?? 1);
  const feeds: Record<string, Tensor> = {
    input_ids: i64(ids, [rows, length]),
    position_ids: i64(positions, [rows, length]),
    mask: causalMask(config.heads / config.kvHeads, length),
    loss_rows: i64(BigInt64Array.from(lossRows), [m]),
    labels: i64(BigInt64Array.from(labels), [m, 1]),
  };
  if (options.forwardOnly !== true) {
    const slots = new BigInt64Array(rows * length).fill(BigInt(m));
    lossRows.forEach((row, i) => {
      slots[Number(row)] = BigInt(i);
    });
    feeds.loss_slots = i64(slots, [rows * length]);
    feeds.loss_weights = f32(weights, [m, 1]);
  }
  return { feeds, rows, owner: Int32Array.from(owner), weights };
}

/** `[G·S, S]`: 0 where a query may look, a large negative number above the diagonal. */
function causalMask(groups: number, length: number): Tensor {
  const mask = new Float32Array(groups * length * length);
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < length; i++)
      mask.fill(-1e30, (g * length + i) * length + i + 1, (g * length + i + 1) * length);
  return f32(mask, [groups * length, length]);
}
