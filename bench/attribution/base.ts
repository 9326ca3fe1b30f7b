/**
 * The base model of the attribution benchmark: the shipped model's corpus, tokenizer and training in a quarter of its size, because a
 * benchmark that retrains hundreds of times has to be able to. The tasks' texts are among those that the corpus leaves out.
 *
 *   node bench/attribution/base.ts <data folder> <out folder>
 */
import { fileURLToPath } from "node:url";
import { valleyWords } from "../../src/cli/pretrain.ts";
import { type BasePlan, makeBaseModel, tinyPlan } from "../../src/modelfactory/index.ts";

/** Where the finished model is committed. */
export const baseFolder = fileURLToPath(new URL("../results/attribution/base", import.meta.url));

export const basePlan: BasePlan = {
  config: { ...tinyPlan.config, layers: 4, hidden: 128, heads: 4, intermediate: 384 },
  recipe: { ...tinyPlan.recipe, tokens: 8_000_000 },
};

if (import.meta.main) {
  const [data, out] = process.argv.slice(2);
  if (data === undefined || out === undefined)
    throw new Error(
      "Give the data folder and the folder for the model: node bench/attribution/base.ts DATA OUT",
    );
  const report = await makeBaseModel(
    data,
    out,
    valleyWords(),
    ({ step, steps, loss, validation }) => {
      if (validation)
        process.stderr.write(`step ${step} of ${steps}: ${loss.toFixed(3)} ${JSON.stringify(validation)}\n`);
    },
    basePlan,
  );
  process.stdout.write(`${JSON.stringify({ ...report, sources: report.sources.length })}\n`);
}
