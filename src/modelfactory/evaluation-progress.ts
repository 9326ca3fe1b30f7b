/** How far an evaluation is: the same parts are measured of the base and of the tuned model, so that the first says how long the second takes. */

/** Parts in order, and how many examples each has at most. */
export type EvaluationParts = readonly (readonly [part: string, examples: number])[];

export type EvaluationProgress = {
  /** What is measured now, and of which model. */
  readonly part: string;
  /** Examples of both models' parts. */
  readonly done: number;
  readonly of: number;
  /** Null while the base is measured: parts differ in how long an example takes. */
  readonly secondsLeft: number | null;
};

/** @param nowSeconds a clock that only goes on */
export function createEvaluationProgress(parts: EvaluationParts, nowSeconds: () => number) {
  const whole = parts.reduce((sum, [, examples]) => sum + examples, 0);
  const sides = ["base", "tuned model"] as const;
  /** How long the base had taken by the end of each part, and by how many of its examples. */
  const marks: { done: number; seconds: number }[] = [{ done: 0, seconds: 0 }];
  let begun = nowSeconds();
  let side = 0;
  /** What the base took for so many examples. */
  const tookFor = (done: number): number => {
    const next = marks.findIndex((mark) => mark.done >= done);
    const [to, from] = [marks[next], marks[Math.max(0, next - 1)]];
    if (to === undefined || from === undefined) return marks.at(-1)?.seconds ?? 0;
    const share = to.done === from.done ? 1 : (done - from.done) / (to.done - from.done);
    return from.seconds + share * (to.seconds - from.seconds);
  };
  return {
    /** @param done examples of this part */
    at(part: number, done: number): EvaluationProgress {
      const before = parts.slice(0, part).reduce((sum, [, examples]) => sum + examples, 0);
      const here = Math.min(whole, before + done);
      const [name = ""] = parts[part] ?? [];
      return {
        part: `${name}, ${sides[side]}`,
        done: side * whole + here,
        of: 2 * whole,
        secondsLeft: side === 0 ? null : Math.max(0, tookFor(whole) - tookFor(here)),
      };
    },
    /** The part is measured. */
    ended(part: number): void {
      const through = parts.slice(0, part + 1).reduce((sum, [, examples]) => sum + examples, 0);
      if (side === 0) marks.push({ done: through, seconds: nowSeconds() - begun });
      if (part < parts.length - 1) return;
      side = 1;
      begun = nowSeconds();
    },
  };
}
