import type { Check, ScoreShare } from "../protocol/index.ts";

const marks = { passed: "✓", failed: "✗", unchecked: "·" } as const;
const short = (text: string) => (text.length > 96 ? `${text.slice(0, 93)}…` : text);

/** A check as a line, and what was found where it failed. */
export function checkLine({
  name,
  status,
  expected,
  actual,
}: Omit<Check, "name"> & { name: string }): string {
  const head = `${marks[status]} ${name.padEnd(16)} ${status}`;
  if (status === "failed") return `${head}\n    expected: ${short(expected)}\n    actual:   ${short(actual)}`;
  return status === "unchecked" ? `${head}: needs ${short(expected)}` : head;
}

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
