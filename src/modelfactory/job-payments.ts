/**
 * Jobs that cost something: what they cost, that they wait until their escrow is seen on chain, and that the escrow is settled once when they are over.
 * What must happen after an event or a job's end is asked for in the transaction that writes it down, and is safe to do again.
 */
import {
  type ChainEvent,
  type ChainWriter,
  type EventFollower,
  followEvents,
  type ProtocolContracts,
} from "../chain/index.ts";
import {
  type Address,
  type Digest,
  deliverableDigest,
  type JobPlan,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Database, Jobs, Transaction } from "../store/index.ts";
import { createEpochSizes } from "./epoch-sizes.ts";
import { type EscrowContracts, stateName } from "./escrow.ts";
import { type FineTuningJob, isOver, type JobSpec, type Journal, readJob } from "./job.ts";
import { type Rows, requireExamples, requireHeldOut } from "./job-rows.ts";
import { findPayment, paysFor, planJob } from "./payment.ts";
import type { Queue } from "./queue.ts";
import type { BaseModel } from "./release.ts";
import { isWorthGivingBack, settleEscrow, settlementOf } from "./settle-payment.ts";

/** How a node is paid for jobs. */
export type PaymentDependencies = {
  /** Its account is the operator: who is paid. */
  readonly chain: ChainWriter;
  readonly contracts: EscrowContracts;
  /** For a padded token of an epoch, wei; 0: jobs are free. */
  readonly weiPerToken: bigint;
  /** From the order to the deadline of its escrow. */
  readonly deadlineSeconds: number;
  /** The block of the contracts' deployment. */
  readonly fromBlock?: bigint;
  /** Says when there may be a new block; without it the chain is asked. */
  readonly onBlock?: (listener: () => void) => () => void;
};

/** What is to be called, with which value, so that a job begins. */
export type ToPay = {
  readonly chainId: number;
  readonly contract: Address;
  readonly operator: Address;
  readonly jobDigest: Digest;
  readonly deliverable: Digest;
  readonly steps: number;
  /** Seconds. */
  readonly deadline: number;
  readonly amountWei: string;
  readonly payByMs: number;
  /** Whose payment is waited for, any other's being given back; null: anyone's. */
  readonly payer: Address | null;
};

type EscrowEvent = ChainEvent<Pick<ProtocolContracts, "JobEscrow">>;
type Settle = { readonly id: string };
type Return = { readonly escrowId: Digest };

const settleJob = "fine-tune-settle";
const overKey = (jobId: string) => `${jobId} over`;
const returnJob = "fine-tune-return";
/** An escrow that was opened in time may be seen later. */
const expiryGraceMs = 60_000;
/** Hours of attempts, for an operator without gas or a chain that is away: the deadline is days away. */
const attempts = { maxAttempts: 100 } as const;

/** In the transaction in which a job comes to its end: what is unpaid is no longer waited for, what is held is to be settled. */
export async function paymentIsDue(jobs: Jobs, tx: Transaction, jobId: string): Promise<void> {
  const [payment] = await tx.query<{ state: string }>(
    "update modelfactory.payments set state = case state when 'unpaid' then 'expired' else state end where job_id = $1 returning state",
    [jobId],
  );
  if (payment?.state === "open" || payment?.state === "cancelled")
    await jobs.enqueue(tx, settleJob, overKey(jobId), { id: jobId } satisfies Settle);
}

export type JobPayments = Awaited<ReturnType<typeof openJobPayments>>;

