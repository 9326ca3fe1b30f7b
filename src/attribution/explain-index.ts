/**
 * The explain index of a release: one row per training example, to find those behind a paid contributor's score. A row is R_i = H⁻¹ D^−½ g_i
 * in the whole space of gradients, in bytes while that is small, else rotated and cut down to one or two bits a coordinate (`explain-codes`).
 *
 * The blob: eight little-endian uint32 (mark, bits, rows, p, dimensions, seed, bytes of a row, 0), then each row: a float32 that its integers
 * are multiplied by, and its codes. Score of example i for a query: scale_i · unit of the query · Σ, the sum being an exact integer.
 */
import { decodeCodes, encodeCodes } from "./explain-codes.ts";
import { createRotation, rotatedLength } from "./rotation.ts";

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
export const explainHeaderBytes = 32;

/** Bytes of a row, its scale among them; a multiple of four. */
export const explainRowBytes = ({ bits, dimensions }: ExplainPlan): number =>
  4 + 4 * Math.ceil((dimensions * bits) / 32);

export const explainBytes = (plan: ExplainPlan): number =>
  explainHeaderBytes + plan.rows * explainRowBytes(plan);

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
  const header = new DataView(new ArrayBuffer(explainHeaderBytes));
  const { bits, rows, width, dimensions, seed } = plan;
  [magic, bits, rows, width, dimensions, seed, explainRowBytes(plan), 0].forEach((word, i) => {
    header.setUint32(4 * i, word, true);
  });
  write(new Uint8Array(header.buffer));
  const encode = createExplainEncoder(plan);
  let written = 0;
  return {
    /** @param row R_i `[p]`, in the order of the examples; null for one that has none: it scores 0 */
    add(row: Float32Array | null): void {
      if (written === rows) throw new RangeError(`The explain index was planned for ${rows} rows.`);
      written++;
      write(row === null ? new Uint8Array(explainRowBytes(plan)) : encode(row));
    },
    /** @throws RangeError when rows are missing */
    end(): void {
      if (written !== rows)
        throw new RangeError(`The explain index has ${written} of the ${rows} rows it was planned for.`);
    },
  };
}

/** From R_i `[p]` to its row of the blob, scale and codes. @throws RangeError when a number of the row is none */
export function createExplainEncoder(plan: ExplainPlan): (row: Float32Array) => Uint8Array {
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

/**
 * Rounds to ±127 by the largest. The loops are plain, and halves are added instead of `Math.round`, because a query's 200,000 numbers
 * would otherwise take a sixth of its scan.
 *
 * @returns what one unit is worth
 */
export function quantise(values: Float32Array, into: Int8Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i] as number);
    // Once it is not a number it stays so, and is seen.
    if (size > largest || Number.isNaN(size)) largest = size;
  }
  if (largest > 0)
    for (let i = 0; i < values.length; i++)
      into[i] = Math.floor(((values[i] as number) / largest) * 127 + 0.5);
  return largest / 127;
}

/** A blob's bytes from a position on. */
export type ReadBytes = (position: number, bytes: number) => Uint8Array;

export type ExplainRow = {
  /** What the integers are multiplied by. */
  readonly scale: number;
  /** `[dimensions]`: of R_i as it is, or of R_i rotated (`createRotation`), whose coordinates stand for all of them. */
  readonly values: Int8Array;
};

/**
 * Single rows of a blob, as they are.
 *
 * @throws RangeError when it is not a whole explain index, or the row none of its rows
 */
export function openExplainRows(length: number, read: ReadBytes) {
  const plan = readExplainPlan(length, read);
  return {
    plan,
    row(i: number): ExplainRow {
      const { scale, codes } = readExplainRow(plan, i, read);
      const { bits, dimensions } = plan;
      const values = bits === 8 ? signedCodes(codes, dimensions) : decodeCodes(codes, bits, dimensions);
      return { scale, values };
    },
  };
}

/** @throws RangeError when there is no such row, or it has no scale */
export function readExplainRow(plan: ExplainPlan, i: number, read: ReadBytes) {
  if (!Number.isInteger(i) || i < 0 || i >= plan.rows)
    throw new RangeError(`The explain index has ${plan.rows} rows; row ${i} was asked for.`);
  const size = explainRowBytes(plan);
  const bytes = read(explainHeaderBytes + i * size, size);
  const scale = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  if (!Number.isFinite(scale)) throw new RangeError(`Row ${i} of the explain index has no scale.`);
  return { scale, codes: bytes.subarray(4) };
}

/** Whole bytes as numbers. */
export const signedCodes = (codes: Uint8Array, length: number): Int8Array =>
  new Int8Array(codes.buffer, codes.byteOffset, length);

/** Most rows and numbers of a row that a blob may claim. */
const limits = { rows: 2 ** 24, width: 2 ** 26 };

/** @throws RangeError when the bytes are not a whole explain index */
export function readExplainPlan(length: number, read: ReadBytes): ExplainPlan {
  if (length < explainHeaderBytes) throw new RangeError(`These ${length} bytes are not an explain index.`);
  const header = read(0, explainHeaderBytes);
  const view = new DataView(header.buffer, header.byteOffset, explainHeaderBytes);
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
