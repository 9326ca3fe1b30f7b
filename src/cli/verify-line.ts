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

const percents = (millionths: number) => (millionths / 10_000).toFixed(1);

/** A listed score with its share; no share without its error bar. */
export const shareLine = ({ row, score, shareMillionths, errorMillionths }: ScoreShare): string =>
  `  row ${row}: score ${score.toLocaleString("en-US")}, share ${percents(shareMillionths)} % ± ${errorMillionths === null ? "not measured" : percents(errorMillionths)}`;
