/** `openledger finetune pay`, `cancel`, `refund` and `give-back`: a job's payment, from the account of who orders it, and back. */
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import {
  type EscrowState,
  isPlanOf,
  type JobPayment,
  openEscrow,
  readEscrow,
} from "../modelfactory/index.ts";
import { type Address, type Digest, deliverableDigest, jobDigest, sameHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { explainRevert } from "./contract-errors.ts";
import { showTime } from "./dates.ts";
import { CliError, exitCodes } from "./errors.ts";
import { stateLine } from "./finetune-state.ts";
import type { JobJson } from "./finetune-view.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertFunds, now, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";

/** How long the node is waited for: an index under way is finished first. */
const settleWaitMs = 120_000;
const askEveryMs = 500;

/** Adds the subcommands to `openledger finetune`, whose `--as` names the account. */
export function definePayment(command: Command, io: Io): void {
  const as = () => command.opts<{ as: string }>().as;
  const account = "\n--as <name> names the account of your wallet that pays.";
  subcommand(command, "pay", "Put what a job costs into escrow")
    .argument("<job>", "its id")
    .argument("<most>", "OPEN that you would pay at most", parsePositiveOpen)
    .addHelpText("after", account)
    .action(async (id: string, most: bigint) => {
      const node = connect();
      const job = await payJob(node, io, await readJob(node, id), most, as());
      io.result(job, showPayment(job));
    });
  subcommand(
    command,
    "cancel",
    "End a job that you have paid for: the part that was done is paid, the rest comes back",
  )
    .argument("<job>", "its id")
    .addHelpText(
      "after",
      `${account} How much was done is the operator's word, with the digest of a checkpoint:
'openledger verify <job> --retrain' makes the steps again and compares.`,
    )
    .action((id: string) => cancel(io, id, as()));
  subcommand(command, "give-back", "As the operator, end a job that is paid for, and give everything back")
    .argument("<job>", "its id")
    .action(async (id: string) => {
      const node = connect();
      await node.post(`/v1/fine-tunes/${encodeURIComponent(id)}/give-back`, {}, { operator: true });
      const job = await settledJob(node, id);
      io.result(job, showPayment(job));
    });
  subcommand(command, "refund", "Take back what nothing was done for by the deadline")
    .argument("<job>", "its id, or the escrow's")
    .addHelpText("after", account)
    .action((id: string) => refund(io, id, as()));
}

export const readJob = (node: NodeClient, id: string) =>
  node.get<JobJson>(`/v1/fine-tunes/${encodeURIComponent(id)}`);

/** The job that was asked for and waits to be paid, if that is what an error says. */
export function unpaidJob(error: unknown): string | undefined {
  if (!(error instanceof ApiError) || error.code !== "payment-required") return undefined;
  const job = error.details?.job;
  return typeof job === "string" ? job : undefined;
}

/**
 * Pays for a job that waits for it. Who was interrupted may call it again.
 *
 * @param mostWei not a wei more than this is paid
 * @returns the job as it is then
 * @throws CliError where the plan is not of this job, or costs more
 */
export async function payJob(
  node: NodeClient,
  io: Io,
  job: JobJson,
  mostWei: bigint,
  as: string,
): Promise<JobJson> {
  if (job.payment === null)
    throw new CliError(`Job ${job.id} costs nothing.`, { code: "job-free", exitCode: exitCodes.usage });
  const fix = (totalWei: bigint) => `./openledger finetune pay ${job.id} ${formatOpen(totalWei)}`;
  const [paid] = await payJobs(node, io, [job], { mostWei, as, what: `Job ${job.id} costs`, fix });
  return paid as JobJson;
}

/** What jobs cost together, those that are paid for already and those that cost nothing included, wei. */
export const priceOf = (jobs: readonly JobJson[]): bigint =>
  jobs.reduce((sum, { payment }) => sum + BigInt(payment?.plan.amountWei ?? 0), 0n);

/**
 * Pays for those of several jobs that wait for it, one escrow each. Who was interrupted may call it again: what is paid is not paid twice,
 * and counts toward the most.
 *
 * @param terms.mostWei not a wei more than this is paid for all of them together
 * @param terms.what "… costs", for the refusal; `fix` what to write instead
 * @returns the jobs as they are then
 * @throws CliError before anything is paid, where a plan is not of its job, they cost more, or the account has less
 */
export async function payJobs(
  node: NodeClient,
  io: Io,
  jobs: readonly JobJson[],
  terms: {
    readonly mostWei: bigint;
    readonly as: string;
    readonly what: string;
    readonly fix: (totalWei: bigint) => string;
  },
): Promise<JobJson[]> {
  const { mostWei, as } = terms;
  const due = jobs.filter(({ payment }) => payment?.state === "unpaid");
  if (due.length === 0) return [...jobs];
  const plans = due.map(planOf);
  const totalWei = priceOf(jobs);
  if (totalWei > mostWei)
    throw new CliError(`${terms.what} more than you would pay.`, {
      expected: `at most ${formatOpen(mostWei)} OPEN`,
      actual: `${formatOpen(totalWei)} OPEN`,
      fix: [terms.fix(totalWei)],
      code: "too-dear",
    });
  const purse = await openPurse(node, as, io);
  for (const { id, payment } of due) assertPayer(purse, id, payment?.forPayer ?? null);
  await assertFunds(purse, priceOf(due), due.length);
  for (const plan of plans) {
    const { escrowId } = await openEscrow(purse, purse.contracts, purse.operator, plan).catch((error) => {
      throw explainRevert(error);
    });
    io.note(
      `${formatOpen(BigInt(plan.amountWei))} OPEN are in escrow ${escrowId}${plan.publish ? `, for a release ${short(deliverableDigest(plan))}` : ""}.`,
    );
  }
  return Promise.all(jobs.map(({ id }) => readJob(node, id)));
}

/** @throws CliError where the node waits for another's payment, and would give this one back */
function assertPayer({ account }: Purse, id: string, payer: Address | null): void {
  if (payer === null || sameHex(payer, account.address)) return;
  throw new CliError(`Job ${id} waits for another account's payment; nothing was paid.`, {
    expected: payer,
    actual: account.address.toLowerCase(),
    fix: [
      "Name that account of your wallet with --as.",
      `Or order the same anew: ./openledger finetune --duplicate ${id}`,
    ],
    code: "not-payer",
  });
}

/** The plan of an unpaid job. @throws CliError where it is another job's */
function planOf(job: JobJson): JobPayment["plan"] {
  const { plan, jobDigest: named } = job.payment as JobPayment;
  const { id, spec } = job;
  const { model, datanets } = spec;
  if (isPlanOf(job, plan, named)) return plan;
  const words = (of: typeof datanets) => of.map((d) => `${d.datanetId}@${d.version}`).join(", ");
  throw new CliError(`What the node asks to be paid for is not job ${id}.`, {
    expected: `"${model}" of ${words(datanets)}`,
    actual: `"${plan.model}" of ${words(plan.datanets)}, plan ${jobDigest(plan)}`,
    code: "other-plan",
  });
}

const short = (digest: Digest) => `${digest.slice(0, 10)}…`;

async function cancel(io: Io, id: string, as: string): Promise<void> {
  const node = connect();
  const job = await readJob(node, id);
  const { payment } = job;
  if (payment?.escrowId == null)
    throw new CliError(`Nobody has paid for job ${id}.`, {
      fix: [`./openledger finetune --job ${id} --cancel`],
      code: "job-unpaid",
      exitCode: exitCodes.usage,
    });
  const purse = await openPurse(node, as, io);
  const escrow = await ownEscrow(purse, payment.escrowId);
  if (escrow.state === "open")
    await transact(purse, { ...purse.contracts.JobEscrow, functionName: "cancel", args: [payment.escrowId] });
  const after = await settledJob(node, id);
  io.result(after, showPayment(after));
}

/** Waits until the node has said how far the job was. */
async function settledJob(node: NodeClient, id: string): Promise<JobJson> {
  const until = Date.now() + settleWaitMs;
  for (;;) {
    const job = await readJob(node, id);
    const isHeld = job.payment?.state === "open" || job.payment?.state === "cancelled";
    if (!isHeld || Date.now() > until) return job;
    await pause(askEveryMs);
  }
}

/** @throws CliError unless the purse's account paid into it */
async function ownEscrow(purse: Purse, id: Digest) {
  const escrow = await readEscrow(purse, purse.contracts, id);
  if (sameHex(escrow.payer, purse.account.address)) return escrow;
  throw new CliError(`Escrow ${id} is not yours: only its payer may do this.`, {
    expected: escrow.payer,
    actual: purse.account.address.toLowerCase(),
    fix: ["Name the payer's account of your wallet with --as."],
    code: "not-payer",
  });
}

async function refund(io: Io, id: string, as: string): Promise<void> {
  const node = connect();
  const escrowId = /^0x[0-9a-f]{64}$/.test(id) ? (id as Digest) : (await readJob(node, id)).payment?.escrowId;
  if (escrowId == null)
    throw new CliError(`Nobody has paid for job ${id}.`, { code: "job-unpaid", exitCode: exitCodes.usage });
  const purse = await openPurse(node, as, io);
  const { state, deadline, amount, payer } = await readEscrow(purse, purse.contracts, escrowId);
  if (state !== "open" && state !== "cancelled")
    throw new CliError(`Escrow ${escrowId} holds nothing any more: ${ends[state]}.`, {
      code: "escrow-settled",
    });
  const { timestamp } = await purse.public.getBlock(now);
  if (timestamp <= BigInt(deadline))
    throw new CliError("The operator still has time.", {
      expected: `a deadline that has passed`,
      actual: showTime(deadline),
      fix: [`To end it now: ./openledger finetune cancel ${id}`],
      code: "too-early",
    });
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.JobEscrow,
    functionName: "refund",
    args: [escrowId],
  });
  io.result(
    { escrowId, refundedWei: amount, payer, transactionHash },
    `${formatOpen(amount)} OPEN came back to ${sameHex(payer, purse.account.address) ? "you" : payer}.`,
  );
}

