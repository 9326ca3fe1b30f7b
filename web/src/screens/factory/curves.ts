/** A training's curves, made from its events as they come. */

/** As the node writes it down, or sends it. */
export type TrainingEvent = {
  readonly id: number;
  readonly atMs: number;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
};

type Line = readonly (number | null)[];

/** One value for each point of `x`; null where a line has none there. */
export type Curves = {
  readonly lastId: number;
  /** Steps of the optimiser. */
  readonly x: readonly number[];
  readonly loss: Line;
  readonly heldOut: Line;
  readonly learningRate: Line;
  readonly gradientNorm: Line;
  readonly tokensPerSecond: number | null;
  readonly step: number;
  /** Of the whole recipe; fewer where it stops at the held-out optimum. Null until the first step. */
  readonly steps: number | null;
  readonly epoch: number | null;
  readonly bestEpoch: number | null;
  /** Milliseconds that training takes on at most, by its latest steps. */
  readonly leftMs: number | null;
  /** Of the calibration's retrainings. */
  readonly retrainings: { readonly done: number; readonly of: number; readonly secondsLeft: number } | null;
  /** How far the evaluation is, of base and tuned model together. */
  readonly evaluating: {
    readonly part: string;
    readonly done: number;
    readonly of: number;
    readonly secondsLeft: number | null;
  } | null;
  /** What of the pay index is made now: `done` of `of` since `first` of them at `sinceMs`; null until it begins. */
  readonly indexing: {
    readonly stage: string;
    readonly done: number;
    readonly of: number;
    readonly first: number;
    readonly sinceMs: number;
    readonly atMs: number;
  } | null;
  /** When the latest steps were, for the speed. */
  readonly recent: readonly { readonly step: number; readonly atMs: number }[];
};

export const noCurves: Curves = {
  ...{ lastId: 0, x: [], loss: [], heldOut: [], learningRate: [], gradientNorm: [] },
  ...{ tokensPerSecond: null, step: 0, steps: null, epoch: null, bestEpoch: null, leftMs: null },
  ...{ evaluating: null, retrainings: null, indexing: null, recent: [] },
};

const recentMax = 20;
const number = (value: unknown): number | null => (typeof value === "number" ? value : null);

/**
 * Curves with more events. What is known already is left out, so that a stream which begins again does no harm; a training that went on from
 * an earlier step, after a pause or a crash, is drawn from that step anew.
 */
export function withEvents(curves: Curves, events: readonly TrainingEvent[]): Curves {
  const fresh = events.filter(({ id }) => id > curves.lastId);
  if (fresh.length === 0) return curves;
  const lines = {
    x: [...curves.x],
    loss: [...curves.loss],
    heldOut: [...curves.heldOut],
    learningRate: [...curves.learningRate],
    gradientNorm: [...curves.gradientNorm],
  };
  let { tokensPerSecond, step, steps, epoch, bestEpoch, evaluating, retrainings, indexing } = curves;
  let recent = [...curves.recent];
  const cut = (at: number) => {
    while ((lines.x.at(-1) ?? -1) >= at) for (const line of Object.values(lines)) line.pop();
    recent = recent.filter((one) => one.step < at);
  };
  const point = (at: number) => {
    lines.x.push(at);
    for (const line of [lines.loss, lines.heldOut, lines.learningRate, lines.gradientNorm]) line.push(null);
  };
  for (const { kind, atMs, data } of fresh) {
    if (kind === "step") {
      step = number(data.step) ?? step;
      cut(step);
      point(step);
      const last = lines.x.length - 1;
      lines.loss[last] = number(data.loss);
      lines.learningRate[last] = number(data.learningRate);
      lines.gradientNorm[last] = number(data.gradientNorm);
      tokensPerSecond = number(data.tokensPerSecond) ?? tokensPerSecond;
      steps = number(data.steps) ?? steps;
      recent = [...recent, { step, atMs }].slice(-recentMax);
    } else if (kind === "epoch") {
      epoch = number(data.epoch) ?? epoch;
      bestEpoch = number(data.bestEpoch) ?? bestEpoch;
      if (lines.x.length === 0) point(0);
      lines.heldOut[lines.x.length - 1] = number(data.heldOutLoss);
    } else if (kind === "evaluation") {
      const [done, of] = [number(data.done), number(data.of)];
      if (done !== null && of !== null)
        evaluating = { part: String(data.part), done, of, secondsLeft: number(data.secondsLeft) };
    } else if (kind === "index") {
      const [stage, done, of] = [String(data.stage), number(data.done), number(data.of)];
      if (done !== null && of !== null) {
        const before = indexing?.stage === stage && indexing.done <= done ? indexing : undefined;
        indexing = { stage, done, of, first: before?.first ?? done, sinceMs: before?.sinceMs ?? atMs, atMs };
      }
    } else if (kind === "calibration") {
      const [done, of] = [number(data.done), number(data.of)];
      if (done !== null && of !== null)
        retrainings = { done, of, secondsLeft: number(data.secondsLeft) ?? 0 };
    }
  }
  const [first, last] = [recent[0], recent.at(-1)];
  const leftMs =
    first && last && last.step > first.step && steps !== null
      ? ((steps - step) * (last.atMs - first.atMs)) / (last.step - first.step)
      : null;
  return {
    ...{ lastId: fresh.at(-1)?.id ?? curves.lastId, ...lines },
    ...{ tokensPerSecond, step, steps, epoch, bestEpoch, evaluating, retrainings, indexing, recent, leftMs },
  };
}

/** The parts of making a pay index, in order. */
export const indexStages = ["near duplicates", "gradients", "held-out gradients", "curvature", "basis"];

/** Milliseconds that the part of the pay index under way takes on, by its own speed; null where that cannot be told yet. */
export function indexLeftMs({ indexing }: Pick<Curves, "indexing">): number | null {
  if (indexing === null) return null;
  const { done, of, first, sinceMs, atMs } = indexing;
  return done > first ? ((of - done) * (atMs - sinceMs)) / (done - first) : null;
}
