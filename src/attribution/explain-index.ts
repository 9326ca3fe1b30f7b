/**
 * The explain index of a release: one row per training example, to find those behind a paid contributor's score. A row is R_i = H⁻¹ D^−½ g_i
 * in the whole space of gradients, in bytes while that is small, else rotated and cut down to one or two bits a coordinate (`explain-codes`).
 *
 * The blob: eight little-endian uint32 (mark, bits, rows, p, dimensions, seed, bytes of a row, 0), then each row: a float32 that its integers
 * are multiplied by, and its codes. Score of example i for a query: scale_i · unit of the query · Σ, the sum being an exact integer.
 */
import { encodeCodes, quantiseQuery, queryTables } from "./explain-codes.ts";
import { createRotation, rotatedLength } from "./rotation.ts";
import { createCodeScan, createInt8Scan, type RowRange } from "./scan.ts";

export type ExplainPlan = {
  readonly rows: number;
  /** p, numbers in a gradient. */
  readonly width: number;
  /** Of one coordinate: 8, unrotated; or 2 or 1. */
  readonly bits: 8 | 2 | 1;
  /** Coordinates kept: p, or as many of the rotated ones as fit. */
  readonly dimensions: number;
  /** Of the rotation. */
  readonly seed: number;
};

export type ExplainOptions = {
  /** Whole bytes are kept while all rows take at most this. */
  budgetBytes: number;
  /** Most bytes of a row otherwise. */
  rowBytes: number;
  seed: number;
};

export const defaultExplainOptions: ExplainOptions = { budgetBytes: 2 ** 28, rowBytes: 8192, seed: 1 };

const magic = 0x4f4c4531; // "OLE1"
const headerBytes = 32;

/** Bytes of a row, its scale among them; a multiple of four. */
export const explainRowBytes = ({ bits, dimensions }: ExplainPlan): number =>
  4 + 4 * Math.ceil((dimensions * bits) / 32);

export const explainBytes = (plan: ExplainPlan): number => headerBytes + plan.rows * explainRowBytes(plan);

/** Two bits a coordinate where all coordinates fit that way; else one bit for as many as fit, which keeps more of the scores. */
export function planExplainIndex(rows: number, width: number, options: ExplainOptions): ExplainPlan {
  const { budgetBytes, rowBytes, seed } = options;
  const whole: ExplainPlan = { rows, width, bits: 8, dimensions: width, seed };
  if (explainBytes(whole) <= budgetBytes) return whole;
  const length = Math.max(32, rotatedLength(width));
  const fits = (bits: number) => Math.floor(((rowBytes - 4) * 8) / bits / 32) * 32;
  const bits = fits(2) >= length ? 2 : 1;
  const dimensions = Math.min(length, fits(bits));
  if (dimensions < 32)
    throw new RangeError(`A row of the explain index takes 8 bytes at least; ${rowBytes} were given.`);
  return { rows, width, bits, dimensions, seed };
}

/**
 * Writes a blob row by row.
 *
 * @param write takes the next bytes
 */
export function createExplainWriter(plan: ExplainPlan, write: (bytes: Uint8Array) => void) {
  const header = new DataView(new ArrayBuffer(headerBytes));
  const { bits, rows, width, dimensions, seed } = plan;
  [magic, bits, rows, width, dimensions, seed, explainRowBytes(plan), 0].forEach((word, i) => {
    header.setUint32(4 * i, word, true);
  });
  write(new Uint8Array(header.buffer));
  const encode = createEncoder(plan);
  let written = 0;
  return {
    /** @param row R_i `[p]`, in the order of the examples */
    add(row: Float32Array): void {
      if (written === rows) throw new RangeError(`The explain index was planned for ${rows} rows.`);
      written++;
      write(encode(row));
    },
    /** @throws RangeError when rows are missing */
    end(): void {
      if (written !== rows)
        throw new RangeError(`The explain index has ${written} of the ${rows} rows it was planned for.`);
    },
  };
}

/** One row's bytes. @throws RangeError when a number of the row is none */
function createEncoder(plan: ExplainPlan): (row: Float32Array) => Uint8Array {
  const { bits, width, dimensions, seed } = plan;
  const rotate = bits === 8 ? undefined : createRotation(width, dimensions, seed);
  const share = dimensions / rotatedLength(width);
  return (row) => {
    const bytes = new Uint8Array(explainRowBytes(plan));
    const codes = bytes.subarray(4);
    const scale =
      rotate === undefined || bits === 8
        ? quantise(row, new Int8Array(bytes.buffer, 4, dimensions))
        : encodeCodes(rotate(row), bits, codes) / share;
    if (!Number.isFinite(scale)) throw new RangeError("A row of the explain index is not a number.");
    new DataView(bytes.buffer).setFloat32(0, scale, true);
    return bytes;
  };
}

/** Rounds to ±127 by the largest. @returns what one unit is worth */
function quantise(values: Float32Array, into: Int8Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  if (largest > 0)
    for (let i = 0; i < values.length; i++) into[i] = Math.round(((values[i] as number) / largest) * 127);
  return largest / 127;
}

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
export function openExplainIndex(
  length: number,
  read: (position: number, bytes: number) => Uint8Array,
): ExplainIndex {
  const plan = readPlan(length, read);
  const { rows, width, bits, dimensions } = plan;
  const rowBytes = explainRowBytes(plan);
  const scales = new Float32Array(rows);
  const row = (i: number) => {
    const bytes = read(headerBytes + i * rowBytes, rowBytes);
    const scale = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
    if (!Number.isFinite(scale)) throw new RangeError(`Row ${i} of the explain index has no scale.`);
    scales[i] = scale;
    return bytes.subarray(4);
  };
  const { scan, project } =
    bits === 8
      ? {
          scan: createInt8Scan({ rows, columns: dimensions, row: (i) => signed(row(i), dimensions) }),
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

const signed = (codes: Uint8Array, length: number) => new Int8Array(codes.buffer, codes.byteOffset, length);

function rotatedQuery({ width, dimensions, seed }: ExplainPlan, bits: 1 | 2) {
  const rotate = createRotation(width, dimensions, seed);
  return (gradient: Float32Array) => {
    const { unit, values } = quantiseQuery(rotate(gradient), bits);
    return { unit, values: queryTables(values, bits) };
  };
}

/** Most rows and numbers of a row that a blob may claim. */
const limits = { rows: 2 ** 24, width: 2 ** 26 };

function readPlan(length: number, read: (position: number, bytes: number) => Uint8Array): ExplainPlan {
  if (length < headerBytes) throw new RangeError(`These ${length} bytes are not an explain index.`);
  const header = read(0, headerBytes);
  const view = new DataView(header.buffer, header.byteOffset, headerBytes);
  const word = (i: number) => view.getUint32(4 * i, true);
  const [bits, rows, width, dimensions, seed] = [word(1) as 8 | 2 | 1, word(2), word(3), word(4), word(5)];
  const plan = { rows, width, bits, dimensions, seed };
  const kept =
    bits === 8 ? dimensions === width : dimensions % 32 === 0 && dimensions <= rotatedLength(width);
  const whole =
    word(0) === magic &&
    [8, 2, 1].includes(bits) &&
    rows <= limits.rows &&
    width >= 1 &&
    width <= limits.width &&
    dimensions >= 1 &&
    kept &&
    word(6) === explainRowBytes(plan) &&
    length === explainBytes(plan);
  if (!whole)
    throw new RangeError(
      `These ${length} bytes are not an explain index: their header speaks of ${rows} rows of ${word(6)} bytes.`,
    );
  return plan;
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
