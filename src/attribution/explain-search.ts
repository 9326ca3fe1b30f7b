/** Questions to an explain index: which examples made an answer likelier, by an exact scan of their rows. */
import { quantiseQuery, queryTables } from "./explain-codes.ts";
import {
  type ExplainPlan,
  explainRowBytes,
  quantise,
  type ReadBytes,
  readExplainPlan,
  readExplainRow,
  signedCodes,
} from "./explain-index.ts";
import { createRotation } from "./rotation.ts";
import { createCodeScan, createInt8Scan, type RowRange } from "./scan.ts";

export type Explanation = { readonly example: number; readonly score: number };

export type ExplainIndex = {
  readonly plan: ExplainPlan;
  /**
   * τ of every example, in float64; of those asked for, if any.
   *
   * @param gradient the answer's, scaled by the metric `[p]` (`scaleGradient`)
   */
  scores(gradient: Float32Array, ranges?: readonly RowRange[]): Float64Array;
  /**
   * The examples of highest score, highest first; of equals, the earlier one.
   *
   * @param among numbers of examples, ascending: those of the paid contributors; by default all
   */
  top(gradient: Float32Array, count: number, among?: readonly number[]): Explanation[];
  /** Bytes that a scan of everything reads, and reading them and nothing else. */
  readonly scan: { readonly bytes: number; read(): void };
};

/**
 * Opens a blob for queries: codes are copied into memory of their own.
 *
 * @param length of the blob
 * @param read its bytes from a position on
 * @throws RangeError when they are not a whole explain index
 */
export function openExplainIndex(length: number, read: ReadBytes): ExplainIndex {
  const plan = readExplainPlan(length, read);
  const { rows, width, bits, dimensions } = plan;
  const rowBytes = explainRowBytes(plan);
  const scales = new Float32Array(rows);
  const row = (i: number) => {
    const { scale, codes } = readExplainRow(plan, i, read);
    scales[i] = scale;
    return codes;
  };
  const { scan, project } =
    bits === 8
      ? {
          scan: createInt8Scan({ rows, columns: dimensions, row: (i) => signedCodes(row(i), dimensions) }),
          project: (gradient: Float32Array) => {
            const values = new Int8Array(dimensions);
            return { unit: quantise(gradient, values), values };
          },
        }
      : {
          scan: createCodeScan({ rows, columns: rowBytes - 4, row }),
          project: rotatedQuery(plan, bits),
        };
  const scores = (gradient: Float32Array, ranges?: readonly RowRange[]) => {
    if (gradient.length !== width)
      throw new RangeError(`The gradient has ${gradient.length} numbers; the index was built for ${width}.`);
    const { unit, values } = project(gradient);
    if (!Number.isFinite(unit)) throw new RangeError("The query's gradient is not a number.");
    return scan.scores(values, ranges).map((sum, i) => sum * (scales[i] as number) * unit);
  };
  return {
    plan,
    scores,
    top(gradient, count, among) {
      const all = scores(gradient, among && rangesOf(among, rows));
      return highest(among ?? all.keys(), all, count);
    },
    scan,
  };
}

function rotatedQuery({ width, dimensions, seed }: ExplainPlan, bits: 1 | 2) {
  const rotate = createRotation(width, dimensions, seed);
  return (gradient: Float32Array) => {
    const { unit, values } = quantiseQuery(rotate(gradient), bits);
    return { unit, values: queryTables(values, bits) };
  };
}

/** Runs of consecutive numbers. */
function rangesOf(ascending: readonly number[], rows: number): RowRange[] {
  const ranges: [number, number][] = [];
  let before = -1;
  for (const example of ascending) {
    if (!Number.isInteger(example) || example <= before || example >= rows)
      throw new RangeError(
        `Examples are asked for by ascending numbers below ${rows}; got ${example} after ${before}.`,
      );
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === example) last[1]++;
    else ranges.push([example, example + 1]);
    before = example;
  }
  return ranges;
}

/** The best `count` of some examples in ascending order: kept sorted, since few are asked for and most do not reach them. */
function highest(examples: Iterable<number>, scores: Float64Array, count: number): Explanation[] {
  const best: Explanation[] = [];
  for (const example of examples) {
    const score = scores[example] as number;
    if (best.length === count && !(score > (best[count - 1]?.score ?? Number.POSITIVE_INFINITY))) continue;
    let at = best.length;
    while (at > 0 && (best[at - 1] as Explanation).score < score) at--;
    best.splice(at, 0, { example, score });
    if (best.length > count) best.pop();
  }
  return best;
}
