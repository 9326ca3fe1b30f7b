import type { Audit } from "../protocol/index.ts";
import { createReplayer, type Replay, tolerance } from "../validators/index.ts";
import { openBase } from "./verify-base.ts";

/** `verify --replay`: the gradient computed again. */
export async function replayAudit(
  audit: Audit,
  { base, threads }: { base?: string | undefined; threads: number },
): Promise<Replay> {
  return createReplayer(await openBase(base), { threads })(audit);
}

/** What a replay found, in words. */
export function replayWords({ comparison, seconds }: Replay): string {
  if (comparison === null)
    return "The query was not computed again: the checks say what it needs. A full audit file has all of it:\n→ ./openledger receipt audit <id> --full --out <file>";
  const { distance, moved, border } = comparison;
  return [
    `The query was computed again in ${seconds.toFixed(1)} s: it differs by ${distance.toExponential(2)} of its length (${tolerance.distance} allowed),`,
    `which moves ${(100 * moved).toFixed(4)} % of the fee (${100 * tolerance.moved} % allowed).`,
    ...(border ? ["Its highest score is too near to the threshold to say whether anybody is paid."] : []),
  ].join("\n");
}
