import { stoppedSplit } from "../../../../src/protocol/index.ts";
import type { Schema } from "../../api/types.ts";

type Job = Pick<Schema<"FineTune">, "state" | "trained" | "releaseId" | "payment">;

/** What cancelling would cost now: the steps that count as done, and how the payment would be divided, wei. */
export type Division = {
  readonly done: number;
  readonly steps: number;
  readonly operator: bigint;
  readonly payer: bigint;
};

/**
 * How a run's payment would be divided if its payer cancelled now, as far as this page can know: the operator says how many steps there is a
 * checkpoint of, and what is released already is delivered.
 *
 * @param step the latest that this page has heard of
 */
export function ifCancelled({ trained, releaseId, payment }: Job, step: number): Division | undefined {
  if (payment === null) return undefined;
  const { steps } = payment.plan;
  const done = releaseId === null ? Math.min(steps, trained?.steps ?? step) : steps;
  return { done, steps, ...stoppedSplit(BigInt(payment.amountWei ?? payment.plan.amountWei), done, steps) };
}

/** Whether the payer may have everything back by now: the operator can be paid nothing after the deadline. */
export const isRefundable = ({ payment }: Pick<Job, "payment">, nowMs: number): boolean =>
  (payment?.state === "open" || payment?.state === "cancelled") && nowMs > payment.plan.deadline * 1_000;
