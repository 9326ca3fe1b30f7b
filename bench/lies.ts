/**
 * Planted lies and bad validators against real validators: who is poorer afterwards?
 *
 *   ./openledger bench lies [--json] [--lies NAME[,NAME …]] [--index-lies NAME[,NAME …]] [--validators NAME[,NAME …]]
 *
 * A network with the parameters that a public one starts with; its clock is turned as soon as everybody has done what can be done. Every
 * party is a process of its own with its own folder and keys: an honest attester and one for each lie, all of the same program, told one
 * lie; an honest developer and one for each lie about an index; four times `openledger validator`; a lazy, a copying and two colluding
 * validators; a payer. Balances are wallet, bonds, stake, rewards, credits and channels, before the first round over a release and after
 * the last appeal, window and refund.
 *
 * Exit code 1 when a liar has not lost, net of gas, or an honest party has, net of its gas and of the answers it bought, the fees of what
 * it had judged included; or when any OPEN is not accounted for.
 */
import { parseArgs } from "node:util";
import { machine, note } from "./common/measure.ts";
import { namesOf } from "./common/names.ts";
import { sumOf } from "./lies/balances.ts";
import { type BadValidator, badValidators, type IndexLieName, indexLies, plants } from "./lies/plants.ts";
import { type Plan, type Row, run } from "./lies/run.ts";

const zero = `0x${"0".repeat(40)}` as const;
export const allIndexLies = Object.keys(indexLies) as IndexLieName[];
export const allLies = Object.keys(plants(zero)).filter((name) => name !== "honest");
export const allBadValidators = Object.keys(badValidators) as BadValidator[];

/** wei as OPEN, every digit. */
function openText(wei: bigint): string {
  const digits = (wei < 0n ? -wei : wei).toString().padStart(19, "0");
  const fraction = digits.slice(-18).replace(/0+$/, "");
  return `${wei < 0n ? "−" : ""}${digits.slice(0, -18)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A row as it is printed and kept: amounts in wei, as text. */
const printed = ({ name, says, honest, before, after, spent, bought, net, asItShould }: Row) => ({
  name,
  says,
  honest,
  beforeWei: String(sumOf(before)),
  afterWei: String(sumOf(after)),
  gasWei: String(spent.gas),
  drawFeesWei: String(spent.draws),
  boughtWei: String(bought),
  netWei: String(net),
  asItShould,
});

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      lies: { type: "string" },
      "index-lies": { type: "string" },
      validators: { type: "string" },
    },
  });
  const on = machine();
  const plan: Plan = {
    lies: namesOf("lies", values.lies, allLies),
    indexLies: namesOf("index-lies", values["index-lies"], allIndexLies),
    validators: namesOf("validators", values.validators, allBadValidators),
    honestValidators: 4,
  };
  const result = await run(plan);
  const rows = result.rows.map(printed);
  const failed = rows.filter(({ asItShould }) => !asItShould);
  const inWords = (one: Record<string, bigint>) =>
    Object.fromEntries(Object.entries(one).map(([name, wei]) => [`${name}Wei`, String(wei)]));
  if (values.json) {
    const report = {
      parties: rows,
      heldForNobody: { before: inWords(result.held.before), after: inWords(result.held.after) },
      judged: result.judged,
      processes: result.processes,
      seconds: Math.round(performance.now() / 1000),
      machine: on,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } else {
    process.stdout.write(
      "| | what it does | before, OPEN | after, OPEN | gas, OPEN | fees of draws, OPEN | net, OPEN |\n|---|---|---|---|---|---|---|\n",
    );
    for (const { name, says, before, after, spent, bought, net, honest } of result.rows) {
      const cells = [
        honest ? name : `**${name}**`,
        bought === 0n ? says : `${says}: ${openText(bought)} OPEN`,
        ...[sumOf(before), sumOf(after), spent.gas, spent.draws, net].map(openText),
      ];
      process.stdout.write(`| ${cells.join(" | ")} |\n`);
    }
  }
  for (const { name, honest, netWei } of failed)
    note(`${name} is ${honest ? "honest and has lost" : "a liar and has not lost"}: ${netWei} wei, net.`);
  if (failed.length > 0) process.exitCode = 1;
}
