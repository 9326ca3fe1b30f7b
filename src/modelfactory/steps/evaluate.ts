/** The second step: base and tuned are held against each other on the same rows. */
import { canonicalJson } from "../../protocol/index.ts";
import { answersMax } from "../answers.ts";
import { evaluationReport, rougeL } from "../evaluation.ts";
import type { FineTuningJob } from "../job.ts";
import { evaluationRows, type Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import { regressionSet } from "../regression.ts";
import type { Evaluated, Trained } from "../release.ts";
import type { AdapterFiles } from "../worker.ts";
import { adapterOf } from "./files.ts";

export async function evaluate(
  parts: RunJobParts,
  { spec }: FineTuningJob,
  rows: Rows,
  trained: Trained,
): Promise<Evaluated> {
  const examples = evaluationRows(spec, rows);
  const engine = await parts.training();
  const { recipe } = spec;
  const adapter = await adapterOf(parts, trained);
  const measure = async (which: AdapterFiles | null) => ({
    heldOut: await engine.call("evaluate", { recipe, adapter: which, examples }),
    regression: await engine.call("evaluate", { recipe, adapter: which, examples: [...regressionSet] }),
    answers: await engine.call("answers", {
      recipe,
      adapter: which,
      examples: examples.slice(0, answersMax),
    }),
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
