/** The second step: base and tuned are held against each other on the same rows. */
import { canonicalJson } from "../../protocol/index.ts";
import { answersMax } from "../answers.ts";
import { evaluationReport, rougeL } from "../evaluation.ts";
import { createEvaluationProgress } from "../evaluation-progress.ts";
import type { FineTuningJob } from "../job.ts";
import { evaluationRows, type Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import { regressionSet } from "../regression.ts";
import type { Evaluated, Trained } from "../release.ts";
import type { AdapterFiles, EvaluateEvent } from "../worker.ts";
import { adapterOf } from "./files.ts";

/** Between two events of how far it is. */
const eventEveryMs = 250;

export async function evaluate(
  parts: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Rows,
  trained: Trained,
): Promise<Evaluated> {
  const { journal, now, log } = parts;
  const examples = evaluationRows(spec, rows);
  const engine = await parts.training();
  const { recipe } = spec;
  const adapter = await adapterOf(parts, trained);
  const answered = examples.slice(0, answersMax);
  const progress = createEvaluationProgress(
    [
      ["loss of the rows", examples.length],
      ["loss of general prompts", regressionSet.length],
      ["answers", answered.length],
    ],
    () => performance.now() / 1_000,
  );
  let lastEventAt = Number.NEGATIVE_INFINITY;
  async function part<T>(
    number: number,
    work: (options: { onEvent: (event: EvaluateEvent) => void }) => Promise<T>,
  ): Promise<T> {
    const tell = (done: number) => {
      if (now() - lastEventAt < eventEveryMs) return;
      lastEventAt = now();
      journal
        .record(id, "evaluation", progress.at(number, done))
        .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`));
    };
    tell(0);
    const result = await work({ onEvent: ({ done }) => tell(done) });
    progress.ended(number);
    return result;
  }
  const measure = async (which: AdapterFiles | null) => ({
    heldOut: await part(0, (o) => engine.call("evaluate", { recipe, adapter: which, examples }, o)),
    regression: await part(1, (o) =>
      engine.call("evaluate", { recipe, adapter: which, examples: [...regressionSet] }, o),
    ),
    answers: await part(2, (o) => engine.call("answers", { recipe, adapter: which, examples: answered }, o)),
  });
  const [before, after] = [await measure(null), await measure(adapter)];
  type Side = typeof before;
  const both = (of: (side: Side) => readonly number[]) => ({ base: of(before), tuned: of(after) });
  const report = evaluationReport(trained.adapterTensors, {
    losses: both(({ heldOut }) => heldOut.losses),
    exact: both(({ heldOut }) => heldOut.exact.map(Number)),
    rougeL: both(({ answers }) => answers.map(({ answer, reference }) => rougeL(answer, reference))),
    regression: both(({ regression }) => regression.losses),
  });
  return {
    examples: examples.length,
    base: { loss: before.heldOut.loss, exact: before.heldOut.exact },
    tuned: { loss: after.heldOut.loss, exact: after.heldOut.exact },
    report: await parts.blobs.put(new TextEncoder().encode(canonicalJson(report))),
  };
}
