/**
 * Which examples stand for one row of the pay index: a contributor's, at most so many of them.
 *
 * A score is paid only where it is positive, so a sum of many examples hides that some helped and some did harm, and whoever deals the same
 * examples out to more names is paid for the one without paying for the other. Rows of about the same number of examples, whoever's they are,
 * leave nothing to gain by that (docs/attribution.md, "Payment").
 */
import { maxDimensions } from "../protocol/index.ts";

export type RowGroups = {
  /** The examples of each row; a contributor's rows stand together, in the contributors' order. */
  readonly members: readonly (readonly number[])[];
  /** By row, the contributor's number. */
  readonly contributorOfRow: readonly number[];
  /** No row has more. */
  readonly examplesPerRow: number;
};

export type RowGroupOptions = {
  /** Most examples to a row, unless that makes too many rows. */
  readonly examplesPerRow: number;
  /** With more rows than there are dimensions beside these, rows take more examples, until every contributor has one row. */
  readonly nullRows: number;
};

/**
 * Contributors' examples in as few rows as the limit allows, as even as they go, in their order. Who has none has one row of none.
 *
 * @param contributorOf by example, 0 … contributors − 1
 */
export function groupRows(
  contributorOf: readonly number[],
  contributors: number,
  options: RowGroupOptions,
): RowGroups {
  const own = Array.from({ length: contributors }, (): number[] => []);
  for (const [example, contributor] of contributorOf.entries()) own[contributor]?.push(example);
  const rowsWith = (most: number) => own.map(({ length }) => Math.max(1, Math.ceil(length / most)));
  const total = (most: number) => rowsWith(most).reduce((sum, rows) => sum + rows, 0);
  const largest = own.reduce((most, { length }) => Math.max(most, length), 1);
  let examplesPerRow = options.examplesPerRow;
  while (examplesPerRow < largest && total(examplesPerRow) > maxDimensions - options.nullRows)
    examplesPerRow++;
  const rows = rowsWith(examplesPerRow);
  return {
    members: own.flatMap((examples, c) => {
      const of = rows[c] as number;
      const from = (row: number) => Math.ceil((row * examples.length) / of);
      return Array.from({ length: of }, (_, row) => examples.slice(from(row), from(row + 1)));
    }),
    contributorOfRow: rows.flatMap((of, c) => Array<number>(of).fill(c)),
    examplesPerRow,
  };
}
