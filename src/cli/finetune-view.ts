/** What `openledger finetune` shows of a job: while it runs, once it is over, and before it starts. */
import type { EvaluationReport, JobEstimate, JobPayment, JobState, Recipe } from "../modelfactory/index.ts";
import { calibrationLabel, calibrationOf, type Manifest } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { evaluationTable } from "./evaluation-table.ts";
import { paymentLine } from "./finetune-pay.ts";
import { overStates, stateLine } from "./finetune-state.ts";
import type { ServerEvent } from "./http.ts";
import type { Io } from "./io.ts";
import { type ProgressBar, progressBar } from "./progress.ts";
import { pairs, table } from "./table.ts";

type Measured = { readonly loss: number; readonly exact: readonly boolean[] };

/** A job as the node tells it. */
export type JobJson = {
  readonly id: string;
  readonly spec: {
    readonly model: string;
    readonly recipe: Recipe;
    readonly datanets: readonly DatanetVersion[];
  };
  readonly state: JobState;
  readonly error: string | null;
  /** What is said of the recipe before it starts. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly trained: {
    readonly steps: number;
    readonly epochs: number;
    readonly releasedEpoch?: number;
    readonly heldOutLosses: readonly number[];
    readonly heldOutRows: number;
    readonly lossFirst: number;
    readonly lossLast: number;
    readonly examples: number;
    readonly skipped: number;
    readonly copies: number;
    readonly seconds: number;
  } | null;
  readonly evaluated: {
    readonly examples: number;
    readonly base: Measured;
    readonly tuned: Measured;
    readonly report?: string;
  } | null;
  readonly heldOutLoss: { readonly mean: number } | null;
  readonly indexed: { readonly contributors: readonly string[]; readonly nullRows: number } | null;
  readonly calibrated: { readonly facts: Record<string, unknown> | null } | null;
  readonly releaseId: string | null;
  readonly payment: JobPayment | null;
  readonly createdAtMs: number;
};

export type DatanetVersion = { readonly datanetId: string; readonly version: number };

/** Whether nothing will happen to it any more. */
export const isOver = ({ state }: JobJson) => overStates.has(state);

/** What `POST /v1/fine-tunes/estimate` says. */
export type EstimateJson = JobEstimate &
  Pick<JobJson, "warnings"> & { readonly costWei: string; readonly priceWei: string };

export function showEstimate({ seconds, trainingSecondsLeast, steps, ...more }: EstimateJson): string {
  const least =
    trainingSecondsLeast < seconds.training ? `, ${showSeconds(trainingSecondsLeast)} at least` : "";
  return [
    pairs([
      ["Training", `${showSeconds(seconds.training)} for ${steps} steps${least}`],
      ["Evaluation", showSeconds(seconds.evaluation)],
      ["Index", showSeconds(seconds.index)],
      ["Calibration", showSeconds(seconds.calibration)],
      ["In all", showSeconds(seconds.total)],
      ["Memory", `${(more.memoryBytes / 1e9).toFixed(2)} GB`],
      ["Cost", `${formatOpen(BigInt(more.costWei))} OPEN, and gas`],
      ...(more.priceWei === "0"
        ? []
        : ([["Price", `${formatOpen(BigInt(more.priceWei))} OPEN, into escrow`]] as const)),
    ]),
    ...(more.problems.length === 0 ? ["Nothing stands in the way."] : more.problems),
  ].join("\n");
}

const showSeconds = (seconds: number) =>
  seconds < 90
    ? `${seconds.toFixed(1)} s`
    : seconds < 5_400
      ? `${(seconds / 60).toFixed(1)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

/** One bar for the training, one for each stage of the index, one for the calibration, a note for every other state. */
export function jobView(io: Io) {
  let bar: ProgressBar | undefined;
  let title = "";
  let heldOut = "";
  const barOf = (next: string) => {
    if (bar === undefined || title !== next) {
      bar?.end();
      bar = progressBar(io, next);
      title = next;
    }
    return bar;
  };
  const end = () => {
    bar?.end();
    bar = undefined;
  };
  return {
    show({ event, data }: ServerEvent) {
      const facts = JSON.parse(data) as Record<string, number | string>;
      if (event === "step")
        barOf("Training").update(
          Number(facts.step),
          Number(facts.steps),
          `loss ${Number(facts.loss).toFixed(3)}${heldOut}, ${Math.round(Number(facts.tokensPerSecond))} tokens/s`,
        );
      else if (event === "resumed") io.note(`The training goes on after step ${facts.from}.`);
      else if (event === "epoch") {
        heldOut = `, held-out ${Number(facts.heldOutLoss).toFixed(3)} after epoch ${facts.epoch}`;
      } else if (event === "evaluation")
        barOf("Evaluating").update(Number(facts.done), Number(facts.of), String(facts.part));
      else if (event === "index")
        barOf(`Indexing: ${facts.stage}`).update(Number(facts.done), Number(facts.of));
      else if (event === "calibration")
        barOf("Calibrating").update(
          Number(facts.done),
          Number(facts.of),
          "retraining without parts of the examples",
        );
      else if (event === "state") {
        if (facts.state === "evaluating" && title === "Training")
          bar?.update(1, 1, "the held-out loss, or the loss asked for, was reached, or all epochs are done");
        end();
        io.note(overStates.has(String(facts.state)) ? String(facts.state) : `${facts.state} …`);
      }
    },
    end,
  };
}

function leftOutLine({ skipped, copies }: NonNullable<JobJson["trained"]>): string[] {
  const parts = [
    ...(copies === 0 ? [] : [`${copies} that repeat${copies === 1 ? "s" : ""} another's text`]),
    ...(skipped === 0 ? [] : [`${skipped} that cannot be read`]),
  ];
  return parts.length === 0 ? [] : [`Rows left out: ${parts.join(", ")}.`];
}

