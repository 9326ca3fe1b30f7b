/** What a job costs, what is ordered with the payment, and what has become of it. */
import { z } from "zod";
import {
  type Address,
  addressSchema,
  type Digest,
  decimalSchema,
  deliverableDigest,
  digestSchema,
  exampleDigest,
  jobDigest,
  jobPlanSchema,
  jsonDigest,
  sameHex,
} from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import type { Work } from "./estimate.ts";
import type { JobSpec } from "./job.ts";
import { recipeFacts } from "./recipe.ts";
import { type BaseModel, baseDigest } from "./release.ts";

/** As `JobEscrow` has it, and before: `unpaid` until the escrow is opened, `expired` if it was not in time. */
export const paymentStates = [
  "unpaid",
  "expired",
  "open",
  "cancelled",
  "succeeded",
  "failed",
  "stopped",
  "refunded",
] as const;
export type PaymentState = (typeof paymentStates)[number];

export const paymentSchema = z.object({
  state: z.enum(paymentStates),
  /** What is ordered. */
  plan: jobPlanSchema,
  jobDigest: digestSchema,
  /** Until when an unpaid job waits, epoch milliseconds. */
  payByMs: z.number(),
  /** Whose payment it waits for; null: anyone's. */
  forPayer: addressSchema.nullable(),
  escrowId: digestSchema.nullable(),
  payer: z.string().nullable(),
  /** What the payer put in; the plan's amount or more. Wei, as the other two. */
  amountWei: decimalSchema.nullable(),
  operatorWei: decimalSchema.nullable(),
  payerWei: decimalSchema.nullable(),
  /** Of the plan's steps, where the payer has cancelled: what the operator states, or will. */
  doneSteps: z.number().nullable(),
  /** The release, the report, or the checkpoint at which it was stopped. */
  evidence: digestSchema.nullable(),
  /** Engine, runtime and processor that trained that checkpoint, as a release's manifest has them. */
  engine: z.string().max(128).nullable(),
});
/** The payment of a job. Whatever is hashed or paid in it is text or an integer. */
export type JobPayment = z.output<typeof paymentSchema>;

/** To be selected as one column of a job: its payment, or null for a job that costs nothing. */
export const paymentColumn = `(select jsonb_build_object('state', p.state, 'plan', p.plan, 'jobDigest', p.job_digest, 'payByMs', p.pay_by_ms, 'forPayer', p.for_payer,
  'escrowId', p.escrow_id, 'payer', p.payer, 'amountWei', p.amount_wei::text, 'operatorWei', p.operator_wei::text, 'payerWei', p.payer_wei::text,
  'doneSteps', p.done_steps, 'evidence', p.evidence, 'engine', p.engine) from modelfactory.payments p where p.job_id = jobs.id)`;

/** Whether the escrow holds the payment, whatever becomes of it. */
export const isHeld = (payment: JobPayment | null): boolean =>
  payment?.state === "open" || payment?.state === "cancelled";

/**
 * The plan of a job, from what was counted of its rows: its price is by the padded tokens of all its epochs, each batch being as long as its
 * longest row, for that is what training computes.
 *
 * @param weiPerToken what the operator asks for a token of an epoch
 */
export function planJob(
  id: string,
  spec: JobSpec,
  base: BaseModel,
  { stepsPerEpoch, epochTokens }: Pick<Work, "stepsPerEpoch" | "epochTokens">,
  { weiPerToken, deadlineSec }: { readonly weiPerToken: bigint; readonly deadlineSec: number },
): z.output<typeof jobPlanSchema> {
  const { model, datanets, recipe, continueFrom, exclude, evaluation, price, publish } = spec;
  return {
    schema: "openledger/job/1",
    ...{ id, model, datanets, continueFrom, exclude, price, publish },
    baseDigest: baseDigest(base),
    recipe: recipeFacts(recipe),
    evaluationDigest: jsonDigest(evaluation.map((example) => exampleDigest(example))),
    steps: stepsPerEpoch * recipe.epochs,
    amountWei: (BigInt(epochTokens) * BigInt(recipe.epochs) * weiPerToken).toString(),
    deadline: deadlineSec,
  };
}

/** An escrow as it was opened. Times in seconds. */
export type OpenedEscrow = {
  readonly escrowId: Digest;
  readonly payer: Address;
  readonly operator: Address;
  readonly jobDigest: Digest;
  readonly deliverable: Digest;
  readonly amount: bigint;
  readonly steps: bigint;
  readonly deadline: bigint;
};

/** Whether an escrow pays for what the plan says, in its terms. */
export const paysFor = (
  escrow: Omit<OpenedEscrow, "escrowId" | "payer" | "operator">,
  plan: JobPayment["plan"],
): boolean =>
  sameHex(escrow.jobDigest, jobDigest(plan)) &&
  sameHex(escrow.deliverable, deliverableDigest(plan)) &&
  escrow.steps === BigInt(plan.steps) &&
  escrow.deadline === BigInt(plan.deadline) &&
  escrow.amount >= BigInt(plan.amountWei);

/** @throws ModelFactoryError `payment-over`: the operator could not be paid any more for what would be done now */
export function requirePaid(
  { id, payment }: { id: string; payment: JobPayment | null },
  nowMs: number,
): void {
  if (payment === null || nowMs <= payment.plan.deadline * 1_000) return;
  throw new ModelFactoryError(
    "payment-over",
    `The deadline of job ${id}'s escrow has passed (${new Date(payment.plan.deadline * 1_000).toISOString()}): its payer has everything back.`,
  );
}

/** How long an order waits for its payment at most. */
const payWithinMs = 60 * 60 * 1_000;

/** Until when an order may be paid, epoch milliseconds. At least half of the time to its deadline is left then, to do it in. */
export const payByOf = ({ deadline }: Pick<JobPayment["plan"], "deadline">, orderedAtMs: number): number =>
  Math.floor(orderedAtMs + Math.min(payWithinMs, Math.max(0, deadline * 1_000 - orderedAtMs) / 2));

/** Writes down what an unpaid job costs; the first time counts. */
export async function writePlan(
  queries: Queries,
  jobId: string,
  plan: JobPayment["plan"],
  payByMs: number,
  forPayer: Address | null,
): Promise<void> {
  await queries.query(
    `insert into modelfactory.payments (job_id, plan, job_digest, pay_by_ms, state, for_payer) values ($1, $2, $3, $4, 'unpaid', $5)
     on conflict (job_id) do nothing`,
    [jobId, plan, jobDigest(plan), payByMs, forPayer],
  );
}

/** The job that an escrow is of, and how its payment stands. */
export async function findPayment(
  queries: Queries,
  by: { readonly jobDigest: Digest } | { readonly escrowId: Digest },
): Promise<
  (Pick<JobPayment, "state" | "plan" | "payByMs" | "forPayer"> & { readonly jobId: string }) | undefined
> {
  const [column, value] = "jobDigest" in by ? ["job_digest", by.jobDigest] : ["escrow_id", by.escrowId];
  const [row] = await queries.query<{
    jobId: string;
    state: PaymentState;
    plan: unknown;
    payByMs: number;
    forPayer: Address | null;
  }>(
    `select job_id as "jobId", state, plan, pay_by_ms as "payByMs", for_payer as "forPayer" from modelfactory.payments where ${column} = $1`,
    [value],
  );
  return row === undefined ? undefined : { ...row, plan: jobPlanSchema.parse(row.plan) };
}
