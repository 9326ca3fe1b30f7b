/** Which published rows are not those made again, and in what way, in words. */
import type { RowsApart } from "../attribution/index.ts";

export type IndexTolerance = {
  /** How far honest machines' rows may be apart, as a part of their length, beyond what rounding explains. */
  readonly machine: number;
  /** How many standard deviations of the rounding a row may be off: in its integers, by its basis, and beyond the rows' span. */
  readonly within: number;
  readonly expressed: number;
  readonly beyond: number;
  /** Part of c that the recomputed one may be off, and the share of questions that would pay somebody. */
  readonly threshold: number;
  readonly falseDiscovery: number;
};

/** What rounding does follows from the basis' scales; see docs/attribution.md for what was measured. */
export const indexTolerance: IndexTolerance = {
  machine: 1 / 1024,
  within: 2,
  expressed: 3,
  beyond: 1.5,
  threshold: 1 / 128,
  falseDiscovery: 0.02,
};

export type RowFault = {
  readonly row: number;
  /** Distance from the row made again, as a part of its length. */
  readonly distance: number;
  readonly what: string;
};

export type RowFaults = {
  /** Rows that are not what the basis would say of the rows made again, worst first. */
  readonly rows: readonly RowFault[];
  /** Rows that the basis cannot say, or says more of than there is. */
  readonly directions: readonly RowFault[];
  /** The greatest distances of all rows, as parts of their lengths and in standard deviations of rounding. */
  readonly apart: {
    readonly rows: number;
    readonly rowsInRounding: number;
    readonly directions: number;
    readonly directionsInRounding: number;
    readonly beyondInRounding: number;
  };
};

const dot = (a: Float64Array, b: Float64Array) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};
const length = (a: Float64Array) => Math.sqrt(dot(a, a));
const minus = (a: Float64Array, b: Float64Array) => a.map((x, i) => x - (b[i] as number));
const cosine = (a: Float64Array, b: Float64Array) => dot(a, b) / (length(a) * length(b) || 1);

/** Two vectors point the same way. */
const sameWay = 0.99;

/** @param nameOf a row, for people: "row 3 of contributor 0x…" */
export function rowFaults(
  apart: RowsApart,
  nameOf: (row: number) => string,
  tolerance: IndexTolerance = indexTolerance,
): RowFaults {
  const { rank, total, beyond, roundingWithin, roundingBeyond } = apart;
  const at = (values: Float64Array, row: number) => values.subarray(row * rank, (row + 1) * rank);
  const rows: RowFault[] = [];
  const directions: RowFault[] = [];
  const greatest = {
    rows: 0,
    rowsInRounding: 0,
    directions: 0,
    directionsInRounding: 0,
    beyondInRounding: 0,
  };
  const see = (name: keyof typeof greatest, value: number) => {
    greatest[name] = Math.max(greatest[name], value);
  };
  for (let row = 0; row < total; row++) {
    const [expected, expressed, published] = [apart.expected, apart.expressed, apart.published].map(
      (values) => at(values, row),
    ) as [Float64Array, Float64Array, Float64Array];
    const size = length(expected);
    const part = (x: number) => (x === 0 ? 0 : x / (size || Number.MIN_VALUE));
    const noise = roundingWithin[row] as number;
    const off = length(minus(published, expressed));
    see("rows", part(off));
    see("rowsInRounding", off / (noise || 1));
    if (off > tolerance.within * noise + tolerance.machine * size)
      rows.push({ row, distance: part(off), what: describe(row, published, expected) });
    const lost = length(minus(expressed, expected));
    see("directions", part(lost));
    see("directionsInRounding", lost / (noise || 1));
    if (lost > tolerance.expressed * noise + tolerance.machine * size)
      directions.push({
        row,
        distance: part(lost),
        what: `the basis cannot say ${percent(part(lost))} of the length of ${nameOf(row)}`,
      });
    const outside = Math.sqrt(beyond[row] as number);
    see("beyondInRounding", outside / ((roundingBeyond[row] as number) || 1));
    if (outside > tolerance.beyond * (roundingBeyond[row] as number) + tolerance.machine * length(published))
      directions.push({
        row,
        distance: part(outside),
        what: `${nameOf(row)} reaches ${percent(part(outside))} of its length to where no row is`,
      });
  }

  function describe(row: number, published: Float64Array, expected: Float64Array): string {
    const name = nameOf(row);
    if (length(expected) === 0) return `${name} should be zero, and is not`;
    if (length(published) === 0) return `${name} is zero`;
    const isTurned = cosine(published, expected) < sameWay;
    for (let other = 0; other < total; other++)
      if (isTurned && other !== row && cosine(published, at(apart.expected, other)) >= sameWay)
        return `${name} is what ${nameOf(other)} must be`;
    const off = minus(published, expected);
    for (let other = 0; other < total; other++) {
      const lacking = minus(at(apart.published, other), at(apart.expected, other));
      if (
        other !== row &&
        cosine(off, lacking) <= -sameWay &&
        Math.abs(length(lacking) / length(off) - 1) < 0.05
      )
        return dot(off, expected) > 0
          ? `${name} has what ${nameOf(other)} lacks: ${percent(length(off) / length(expected))} of its length`
          : `${name} lacks what ${nameOf(other)} has: ${percent(length(off) / length(expected))} of its length`;
    }
    if (!isTurned)
      return `${name} is ${(dot(published, expected) / dot(expected, expected)).toFixed(3)} times as long as recomputed`;
    return `${name} points elsewhere: its cosine with the recomputed one is ${cosine(published, expected).toFixed(3)}, its length ${(length(published) / length(expected)).toFixed(3)} times`;
  }

  const worst = (faults: RowFault[]) => faults.sort((a, b) => b.distance - a.distance);
  return { rows: worst(rows), directions: worst(directions), apart: greatest };
}

const percent = (part: number) => `${(100 * part).toFixed(part < 0.01 ? 2 : 1)} %`;
