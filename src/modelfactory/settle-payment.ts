/** What becomes of a job's payment once the job is over, or its payer has cancelled: decided here, said to the chain, safe to run again. */
import { CallRevertedError, type ChainWriter } from "../chain/index.ts";
import type { Digest } from "../protocol/index.ts";
import { type Escrow, type EscrowContracts, readEscrow } from "./escrow.ts";
import type { FineTuningJob } from "./job.ts";

export type Settlement =
  /** `otherwise`: what is said where the chain finds that the release came after the cancellation. */
  | { readonly say: "succeed"; readonly result: Digest; readonly otherwise: Stopped | undefined }
  | { readonly say: "fail" }
  | Stopped;
type Stopped = { readonly say: "stop"; readonly done: number; readonly checkpoint: Digest };

const nothing: Digest = `0x${"0".repeat(64)}`;

/** Whether nothing can happen to an escrow any more. */
export const isSettled = ({ state }: Pick<Escrow, "state">): boolean =>
  state !== "open" && state !== "cancelled";

/**
 * What an operator says of a job that is over.
 *
 * - It succeeded: its release, or its evaluation's report where it was to release nothing.
 * - Its payer cancelled, and it was stopped for that: the steps that there is a checkpoint of.
 * - All else, a job that the operator ended included: it failed.
 */
export function settlementOf(
  job: Pick<FineTuningJob, "state" | "spec" | "trained" | "evaluated" | "releaseId" | "payment">,
  escrow: Pick<Escrow, "state" | "deadline" | "steps">,
  nowSec: number,
): Settlement {
  if (nowSec > escrow.deadline) return { say: "fail" };
  if (job.state === "succeeded") {
    const result = job.spec.publish ? job.releaseId : (job.evaluated?.report ?? null);
    if (result === null) return { say: "fail" };
    const stopped = escrow.state === "cancelled" ? stoppedAt(job, escrow) : undefined;
    // A result that is no release is believed only as long as the payer wants it.
    if (stopped !== undefined && !job.spec.publish) return stopped;
    return { say: "succeed", result, otherwise: stopped };
  }
  if (job.state === "cancelled" && escrow.state === "cancelled") return stoppedAt(job, escrow);
  return { say: "fail" };
}

function stoppedAt(
  { trained, payment }: Pick<FineTuningJob, "trained" | "payment">,
  { steps }: Pick<Escrow, "steps">,
): Stopped {
  const [done, checkpoint] =
    trained === null
      ? [payment?.doneSteps ?? 0, payment?.evidence ?? nothing]
      : [trained.steps, trained.adapterTensors];
  return { say: "stop", done: checkpoint === nothing ? 0 : Math.min(done, steps), checkpoint };
}

/**
 * Whether an escrow holds more than the gas of giving it back costs the operator. What holds less is left to its deadline, after which anyone
 * may give it back: else who opens many of a wei would have the operator pay for each.
 */
export async function isWorthGivingBack(
  { public: chain, account }: Pick<ChainWriter, "public" | "account">,
  { JobEscrow }: EscrowContracts,
  { escrowId, amount }: Pick<Escrow, "escrowId" | "amount">,
): Promise<boolean> {
  const fail = { ...JobEscrow, functionName: "fail", args: [escrowId], account } as const;
  const [gas, { maxFeePerGas }] = await Promise.all([
    chain.estimateContractGas(fail),
    chain.estimateFeesPerGas(),
  ]);
  return amount > gas * maxFeePerGas;
}

/**
 * Says it to the chain, unless it has been said.
 *
 * @param operator its account is the escrow's operator
 * @throws CallRevertedError where the contract refuses for another reason than that it has been settled meanwhile
 */
export async function settleEscrow(
  operator: ChainWriter,
  contracts: EscrowContracts,
  id: Digest,
  decide: (escrow: Escrow, nowSec: number) => Settlement | undefined | Promise<Settlement | undefined>,
): Promise<Settlement | undefined> {
  const escrow = await readEscrow(operator, contracts, id);
  if (isSettled(escrow)) return undefined;
  const { timestamp } = await operator.public.getBlock({ blockTag: "pending" });
  const settlement = await decide(escrow, Number(timestamp));
  if (settlement === undefined) return undefined;
  const { JobEscrow } = contracts;
  const say = (what: Settlement) => {
    if (what.say === "fail") return operator.write({ ...JobEscrow, functionName: "fail", args: [id] });
    if (what.say === "stop")
      return operator.write({ ...JobEscrow, functionName: "stop", args: [id, what.done, what.checkpoint] });
    return operator.write({ ...JobEscrow, functionName: "succeed", args: [id, what.result] });
  };
  try {
    await say(settlement);
    return settlement;
  } catch (error) {
    const refused = error instanceof CallRevertedError ? error.errorName : undefined;
    if (
      refused === "PublishedOutside" &&
      settlement.say === "succeed" &&
      settlement.otherwise !== undefined
    ) {
      await say(settlement.otherwise);
      return settlement.otherwise;
    }
    if (refused === "WrongState" && isSettled(await readEscrow(operator, contracts, id))) return undefined;
    throw error;
  }
}
