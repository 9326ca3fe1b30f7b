/**
 * What attacks on a Datanet earn: each is trained on, indexed and paid by, without the defence and with it.
 *
 *   ./openledger bench attacks [--json] [--quick] [--only NAME[,NAME …]]
 *
 * Five contributors teach the base model 20 facts of the demo's valley (rank 4, all modules, one thread); one of them attacks. Figures are
 * its payout over its honest one, for the same 20 questions: `undefended` pays every positive sum of all rows, `defended` pays as releases do
 * (near duplicates clustered, scores above the threshold), `lexical` pays matching words (BM25). `other` is what is left to a contributor
 * who does nothing. `selfQuery` is what comes back of each unit paid for one's own questions. --quick takes one fact of each contributor.
 * The exit code is 1 when a defended payout is above its bound, or self-querying returns what it costs.
 */
import { parseArgs } from "node:util";
import { attacks } from "./attacks/attacks.ts";
import { attempt, type Outcome, selfQuery, settle, splitUp } from "./attacks/suite.ts";
import { valleyWorld } from "./attacks/world.ts";
import { machine, note, rounded } from "./common/measure.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const names = ["splitting", ...attacks.map(({ name }) => name)];
const only = values.only?.split(",") ?? names;
const unknown = only.find((name) => !names.includes(name));
if (unknown !== undefined)
  throw new Error(`--only names "${unknown}": expected some of ${names.join(", ")}.`);

const on = machine();
const world = values.quick ? valleyWorld(1, 2) : valleyWorld(4, 4);
const honest = await settle(world, world.rows);
note(`honest: ${honest.rows.length} rows, ${honest.accuracy} of the answers right`);

const outcomes: Record<string, Outcome> = {};
const add = (name: string, outcome: Outcome) => {
  outcomes[name] = outcome;
  note(`${name}: ${rounded(outcome.undefended, 3)} undefended, ${rounded(outcome.defended, 3)} defended`);
};
if (only.includes("splitting")) add("splitting", await splitUp(world, honest));
for (const attack of attacks)
  if (only.includes(attack.name)) add(attack.name, await attempt(world, attack, honest));
const back = selfQuery(world, honest);

const failed = Object.entries(outcomes).filter(
  ([, { defended, bound }]) => bound !== null && defended > bound,
);
const report = {
  rows: world.rows.length,
  clustered: honest.representatives.filter((to, i) => to !== i).length,
  questions: world.questions.length,
  accuracy: honest.accuracy,
  pool:
    Number(honest.defended.heads.pool) /
    Number(honest.defended.heads.contributor + honest.defended.heads.pool),
  attacks: outcomes,
  selfQuery: back,
  seconds: Math.round(performance.now() / 1000),
  machine: on,
};
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  const line = (cells: readonly (string | number)[]) =>
    process.stdout.write(
      `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(2) : cell)).join(" | ")} |\n`,
    );
  line([
    "attack",
    "undefended",
    "defended",
    "bound",
    "BM25",
    "another's payout, undefended",
    "defended",
    "rows added",
    "clustered",
  ]);
  line(Array(9).fill("---"));
  for (const [name, o] of Object.entries(outcomes))
    line([
      name,
      o.undefended,
      o.defended,
      o.bound ?? "–",
      o.lexical,
      o.other.undefended,
      o.other.defended,
      `${o.added}`,
      `${o.clustered}`,
    ]);
  process.stdout.write(`self-querying returns ${JSON.stringify(back)} of each unit paid\n`);
}
if (failed.length > 0 || back.everyone >= 1) {
  note(`Above the bound: ${failed.map(([name]) => name).join(", ") || "self-querying"}.`);
  process.exitCode = 1;
}
