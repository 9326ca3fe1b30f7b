import type { EvaluationReport } from "../modelfactory/index.ts";
import { table } from "./table.ts";

type Compared = EvaluationReport["heldOut"]["loss"];

/** What an evaluation found, base against tuned. @param model what the tuned one is called */
export function evaluationTable({ heldOut, answers, regression }: EvaluationReport, model: string): string {
  const value = ({ mean, lo, hi }: Compared["base"], digits = 3) =>
    `${(mean / 1e6).toFixed(digits)} (${(lo / 1e6).toFixed(digits)} to ${(hi / 1e6).toFixed(digits)})`;
  type Line = { what: string; base: string; tuned: string };
  const line = (what: string, { base, tuned }: Pick<Compared, "base" | "tuned">, digits?: number): Line => ({
    what,
    base: value(base, digits),
    tuned: value(tuned, digits),
  });
  const lines = [
    line(`mean loss of ${heldOut.rows} rows`, heldOut.loss),
    line("perplexity", heldOut.perplexity, 1),
    line("exactly right", heldOut.exact),
    ...(answers === null ? [] : [line(`ROUGE-L, ${answers.rows} answers`, answers.rougeL)]),
    ...(regression === null
      ? []
      : [line(`mean loss of ${regression.prompts} general prompts`, regression.loss)]),
  ];
  return table(lines, [
    ["95 % intervals", ({ what }) => what],
    ["base", ({ base }) => base, "number"],
    [model, ({ tuned }) => tuned, "number"],
  ]);
}
