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
import { createCodeScan, createInt8Scan, type RowRange, type RowSource } from "./scan.ts";

export type Explanation = { readonly example: number; readonly score: number };

export type Explained = {
  /** Σ over the examples that were asked about. */
  readonly sum: number;
  /** Of those, the ones with the highest scores above 0, the highest first. */
  readonly helpful: readonly Explanation[];
  /** Of all examples, the ones with the lowest scores below 0, the lowest first; null where nobody asked. */
  readonly harmful: readonly Explanation[] | null;
};

export type ExplainIndex = {
  readonly plan: ExplainPlan;
  /** Bytes of rows that are in memory at once. */
  readonly memory: number;
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
  /** At most `count` of each kind; of equals, the earlier one. @param among ascending */
  explain(
    gradient: Float32Array,
    ask: { readonly among: readonly number[]; readonly count: number; readonly harmful: boolean },
  ): Explained;
  /** Bytes that a scan of everything in memory reads, and reading them and nothing else. */
  readonly scan: { readonly bytes: number; read(): void };
};

/**
 * Opens a blob for queries. Codes are copied into memory of their own: once where all of them fit, else as many as fit, again for every query,
 * and only those that are asked about. Scores are the same.
 *
 * @param length of the blob
 * @param read its bytes from a position on
 * @param memoryBytes for codes; by default there is no limit. Each row has four bytes more for its scale
 * @throws RangeError when they are not a whole explain index; `scores`, when a row of it is none
 */
export function openExplainIndex(
  length: number,
  read: ReadBytes,
  memoryBytes = Number.POSITIVE_INFINITY,
): ExplainIndex {
  const plan = readExplainPlan(length, read);
  const { rows, width } = plan;
  const { scan, project } = createScan(plan, memoryBytes);
  const scales = new Float32Array(rows);
  const resident = scan.rows >= rows;
  const fill = (first: number, ranges: readonly RowRange[]) =>
    scan.fill((i) => {
      const { scale, codes } = readExplainRow(plan, first + i, read);
      scales[first + i] = scale;
      return codes;
    }, ranges);
  if (resident) fill(0, [[0, rows]]);
  const scores = (gradient: Float32Array, ranges: readonly RowRange[] = [[0, rows]]) => {
    if (gradient.length !== width)
      throw new RangeError(`The gradient has ${gradient.length} numbers; the index was built for ${width}.`);
    const { unit, values } = project(gradient);
    if (!Number.isFinite(unit)) throw new RangeError("The query's gradient is not a number.");
    const found = new Float64Array(rows);
    for (let first = 0; first < rows; first += scan.rows) {
      const within = Math.min(scan.rows, rows - first);
      const asked = ranges.flatMap(([from, to]): RowRange[] => {
        const part = [Math.max(0, from - first), Math.min(within, to - first)] as const;
        return part[0] < part[1] ? [part] : [];
      });
      if (asked.length === 0) continue;
      if (!resident) fill(first, asked);
      const sums = scan.scores(values, asked);
      for (const [from, to] of asked)
        for (let i = from; i < to; i++)
          found[first + i] = (sums[i] as number) * (scales[first + i] as number) * unit;
    }
    return found;
  };
  return {
    plan,
    memory: scan.bytes,
    scores,
    top(gradient, count, among) {
      const all = scores(gradient, among && rangesOf(among, rows));
      return highest(among ?? all.keys(), all, count);
    },
    explain(gradient, { among, count, harmful }) {
      const ranges = rangesOf(among, rows);
      const all = scores(gradient, harmful ? undefined : ranges);
      return {
        sum: among.reduce((sum, example) => sum + (all[example] as number), 0),
        helpful: highest(among, all, count).filter(({ score }) => score > 0),
        harmful: harmful ? lowest(all, count).filter(({ score }) => score < 0) : null,
      };
    },
    scan,
  };
}

/** A scan over as many rows as memory allows, and how a gradient becomes its query. */
function createScan(plan: ExplainPlan, memoryBytes: number) {
  const { rows, bits, dimensions, width, seed } = plan;
  const codeBytes = explainRowBytes(plan) - 4;
  const fit = Math.max(1, Math.min(rows, Math.floor(memoryBytes / codeBytes)));
  if (bits === 8) {
    const scan = createInt8Scan({ rows: fit, columns: dimensions });
    return {
      scan: {
        ...scan,
        fill: (row: RowSource<Uint8Array>, ranges?: readonly RowRange[]) =>
          scan.fill((i) => signedCodes(row(i), dimensions), ranges),
      },
      project(gradient: Float32Array) {
        const values = new Int8Array(dimensions);
        return { unit: quantise(gradient, values), values };
      },
    };
  }
  const rotate = createRotation(width, dimensions, seed);
  return {
    scan: createCodeScan({ rows: fit, columns: codeBytes }),
    project(gradient: Float32Array) {
      const { unit, values } = quantiseQuery(rotate(gradient), bits);
      return { unit, values: queryTables(values, bits) };
    },
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

/** The worst of all examples, the worst first. */
const lowest = (scores: Float64Array, count: number): Explanation[] =>
  highest(
    scores.keys(),
    scores.map((score) => -score),
    count,
  ).map(({ example, score }) => ({ example, score: -score }));
