import type { Curves } from "./curves.ts";

/** Training losses of several runs over the steps of all: null where a run has no point. */
export function sideBySide(runs: readonly (Pick<Curves, "x" | "loss"> | undefined)[]): {
  x: number[];
  lines: (number | null)[][];
} {
  const x = [...new Set(runs.flatMap((run) => run?.x ?? []))].sort((a, b) => a - b);
  const place = new Map(x.map((step, at) => [step, at]));
  const lines = runs.map((run) => {
    const line: (number | null)[] = x.map(() => null);
    run?.x.forEach((step, at) => {
      line[place.get(step) as number] = run.loss[at] ?? null;
    });
    return line;
  });
  return { x, lines };
}
