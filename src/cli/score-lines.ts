import type { ScoreShare } from "../protocol/index.ts";

/** Millionths as percent, without the sign. */
export const percents = (millionths: number) => (millionths / 10_000).toFixed(1);

/** What each contributor's rows are paid of the influence part, together, with its error bar. */
export function contributorLines(scores: readonly ScoreShare[], payees: readonly string[]): string[] {
  const shares = new Map<string, number>();
  for (const { row, shareMillionths } of scores) {
    const payee = payees[row] ?? `row ${row}`;
    shares.set(payee, (shares.get(payee) ?? 0) + shareMillionths);
  }
  const off = scores[0]?.errorMillionths ?? null;
  return [...shares].map(
    ([payee, share]) => `  ${payee}: ${percents(share)} % ± ${off === null ? "not measured" : percents(off)}`,
  );
}