const ends: Readonly<Record<EscrowState, string>> = {
  none: "it was never opened",
  open: "it is open",
  cancelled: "it was cancelled",
  succeeded: "the job was delivered, and all went to the operator",
  failed: "the job failed, and all came back",
  stopped: "the job was cancelled, and it was divided",
  refunded: "all came back after the deadline",
};

/** What has become of a job's payment, in a line; nothing of a job that costs nothing. */
export function paymentLine(payment: JobPayment | null): string[] {
  if (payment === null) return [];
  const { plan, state } = payment;
  const open = (wei: string | null) => `${formatOpen(BigInt(wei ?? "0"))} OPEN`;
  const amount = open(payment.amountWei ?? plan.amountWei);
  const lines: Record<JobPayment["state"], string> = {
    unpaid: `It costs ${amount}, to be paid until ${showTime(Math.floor(payment.payByMs / 1_000))}.`,
    expired: `It was not paid for: ${amount} were asked.`,
    open: `${amount} are in escrow until ${showTime(plan.deadline)}.`,
    cancelled: `Its payer has cancelled. The operator has until ${showTime(plan.deadline)} to say how much of it was done, then ${amount} can be taken back.`,
    succeeded: `${amount} went to the operator.`,
    failed: `${amount} came back to the payer.`,
    stopped: `${payment.doneSteps ?? 0} of ${plan.steps} steps were done: ${open(payment.operatorWei)} went to the operator, ${open(payment.payerWei)} came back to the payer.`,
    refunded: `${amount} came back to the payer after the deadline.`,
  };
  return [lines[state]];
}

function showPayment(job: JobJson): string {
  return [stateLine(job), ...paymentLine(job.payment)].join("\n");
}
