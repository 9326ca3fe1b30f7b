import type { Address, Digest, Hex } from "./bytes.ts";
import { toBytes, toHex, words, zeroAddress } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import { ProtocolError } from "./error.ts";
import type { PositionalTree } from "./positional.ts";
import { positionalTree } from "./positional.ts";

/** The most dimensions a row may have: with 1,024 a score stays below 2⁴¹ and one proof fits in a transaction. */
export const maxDimensions = 1_024;

/**
 * Writes a row or a projected query: k signed 16-bit integers, two's complement, big-endian, so that a chain can read
 * them from calldata with one load and a sign extension.
 *
 * @param values - k integers within ±32,768
 * @returns 2k bytes
 */
export function encodeRow(values: ArrayLike<number>): Uint8Array {
  const k = values.length;
  if (k < 1 || k > maxDimensions)
    throw new ProtocolError("length", `A row has 1 to ${maxDimensions} dimensions; got ${k}.`);
  const bytes = new Uint8Array(2 * k);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < k; i++) {
    const value = values[i]!;
    if (!Number.isInteger(value) || value < -32_768 || value > 32_767)
      throw new ProtocolError("out-of-range", `Dimension ${i} must be an integer of 16 bits; got ${value}.`);
    view.setInt16(2 * i, value);
  }
  return bytes;
}

/** Reads what `encodeRow` wrote. @returns k integers */
export function decodeRow(bytes: Uint8Array): Int16Array {
  if (bytes.length === 0 || bytes.length % 2 === 1 || bytes.length > 2 * maxDimensions)
    throw new ProtocolError(
      "length",
      `A row is 2 to ${2 * maxDimensions} bytes, two a dimension; got ${bytes.length}.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int16Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i));
}

/**
 * The attribution score `S = Σᵢ row[i] · q[i]`, exact: products are at most 2³⁰ and there are at most 1,024 of them, so
 * |S| ≤ 2⁴⁰ and a double holds every intermediate sum without rounding.
 *
 * @param row - k integers of 16 bits
 * @param q - the projected query, k integers of 16 bits
 */
export function score(row: ArrayLike<number>, q: ArrayLike<number>): number {
  if (row.length !== q.length || row.length > maxDimensions)
    throw new ProtocolError(
      "length",
      `Row and query have the same dimensions; got ${row.length} and ${q.length}.`,
    );
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i]! * q[i]!;
  // −0 (a row of zeros against a negative query) is not distinguishable on chain.
  return sum + 0;
}

/** One row of a release's pay index. */
export type IndexRow = {
  /** Position in the index: contributors' rows first, sorted by address, then null rows. */
  readonly row: number;
  /** Who is paid for this row; the zero address for null rows. */
  readonly payee: Address;
  /** k big-endian int16. */
  readonly bytes: Uint8Array;
};

/** @returns the leaf's payload, `abi.encode(uint32 row, address payee, bytes32 keccak256(row bytes))`. */
export function indexPayload({ row, payee, bytes }: IndexRow): Uint8Array {
  return words(row, payee, bytesDigest(bytes));
}

/**
 * The positional tree of a pay index. Row i must carry position i; contributors' rows come first, in ascending order
 * of address, and null rows follow, with the zero address as payee.
 *
 * @param rows - contributors' rows, then null rows, all of the same length
 * @returns the tree and how many of its leaves are contributors'
 * @throws ProtocolError `order` or `length`, naming the row
 */
export function indexTree(rows: readonly IndexRow[]): PositionalTree & { readonly contributors: number } {
  const nulls = rows.findIndex((row) => row.payee === zeroAddress);
  const contributors = nulls === -1 ? rows.length : nulls;
  rows.forEach(({ row, payee, bytes }, i) => {
    if (row !== i) throw new ProtocolError("order", `Row ${i} must carry position ${i}; got ${row}.`);
    if (bytes.length !== rows[0]!.bytes.length)
      throw new ProtocolError(
        "length",
        `Row ${i} must have ${rows[0]!.bytes.length} bytes; got ${bytes.length}.`,
      );
    const ordered =
      i < contributors ? i === 0 || lower(rows[i - 1]!.payee) <= lower(payee) : payee === zeroAddress;
    if (!ordered)
      throw new ProtocolError(
        "order",
        `Row ${i} (${payee}) is out of order: contributors ascend by address, null rows follow.`,
      );
  });
  return { ...positionalTree(rows.map(indexPayload)), contributors };
}

/** A contributor that is paid for an answer, and why. */
export type ScoreEntry = {
  /** Row in the pay index, below the number of contributors. */
  readonly row: number;
  readonly score: number;
};

/**
 * Writes the list a receipt commits to: 12 bytes an entry, `uint32 row ‖ int64 score`, big-endian, rows ascending.
 *
 * @example
 * toHex(encodeScores([{ row: 1, score: -1 }])) // 0x00000001ffffffffffffffff
 */
export function encodeScores(entries: readonly ScoreEntry[]): Uint8Array {
  const bytes = new Uint8Array(12 * entries.length);
  const view = new DataView(bytes.buffer);
  entries.forEach(({ row, score }, i) => {
    if (i > 0 && row <= entries[i - 1]!.row)
      throw new ProtocolError(
        "order",
        `Scores are listed by ascending row; row ${row} follows ${entries[i - 1]!.row}.`,
      );
    if (!Number.isSafeInteger(score))
      throw new ProtocolError("out-of-range", `The score of row ${row} is ${score}.`);
    view.setUint32(12 * i, row);
    view.setBigInt64(12 * i + 4, BigInt(score));
  });
  return bytes;
}

/** Reads what `encodeScores` wrote, in any order. @returns undefined for bytes that are not whole entries, or more than 256 */
export function decodeScores(scores: Hex | Uint8Array): ScoreEntry[] | undefined {
  const bytes = toBytes(scores);
  if (bytes.length % 12 !== 0 || bytes.length > 12 * 256) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 12 }, (_, i) => ({
    row: view.getUint32(12 * i),
    score: Number(view.getBigInt64(12 * i + 4)),
  }));
}

/** @returns `keccak256(encodeScores(entries))`; of no bytes for an empty list. */
export function scoresDigest(entries: readonly ScoreEntry[]): Digest {
  return bytesDigest(encodeScores(entries));
}

/** @returns `keccak256(q)`, of no bytes when the answer was not attributed. */
export function queryDigest(query: Uint8Array): Digest {
  return bytesDigest(toHex(query));
}

function lower(address: Address): string {
  return address.toLowerCase();
}
