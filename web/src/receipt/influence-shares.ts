/** What one contributor's rows are paid of an answer's influence. Shares between 0 and 1. */
export type InfluenceShare = {
  readonly contributor: string;
  readonly share: number;
  /** 95 % of contributors' shares are within this; null where nothing tells. */
  readonly error: number | null;
  readonly rows: number;
};

type Score = {
  readonly row: number;
  readonly shareMillionths: number;
  readonly errorMillionths: number | null;
};

/** A receipt's scores by contributor, the largest share first. `payees` are those of the release's rows, by row. */
export function influenceShares(scores: readonly Score[], payees: readonly string[]): InfluenceShare[] {
  const found = new Map<string, { share: number; error: number | null; rows: number }>();
  for (const { row, shareMillionths, errorMillionths } of scores) {
    const contributor = payees[row];
    if (contributor === undefined) continue; // a null row: it is chance's, and paid to nobody
    const before = found.get(contributor) ?? { share: 0, error: null, rows: 0 };
    found.set(contributor, {
      share: before.share + shareMillionths,
      error: errorMillionths,
      rows: before.rows + 1,
    });
  }
  return [...found]
    .map(([contributor, { share, error, rows }]) => ({
      ...{ contributor, rows, share: share / 1e6 },
      error: error === null ? null : error / 1e6,
    }))
    .sort((a, b) => b.share - a.share);
}
