/**
 * One or two bits a coordinate: +1 and −1, or −3, −1, 1 and 3 in units of half the row's root mean square, which is nearly the best that four
 * levels do for normal numbers (Lloyd 1982, "Least squares quantization in PCM"). Packed from the lowest bit of the first byte on, so that
 * four bits hold four coordinates or two, and a query becomes one table of 16 sums for every four bits.
 */
import { codeEntries, codeEntryLimit } from "./scan.ts";

/** −3, −1, 1, 3 or −1, 1 for codes 0, 1, … */
const levelOf = (code: number, bits: 1 | 2) => 2 * code - (bits === 2 ? 3 : 1);

/**
 * @param row rotated coordinates
 * @param into 0 before; coordinates · bits bits are set
 * @returns what a unit of the codes is worth, so that a row's product with itself comes out right
 */
export function encodeCodes(row: Float64Array, bits: 1 | 2, into: Uint8Array): number {
  let squares = 0;
  for (const x of row) squares += x * x;
  const step = Math.sqrt(squares / row.length);
  let products = 0;
  for (let i = 0; i < row.length; i++) {
    const x = row[i] as number;
    const code = bits === 1 ? (x >= 0 ? 1 : 0) : x >= 0 ? (x >= step ? 3 : 2) : x >= -step ? 1 : 0;
    products += x * levelOf(code, bits);
    const bit = i * bits;
    into[bit >> 3] = (into[bit >> 3] as number) | (code << (bit & 7));
  }
  return products === 0 ? squares : squares / products;
}

/** The values that codes stand for. */
export const decodeCodes = (codes: Uint8Array, bits: 1 | 2, count: number): Int8Array =>
  Int8Array.from({ length: count }, (_, i) => {
    const bit = i * bits;
    return levelOf(((codes[bit >> 3] as number) >> (bit & 7)) & (2 ** bits - 1), bits);
  });

/** The largest integer of a query: four of them, or two times three, are at most {@link codeEntryLimit}. */
export const queryLimit = (bits: 1 | 2): number => codeEntryLimit / (bits === 1 ? 4 : 6);

/** Beyond this many root mean squares a query's coordinates are cut: finer steps for the others are worth more. */
const clip = 3.2;

/** A query's rotated coordinates as integers within ±{@link queryLimit}. */
export function quantiseQuery(query: Float64Array, bits: 1 | 2): { unit: number; values: Int8Array } {
  let squares = 0;
  for (const x of query) squares += x * x;
  const limit = queryLimit(bits);
  const unit = (clip * Math.sqrt(squares / query.length)) / limit;
  const round = (x: number) => Math.max(-limit, Math.min(limit, Math.round(x / unit)));
  return { unit, values: unit === 0 ? new Int8Array(query.length) : Int8Array.from(query, round) };
}

/** For every four bits of a row, what each of their 16 values adds to its product with the query. */
export function queryTables(query: Int8Array, bits: 1 | 2): Int8Array {
  const together = 4 / bits;
  const tables = new Int8Array((query.length / together) * codeEntries);
  for (let first = 0; first < query.length; first += together)
    for (let code = 0; code < codeEntries; code++) {
      let sum = 0;
      for (let i = 0; i < together; i++)
        sum += (query[first + i] as number) * levelOf((code >> (i * bits)) & (2 ** bits - 1), bits);
      tables[(first / together) * codeEntries + code] = sum;
    }
  return tables;
}
