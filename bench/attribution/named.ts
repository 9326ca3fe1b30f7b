/** The figures of the report's top level: one number a question that is asked of the whole, each with where it comes from. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { defaultExplainOptions, defaultPayIndexOptions } from "../../src/attribution/index.ts";
import { measureScans } from "../attribution-scale.ts";
import { gasFigures } from "../common/gas.ts";
import { rounded } from "../common/measure.ts";
import { committedResult } from "../common/results.ts";
import type { Measured } from "./bars.ts";
import { queryCost } from "./query-cost.ts";
import { ruleInForce } from "./rules.ts";

/** Payout error of the rule in force by task, and the most that an index loses of LDS on any task. */
export function worstOf(tasks: Measured) {
  const all = Object.entries(tasks);
  const most = (form: string) =>
    rounded(Math.max(...all.map(([, { pay }]) => pay.indexLossOfLds[form] ?? Number.NEGATIVE_INFINITY)), 4);
  return {
    payoutError: Object.fromEntries(
      all.flatMap(([name, { pay }]) => {
        const error = pay.error?.[ruleInForce];
        return error === undefined ? [] : [[name, error]];
      }),
    ),
    indexLossOfLds: { pay: most("pay"), explain: most("packed") },
  };
}

/** Scans and an answer's query, measured now. @param explainRows of the 1-bit index; a million are 8 GB */
export async function measureSpeed(explainRows: number, rounds: number) {
  const query = await queryCost();
  const scans = await measureScans({
    part: "scan",
    examples: 0,
    contributors: 0,
    heldOut: 0,
    maxFisherRows: defaultPayIndexOptions.maxFisherRows,
    nullRows: defaultPayIndexOptions.nullRows,
    explainRows,
    payRows: 2 ** 18,
    rounds,
  });
  return {
    queryCostForwards: query.forwards,
    payRowsPerSec: scans.pay.rowsPerSec,
    explainRowsPerSec: scans.explainCodes.rowsPerSec,
    bandwidthRatio: Math.min(...Object.values(scans).map(({ bandwidthRatio }) => bandwidthRatio)),
    details: { query, scans, explainBudgetBytes: defaultExplainOptions.budgetBytes },
  };
}

/** Another benchmark's result: run now in a process of its own, or, for a quick run, as it was committed. */
async function resultOf(benchmark: string, quick: boolean) {
  if (quick) {
    const committed = committedResult(benchmark);
    return committed ?? { result: undefined, from: `no committed result of bench ${benchmark}` };
  }
  const script = fileURLToPath(new URL(`../${benchmark}.ts`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--json"], {
    maxBuffer: 2 ** 26,
  }).catch((error: { stdout?: string }) => {
    if (error.stdout) return { stdout: error.stdout }; // below its own bar: the figure is what it is
    throw error;
  });
  return { result: JSON.parse(stdout), from: "this run" };
}

/** null: the honest payout is nothing, or nobody asked. */
type AttackOutcome = { undefended: number | null; defended: number | null; bound: number | null };
const digits = (value: number | null) => (value === null ? null : rounded(value, 3));

/** What other benchmarks measure. `sources` says of every figure whether it is of this run or of which file. */
export async function fromOthers(quick: boolean) {
  const receipts = await resultOf("receipts", quick);
  const attacks = await resultOf("attacks", quick);
  const worlds: [string, { attacks: Record<string, AttackOutcome>; selfQuery: unknown }][] = Object.entries(
    attacks.result?.worlds ?? {},
  );
  const { gasWrongScoreProof, gasFrom } = gasFigures();
  return {
    receiptLagMsP95: (receipts.result?.receiptLagMsP95 ?? null) as number | null,
    gasWrongScoreProof,
    attacks: Object.fromEntries(
      worlds.map(([world, { attacks: outcomes, selfQuery }]) => [
        world,
        {
          ...Object.fromEntries(
            Object.entries(outcomes).map(([name, { undefended, defended, bound }]) => [
              name,
              { undefended: digits(undefended), defended: digits(defended), bound },
            ]),
          ),
          selfQuery,
        },
      ]),
    ),
    sources: { receiptLagMsP95: receipts.from, gasWrongScoreProof: gasFrom, attacks: attacks.from },
  };
}
