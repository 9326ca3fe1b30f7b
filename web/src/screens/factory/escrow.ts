/** What a run's payer does on chain: pays into escrow, wants no more of it, takes back what nobody may be paid for any more. */
import { isPlanOf } from "../../../../src/modelfactory/plan-of.ts";
import { deliverableDigest, jobDigest, jobPlanSchema } from "../../../../src/protocol/index.ts";
import { ApiError, api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { chainView, transact } from "../../chain/view.ts";
import { money } from "../../lib/format.ts";
import type { jobOf } from "./draft.ts";

type Job = Schema<"FineTune">;

const newId = () =>
  `ft-${[...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** Asks for a run. Where it costs something it waits, `unpaid`; nothing has been paid then. */
export async function order(wishes: ReturnType<typeof jobOf> & { readonly payer?: string }): Promise<Job> {
  const id = newId();
  try {
    return await ask(api.POST("/v1/fine-tunes", { body: { ...wishes, id } }));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 402)) throw error;
    return ask(api.GET("/v1/fine-tunes/{id}", { params: { path: { id } } }));
  }
}

/**
 * Pays for a run that waits for it, out of the wallet's account into the contract `JobEscrow`.
 *
 * @param mostWei not a wei more than this is paid
 * @throws Error where the plan is not of this run or costs more, and of the chain; nothing has been paid then
 */
export async function pay(job: Job, mostWei: bigint): Promise<void> {
  const { payment } = job;
  if (payment?.state !== "unpaid") return;
  const plan = jobPlanSchema.parse(payment.plan);
  if (!isPlanOf(job, plan, payment.jobDigest))
    throw new Error("The node asks to be paid for another run than this one. Nothing was paid.");
  const amountWei = BigInt(plan.amountWei);
  if (amountWei > mostWei)
    throw new Error(
      `The run costs ${money(amountWei).amount} OPEN, more than the ${money(mostWei).amount} that were shown. Nothing was paid.`,
    );
  const { at, operator } = await chainView();
  const ordered = [operator, jobDigest(plan), deliverableDigest(plan), plan.steps, plan.deadline] as const;
  await transact(at.JobEscrow, "open", ordered, amountWei);
}

/** Wants no more of a run: the steps that were done are paid, the rest comes back. For good. */
export async function cancel(escrowId: string): Promise<void> {
  const { at } = await chainView();
  await transact(at.JobEscrow, "cancel", [escrowId as `0x${string}`]);
}

/** Sends the payer everything back after the deadline; anyone may. */
export async function refund(escrowId: string): Promise<void> {
  const { at } = await chainView();
  await transact(at.JobEscrow, "refund", [escrowId as `0x${string}`]);
}
