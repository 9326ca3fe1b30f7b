/** Whether a model that is trained again says what the committed table says. */
import type { Checkpoint } from "../../src/engine/index.ts";
import { createJudge } from "./counterfactual.ts";
import { finalOf, type Run } from "./run.ts";
import type { Table } from "./table.ts";
import type { Task } from "./task.ts";

/** @returns the largest difference of a question's loss from the table's full run of that seed, nats per token */
export async function repeatability(base: Checkpoint, task: Task, table: Table, run: Run): Promise<number> {
  const before = table.runs.find(({ kind, seed }) => kind === "full" && seed === run.seed);
  if (before === undefined)
    throw new Error(`The table of ${task.task} lacks its full run of seed ${run.seed}.`);
  const judge = await createJudge(base, task, table.answers);
  const { losses } = await judge(finalOf(run).adapter);
  return losses.reduce((most, loss, q) => Math.max(most, Math.abs(loss - (before.losses[q] as number))), 0);
}
