/**
 * What attacks on a Datanet earn: each is trained on, indexed and paid by, without the defence and with it.
 *
 *   ./openledger bench attacks [--json] [--quick] [--worlds valley,plays] [--only NAME[,NAME …]] [--defended] [--out FILE]
 *
 * Two Datanets. `valley`, where influence is sparse: five contributors teach the shipped base model 20 facts of the demo's valley by heart (rank
 * 4, all modules, one thread). `plays`, where it is spread: twenty speakers of Shakespeare, trained gently on the attribution
 * benchmark's base. One contributor attacks. Figures are its payout over its honest one, for the same questions: `undefended` pays every
 * positive sum of all rows, trained on with all copies (--defended leaves that out), `defended` trains and pays as releases do, `lexical` pays matching words
 * (BM25). `other` is what is left to a contributor who does nothing, the one who is copied from. `selfQuery` is what comes back of each unit paid for one's own
 * questions. --quick takes one fact of each contributor and no plays. A defended payout of null means that the honest one is nothing.
 * The exit code is 1 when a defended payout is beyond its bound, or self-querying returns what it costs.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { attacks } from "./attacks/attacks.ts";
import { playsWorld } from "./attacks/plays.ts";
import { attempt, type Outcome, selfQuery, settle, splitUp } from "./attacks/suite.ts";
import { valleyWorld, type World } from "./attacks/world.ts";
import { machine, note, rounded } from "./common/measure.ts";
import { namesOf } from "./common/names.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    defended: { type: "boolean", default: false },
    worlds: { type: "string" },
    out: { type: "string" },
  },
});

const worlds: Record<string, () => World> = {
  valley: () => (values.quick ? valleyWorld(1, 2) : valleyWorld(4, 4)),
  plays: playsWorld,
};
const defendedOnly = values.defended;
const only = namesOf("only", values.only, ["splitting", ...attacks.map(({ name }) => name)]);

async function attackAll(world: World, tell: (found: object) => void) {
  const started = performance.now();
  const honest = await settle(world, world.rows, { defendedOnly });
  note(`${world.name}: honest: ${honest.rows.length} rows, ${honest.accuracy} of the answers right`);
  const outcomes: Record<string, Outcome> = {};
  const { contributor, pool } = honest.defended.heads;
  const sofar = () => ({
    rows: world.rows.length,
    contributors: world.contributors,
    clustered: world.rows.length - honest.model.representatives.filter((to, i) => to === i).length,
    questions: world.questions.length,
    accuracy: honest.accuracy,
    /** Part of the influence part that nobody earned. */
    pool: Number(pool) / Number(contributor + pool),
    attacks: outcomes,
    selfQuery: selfQuery(world, honest),
    seconds: Math.round((performance.now() - started) / 1000),
  });
  const add = (name: string, outcome: Outcome) => {
    outcomes[name] = outcome;
    const { undefended, defended, other, byText, byGradient, added } = outcome;
    const without = undefended === null ? "" : `${rounded(undefended, 3)} undefended, `;
    note(
      `${world.name}: ${name}: ${without}${rounded(defended, 3)} defended, another keeps ${rounded(other.defended, 3)}; of ${added} added rows ${byText} and ${byGradient} joined`,
    );
    tell(sofar());
  };
  for (const attack of attacks)
    if (only.includes(attack.name)) add(attack.name, await attempt(world, attack, honest, { defendedOnly }));
  if (only.includes("splitting")) add("splitting", await splitUp(world, honest));
  return sofar();
}

const on = machine();
const found: Record<string, Awaited<ReturnType<typeof attackAll>>> = {};
/** After every attack, so that a run that is stopped leaves what it found. */
function save(): void {
  if (values.out !== undefined)
    writeFileSync(values.out, `${JSON.stringify({ worlds: found, machine: on }, null, 2)}\n`);
}
for (const name of namesOf(
  "worlds",
  values.worlds ?? (values.quick ? "valley" : undefined),
  Object.keys(worlds),
))
  found[name] = await attackAll((worlds[name] as () => World)(), (sofar) => {
    found[name] = sofar as Awaited<ReturnType<typeof attackAll>>;
    save();
  });
save();
if (values.json) process.stdout.write(`${JSON.stringify({ worlds: found, machine: on })}\n`);
else
  for (const [name, { attacks: outcomes, selfQuery: back }] of Object.entries(found))
    table(name, outcomes, back);
for (const [name, { attacks: outcomes, selfQuery: back }] of Object.entries(found)) {
  const failed = Object.entries(outcomes).filter(
    ([, { defended, bound, other, otherBound }]) =>
      (bound !== null && defended > bound) || (otherBound !== null && other.defended < otherBound),
  );
  if (failed.length === 0 && !(back.everyone >= 1)) continue;
  note(`${name}: beyond the bound: ${failed.map(([attack]) => attack).join(", ") || "self-querying"}.`);
  process.exitCode = 1;
}

function table(name: string, outcomes: Record<string, Outcome>, back: unknown): void {
  const line = (cells: readonly (string | number | null)[]) =>
    process.stdout.write(
      `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(2) : (cell ?? "–"))).join(" | ")} |\n`,
    );
  line([
    name,
    "undefended",
    "defended",
    "bound",
    "BM25",
    "another's payout, undefended",
    "defended",
    "bound",
    "rows added",
    "by text",
    "by gradient",
  ]);
  line(Array(11).fill("---"));
  for (const [attack, o] of Object.entries(outcomes))
    line([
      attack,
      o.undefended,
      o.defended,
      o.bound,
      o.lexical,
      o.other.undefended,
      o.other.defended,
      o.otherBound,
      `${o.added}`,
      `${o.byText}`,
      `${o.byGradient}`,
    ]);
  process.stdout.write(`self-querying returns ${JSON.stringify(back)} of each unit paid\n`);
}
