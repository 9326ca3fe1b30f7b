import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { makeBaseModel, tinyRecipe, writeModelCard } from "../modelfactory/index.ts";
import { packageFolder } from "../node/index.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";

/** `openledger pretrain --data DIR`: makes the base model from nothing. */
export function define(command: Command, io: Io): void {
  command
    .requiredOption(
      "--data <folder>",
      "natural text, laid out as models/openledger-tiny/MODEL_CARD.md lists it",
    )
    .option("--out <folder>", "where checkpoints and the finished model go", "pretrain")
    .addHelpText(
      "after",
      "\nTakes about an hour on two cores. Stop it and run it again: it continues from its last checkpoint.",
    )
    .action(async ({ data, out }: { data: string; out: string }) => {
      const bar = progressBar(io, "Pretraining", `${tinyRecipe.tokens / 1e6} M tokens`);
      let report: Awaited<ReturnType<typeof makeBaseModel>>;
      try {
        report = await makeBaseModel(data, out, valleyWords(), ({ step, steps, loss, validation }) => {
          bar.update(step, steps, `loss ${loss.toFixed(3)}`);
          if (validation)
            io.note(
              `step ${step}: held-out loss ${validation.natural.toFixed(3)} on natural text, ${validation.generated.toFixed(3)} on profiles`,
            );
        });
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
        throw new CliError(`The data folder is not complete: ${(cause as Error).message}`, {
          fix: ["give --data a folder with the files that MODEL_CARD.md lists, at the same paths"],
          cause,
        });
      } finally {
        bar.end();
      }
      await writeModelCard(out, valleyWords());
      const { sources, ...figures } = report;
      io.result(
        report,
        `The model is in ${out}.\n${JSON.stringify({ ...figures, sources: sources.length }, null, 2)}`,
      );
    });
}

/** Words of the demo's names: the base must not know them. */
export function valleyWords(): Set<string> {
  const folder = join(packageFolder, "examples", "valley");
  const texts = readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl"))
    .map((file) => readFileSync(join(folder, file), "utf8"));
  return new Set(texts.flatMap((text) => text.match(/[A-Z][a-z]+/g) ?? []));
}
