import type { ScoreShare } from "../protocol/index.ts";

/** Millionths as percent, without the sign. */
const percents = (millionths: number) => (millionths / 10_000).toFixed(1);

/** A share with its error bar: between nothing and all. @param off half of the bar, millionths; null where it was not measured */
export const shareText = (millionths: number, off: number | null): string =>
  off === null
    ? `${percents(millionths)} %, error not measured`
    : `${percents(millionths)} % (${percents(Math.max(0, millionths - off))} to ${percents(Math.min(1_000_000, millionths + off))})`;

/** What each contributor's rows are paid of the influence part, together, with its error bar. */
export function contributorLines(scores: readonly ScoreShare[], payees: readonly string[]): string[] {
  const shares = new Map<string, number>();
  for (const { row, shareMillionths } of scores) {
    const payee = payees[row] ?? `row ${row}`;
    shares.set(payee, (shares.get(payee) ?? 0) + shareMillionths);
  }
  const off = scores[0]?.errorMillionths ?? null;
  return [...shares].map(([payee, share]) => `  ${payee}: ${shareText(share, off)}`);
}
