import assert from "node:assert/strict";
import { test } from "node:test";
import { createProducts, methods } from "../../src/attribution/index.ts";
import { loadCheckpoint } from "../../src/engine/index.ts";
import { exampleText } from "../../src/protocol/index.ts";
import { baseFolder } from "./base.ts";
import { collectState, finalOf, trainRun } from "./run.ts";
import { tailPatchFigures } from "./tail-patch.ts";
import { readTask, rowSequence } from "./task.ts";

test("a step on what gradients name lowers the loss, a step on what they name last raises it", async () => {
  const base = loadCheckpoint(baseFolder);
  const whole = readTask("shakespeare");
  const task = { ...whole, train: whole.train.slice(0, 60), queries: whole.queries.slice(0, 6) };
  const run = await trainRun(base, task);
  const material = await collectState(
    base,
    task,
    finalOf(run),
    task.queries.map((row) => rowSequence(base.tokenizer, row)),
    { train: task.train.map(exampleText), queries: task.queries.map(exampleText) },
    { samples: 0, threads: 1 },
  );
  const graddot = await methods.graddot.score(material, await createProducts(1));
  const falls = await tailPatchFigures(
    base,
    task,
    run,
    material,
    new Map([
      ["graddot", graddot],
      ["repsim", graddot.map((score) => -score)],
    ]),
  );
  const [best, worst] = [falls.graddot?.mean ?? 0, falls.repsim?.mean ?? 0];
  assert.ok(best > 0 && best > (falls.chance?.mean ?? 0) && worst < 0, JSON.stringify(falls));
});
