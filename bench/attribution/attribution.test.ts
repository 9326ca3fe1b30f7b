import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type PayoutRule, paySums } from "../../src/attribution/index.ts";
import { createRandom, loadCheckpoint } from "../../src/engine/index.ts";
import { scratchFolder } from "../common/measure.ts";
import { baseFolder } from "./base.ts";
import { jobsOf, keptBy } from "./counterfactual.ts";
import { mislabel } from "./mislabelled.ts";
import { payoutRules, ruleInForce, splittingGain } from "./rules.ts";
import { formatRetraining, readTable } from "./table.ts";
import { fitRow, formatTask, maxLength, readTask, rowSequence, taskNames } from "./task.ts";

const { tokenizer } = loadCheckpoint(baseFolder);
const textOf = ({ prompt, completion }: { prompt: string; completion: string }) => `${prompt}${completion}`;

for (const name of taskNames)
  test(`${name}: rows fit, contributors are known, and nothing that is asked or held out was trained on`, () => {
    const task = readTask(name);
    const trained = new Set(task.train.map(textOf));
    for (const row of [...task.train, ...task.queries, ...task.heldOut]) {
      const { ids, targets } = rowSequence(tokenizer, row);
      assert.ok(ids.length <= maxLength && targets.length > 0, textOf(row));
      assert.ok(row.contributor < task.contributors.length);
    }
    for (const row of [...task.queries, ...task.heldOut]) assert.ok(!trained.has(textOf(row)), textOf(row));
    assert.equal(new Set(task.train.map(({ contributor }) => contributor)).size, task.contributors.length);
    assert.ok(!formatTask(task).includes("undefined"));
  });

test("a retraining keeps what its kind says, the same for every seed", () => {
  const task = readTask("shakespeare");
  for (const job of jobsOf(task)) {
    const kept = keptBy(task, job);
    const sum = kept.reduce((total, one) => total + one, 0);
    assert.deepEqual(kept, keptBy(task, { ...job, seed: 9 }));
    if (job.kind === "full") assert.equal(sum, task.train.length);
    if (job.kind === "half") assert.equal(sum, task.train.length >> 1);
    if (job.kind === "one-contributor")
      task.train.forEach(({ contributor }, i) => {
        assert.equal(kept[i], contributor === job.number ? 0 : 1);
      });
  }
});

test("a table comes back as it was written, without the line that a crash cut short", async () => {
  await using folder = scratchFolder("openledger-table-");
  const runs = fc.array(
    fc.record(
      {
        kind: fc.constantFrom("full" as const, "half" as const),
        seed: fc.nat(9),
        number: fc.nat(99),
        kept: fc.uint8Array({ minLength: 21, maxLength: 21, max: 1 }),
        losses: fc.float32Array({ minLength: 3, maxLength: 3, noNaN: true }),
        generated: fc.float32Array({ minLength: 3, maxLength: 3, noNaN: true }),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(runs, fc.string(), (written, rest) => {
      const file = join(folder.path, "facts.table.jsonl");
      writeFileSync(file, `${JSON.stringify({ answers: ["a"] })}\n`);
      for (const run of written) appendFileSync(file, `${formatRetraining(run)}\n`);
      appendFileSync(file, rest.replaceAll("\n", ""));
      assert.deepEqual(readTable("facts", 21, folder.path), { task: "facts", answers: ["a"], runs: written });
    }),
    { numRuns: 50 },
  );
});

test("the committed tables are of the committed tasks", () => {
  for (const name of taskNames) {
    const task = readTask(name);
    const table = readTable(name, task.train.length);
    assert.ok(table !== undefined, name);
    assert.equal(table.answers.length, task.queries.length);
    for (const run of table.runs) {
      assert.deepEqual(run.kept, keptBy(task, run), `${name} ${run.kind} ${run.number}`);
      assert.equal(run.losses.length, task.queries.length);
      assert.ok([...run.losses, ...run.generated].every((loss) => loss > 0 && loss < 20));
    }
  }
});

test("a row too long for its prompt loses its last words, one without room all of them", () => {
  const { completion } = fitRow(tokenizer, "Q:", " one two three".repeat(40));
  assert.ok(" one two three".repeat(40).startsWith(completion) && completion.length > 20);
  assert.equal(fitRow(tokenizer, "word ".repeat(200), " one").completion, "");
});

test("a tenth of the rows is mislabelled, and says something else then", () => {
  const task = readTask("transformations");
  const { task: planted, wrong } = mislabel(task);
  assert.equal(
    wrong.reduce((sum, one) => sum + one, 0),
    48,
  );
  planted.train.forEach((row, i) => {
    assert.equal(row.completion !== task.train[i]?.completion, wrong[i] === 1, `${i}`);
  });
});

test("splitting gains nothing where all examples help, and much where they cancel out", () => {
  const answer = (examples: number[]) => ({
    examples,
    contributorOf: examples.map((_, i) => (i < 20 ? 0 : 1)),
    contributors: [0, 1].map((c) => examples.slice(20 * c, 20 * c + 20).reduce((sum, x) => sum + x, 0)),
    threshold: 0,
    chance: 0,
    hardlyChance: 0,
  });
  assert.ok(Math.abs(splittingGain(paySums, [answer(Array(40).fill(1))], 2) - 1) < 1e-9);
  const noise = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : -0.9));
  assert.ok(splittingGain(paySums, [answer(noise)], 2) > 1.05);
  // Ten contributors of twenty examples, of whom about as many harm as help.
  const random = createRandom(4);
  const mixed = Array.from({ length: 30 }, () => {
    const examples = Array.from({ length: 200 }, () => random.normal() + 0.1);
    const contributorOf = examples.map((_, i) => Math.floor(i / 20));
    const contributors = Array.from({ length: 10 }, (_, c) =>
      examples.slice(20 * c, 20 * c + 20).reduce((sum, x) => sum + x, 0),
    );
    return { examples, contributorOf, contributors, threshold: 0, chance: 0, hardlyChance: 0 };
  });
  const [sums, rows] = [paySums, payoutRules[ruleInForce] as PayoutRule].map((rule) =>
    splittingGain(rule, mixed, 10),
  ) as [number, number];
  assert.ok(sums > 1.5 && rows <= 1.05, `${sums}, ${rows}`);
  for (const [name, rule] of Object.entries(payoutRules)) {
    const shares = rule(answer(noise));
    const sum = shares.reduce((total, share) => total + share, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9 || sum === 0, name);
  }
});