/** Follows the chain, and settles. */
export async function openJobPayments(
  parts: {
    readonly database: Database;
    readonly jobs: Jobs;
    readonly journal: Journal;
    readonly queue: Queue;
    readonly base: BaseModel;
    readonly now: () => number;
    readonly log: (message: string) => void;
    readonly afterStep: (step: string) => Promise<void>;
  },
  { chain, contracts, weiPerToken, deadlineSeconds, fromBlock = 0n, onBlock }: PaymentDependencies,
) {
  const { database, jobs, journal, queue, base, now, log, afterStep } = parts;
  const operator = toHex(chain.account.address);
  const epochSize = createEpochSizes(base);

  async function project(events: readonly EscrowEvent[], tx: Transaction): Promise<void> {
    for (const event of events)
      if (event.eventName === "EscrowOpened") await opened(event.args, event.blockTimestampSec, tx);
      else if (event.eventName === "EscrowCancelled") await cancelled(toHex(event.args.escrowId), tx);
      else if (event.eventName === "EscrowSettled") await settled(event.args, tx);
  }

  async function opened(
    args: Extract<EscrowEvent, { eventName: "EscrowOpened" }>["args"],
    openedAtSec: number,
    tx: Transaction,
  ): Promise<void> {
    if (!sameHex(args.operator, operator)) return;
    const escrowId = toHex(args.escrowId);
    const payment = await findPayment(tx, { jobDigest: toHex(args.jobDigest) });
    if (payment === undefined) return; // nothing that was ordered here: its payer has it back after the deadline
    const { forPayer } = payment;
    const another = forPayer !== null && !sameHex(args.payer, forPayer);
    // Who pays when hardly any time is left would have the work, and everything back after the deadline.
    const late = openedAtSec * 1_000 > payment.payByMs;
    if (payment.state !== "unpaid" || another || late || !paysFor(args, payment.plan)) {
      await jobs.enqueue(tx, returnJob, escrowId, { escrowId } satisfies Return);
      return;
    }
    const { jobId } = payment;
    await tx.query(
      "update modelfactory.payments set state = 'open', escrow_id = $2, payer = $3, amount_wei = $4 where job_id = $1",
      [jobId, escrowId, toHex(args.payer), args.amount],
    );
    await tx.query("update modelfactory.jobs set state = 'queued' where id = $1", [jobId]);
    await journal.record(jobId, "state", { state: "queued", escrow: escrowId }, tx);
    await queue.ask(tx, jobId, jobId);
  }

  async function cancelled(escrowId: Digest, tx: Transaction): Promise<void> {
    const payment = await findPayment(tx, { escrowId });
    if (payment === undefined) return;
    await tx.query("update modelfactory.payments set state = 'cancelled' where job_id = $1", [payment.jobId]);
    await jobs.enqueue(tx, settleJob, `${payment.jobId} cancelled`, { id: payment.jobId } satisfies Settle);
  }

  async function settled(
    args: Extract<EscrowEvent, { eventName: "EscrowSettled" }>["args"],
    tx: Transaction,
  ): Promise<void> {
    const payment = await findPayment(tx, { escrowId: toHex(args.escrowId) });
    if (payment === undefined) return;
    const state = stateName(args.state);
    const { operatorAmount, payerAmount, done } = args;
    const evidence = BigInt(args.evidence) === 0n ? null : toHex(args.evidence);
    await tx.query(
      `update modelfactory.payments set state = $2, operator_wei = $3, payer_wei = $4, done_steps = $5, evidence = $6 where job_id = $1`,
      [payment.jobId, state, operatorAmount, payerAmount, Number(done), evidence],
    );
    // What the payer took back after the deadline is not worked on any more.
    await jobs.enqueue(tx, settleJob, `${payment.jobId} ${state}`, { id: payment.jobId } satisfies Settle);
  }

  const follower: EventFollower = await followEvents({
    name: "modelfactory",
    database,
    client: chain.public,
    contracts: { JobEscrow: contracts.JobEscrow },
    fromBlock,
    handle: (events, tx) => project(events as readonly EscrowEvent[], tx),
    ...(onBlock === undefined ? {} : { onBlock }),
    onError: (error) =>
      log(`Escrows of jobs could not be followed: ${(error as Error).message}. It is tried again.`),
  });
  const sync = async () => follower.reached(await chain.public.getBlockNumber({ cacheTime: 0 }));

  jobs.work<Settle>(
    settleJob,
    async ({ payload: { id } }) => {
      let job = await readJob(database, id);
      const escrowId = job.payment?.escrowId ?? null;
      if (escrowId === null) return;
      if (!isOver(job) && job.payment?.state !== "open") job = await queue.stop(id, "cancelled");
      if (!isOver(job)) return; // its end asks again
      const said = await settleEscrow(chain, contracts, escrowId, (escrow, nowSec) =>
        settlementOf(job, escrow, nowSec),
      );
      if (said === undefined) return;
      await afterStep("settled");
      await sync();
      log(`Job ${id}: its payment is settled (${said.say}).`);
    },
    attempts,
  );
  jobs.work<Return>(
    returnJob,
    async ({ payload: { escrowId } }) => {
      const said = await settleEscrow(chain, contracts, escrowId, async (escrow) =>
        (await isWorthGivingBack(chain, contracts, escrow)) ? { say: "fail" } : undefined,
      );
      if (said !== undefined) log(`Escrow ${escrowId} pays for nothing that waits here: it is given back.`);
    },
    attempts,
  );

  // What could not be said while it was tried, for want of gas or of a chain, is tried again from here.
  const unsaid = await database.query<{ id: string }>(
    `select j.id from modelfactory.jobs j join modelfactory.payments p on p.job_id = j.id
     where p.state in ('open', 'cancelled') and j.state in ('succeeded', 'failed', 'cancelled')`,
  );
  for (const { id } of unsaid) await jobs.retry(settleJob, overKey(id));

  return {
    /** Whether jobs cost something. */
    priced: weiPerToken > 0n,
    /** Resolves when the events up to the chain's head are in the database. */
    sync,
    /** What a job would be ordered by; its rows are read as the base model reads them. @throws ModelFactoryError `nothing-to-train`, `too-few-held-out` */
    async plan(id: string, spec: JobSpec, rows: Rows): Promise<JobPlan> {
      requireHeldOut(spec, rows.heldOut.length);
      const size = await epochSize(spec, rows);
      requireExamples(size.stepsPerEpoch);
      const deadlineSec = Math.floor(now() / 1_000) + deadlineSeconds;
      return planJob(id, spec, base, size, { weiPerToken, deadlineSec });
    },
    /** How an unpaid job is paid for; undefined for any other. */
    toPay({ payment }: Pick<FineTuningJob, "payment">): ToPay | undefined {
      if (payment?.state !== "unpaid") return undefined;
      const { plan, jobDigest, payByMs, forPayer: payer } = payment;
      return {
        chainId: chain.chain.id,
        contract: toHex(contracts.JobEscrow.address),
        operator,
        jobDigest,
        deliverable: deliverableDigest(plan),
        ...{ steps: plan.steps, deadline: plan.deadline, amountWei: plan.amountWei, payByMs, payer },
      };
    },
    /** Ends the jobs that nobody has paid for in time, by what the chain says. */
    async expire(): Promise<void> {
      const late = await database.query<{ id: string }>(
        `select job_id as id from modelfactory.payments where state = 'unpaid' and pay_by_ms < $1 limit 1000`,
        [now() - expiryGraceMs],
      );
      if (late.length > 0) await sync();
      for (const { id } of late)
        await journal.setState(id, "cancelled", { error: "It was not paid for in time." }, ["unpaid"]);
    },
    close: () => follower.stop(),
  };
}