function heldOutLine({
  epochs,
  releasedEpoch = epochs,
  heldOutLosses,
  heldOutRows,
}: NonNullable<JobJson["trained"]>): string {
  const [base, after] = [heldOutLosses[0], heldOutLosses[releasedEpoch]];
  const which = `Epoch ${releasedEpoch} of ${epochs} is the one kept`;
  return base === undefined || after === undefined
    ? `${which}; there were no held-out rows to find the best by.`
    : `${which}, by the ${heldOutRows} held-out rows that epochs are compared on: ${base.toFixed(3)} → ${after.toFixed(3)} nats a token, all their tokens together.`;
}

const labelOf = (facts: Record<string, unknown>) =>
  calibrationLabel(calibrationOf({ calibration: facts as Manifest["calibration"] }));

const nextOf = ({ id, state, payment }: JobJson) =>
  state === "unpaid"
    ? `pay ${id} ${formatOpen(BigInt(payment?.plan.amountWei ?? 0))}`
    : `--job ${id}${state === "paused" ? " --resume" : ""}`;

export function showJob(job: JobJson, report?: EvaluationReport): string {
  const { id, spec, trained, evaluated, indexed, calibrated, releaseId, payment } = job;
  if (!isOver(job))
    return [stateLine(job), ...paymentLine(payment), `→ ./openledger finetune ${nextOf(job)}`].join("\n");
  if (job.state === "cancelled")
    return [stateLine(job), ...paymentLine(payment), `→ ./openledger finetune --duplicate ${id}`].join("\n");
  const right = ({ exact }: Measured) => `${exact.filter(Boolean).length} of ${exact.length}`;
  const measured = evaluated && [
    { what: "base", ...evaluated.base },
    { what: spec.model, ...evaluated.tuned },
  ];
  return [
    ...(trained === null
      ? []
      : [
          `Trained on ${trained.examples} examples, ${trained.steps} steps in ${trained.seconds.toFixed(1)} s: loss ${trained.lossFirst.toFixed(3)} → ${trained.lossLast.toFixed(3)}.`,
          ...leftOutLine(trained),
          heldOutLine(trained),
        ]),
    // The report says the same with intervals, its losses as means over rows.
    ...(measured === null || report !== undefined
      ? []
      : [
          "",
          table(measured, [
            ["Evaluation", ({ what }) => what],
            ["Loss", ({ loss }) => loss.toFixed(3), "number"],
            ["Exactly right", right, "number"],
          ]),
          "",
        ]),
    ...(report === undefined ? [] : ["", evaluationTable(report, spec.model), ""]),
    ...(indexed === null
      ? []
      : [
          `Pay index: ${indexed.contributors.length} rows of ${new Set(indexed.contributors).size} contributors, ${indexed.nullRows} null rows.`,
        ]),
    ...(calibrated === null ? [] : [labelOf(calibrated.facts ?? {})]),
    ...paymentLine(payment),
    ...(releaseId === null
      ? []
      : [`"${spec.model}" is released as ${releaseId}.`, `→ ./openledger chat ${spec.model} "…"`]),
  ].join("\n");
}
