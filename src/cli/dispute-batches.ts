/** Batches of every attester as the chain's events tell them, the undone ones with the reason. */
import { type Abi, type Address, decodeFunctionData, type Hex } from "viem";
import { proofNames } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { CliError } from "./errors.ts";
import { everyEvent } from "./logs.ts";
import { type ChainView, now } from "./purse.ts";

export type BatchState = "open to challenge" | "final" | "undone";

async function settledBatches(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.AttributionLedger,
      eventName: "BatchSettled",
      strict: true,
      ...range,
    }),
  );
  return events.map(({ args, blockNumber, logIndex, transactionHash }) => ({
    ...args,
    attester: toHex(args.attester),
    at: [blockNumber, logIndex] as const,
    transactionHash: toHex(transactionHash),
  }));
}

export type Settled = Awaited<ReturnType<typeof settledBatches>>[number];

async function undoings(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.AttributionLedger,
      eventName: "BatchesUndone",
      strict: true,
      ...range,
    }),
  );
  return Promise.all(
    events.map(async ({ args, blockNumber, logIndex, transactionHash }) => ({
      ...args,
      attester: toHex(args.attester),
      at: [blockNumber, logIndex] as const,
      reason: await reasonOf(chain, transactionHash),
      transactionHash: toHex(transactionHash),
    })),
  );
}

type Undoing = Awaited<ReturnType<typeof undoings>>[number];

async function reasonOf({ public: chain, contracts }: ChainView, hash: Hex): Promise<string> {
  const { input, to } = await chain.getTransaction({ hash });
  const { FraudProofs, Demands, Verdicts, ReleaseVerdicts } = contracts;
  for (const { abi } of [FraudProofs, Demands, Verdicts, ReleaseVerdicts] as readonly { abi: Abi }[]) {
    try {
      const { functionName } = decodeFunctionData({ abi, data: input });
      return proofNames[functionName] ?? functionName;
    } catch {
      // a call of another contract
    }
  }
  return `a call of ${to === null ? "a new contract" : toHex(to)}`;
}

const isLater = (
  [block, log]: readonly [bigint, number],
  [otherBlock, otherLog]: readonly [bigint, number],
) => block > otherBlock || (block === otherBlock && log > otherLog);

/** What undid a batch: the first undoing after it was settled that reaches down to its number. */
const undoneBy = (batch: Settled, all: readonly Undoing[]): Undoing | undefined =>
  all.find(
    ({ attester, number, at }) =>
      attester === batch.attester && number <= batch.number && isLater(at, batch.at),
  );

async function readBatch(chain: ChainView, settled: Settled, all: readonly Undoing[]) {
  const { attester, number, batch } = settled;
  const undone = undoneBy(settled, all);
  const stands = undone === undefined ? await readStanding(chain, attester, number) : undefined;
  return {
    attester,
    number: Number(number),
    state: undone !== undefined ? ("undone" as BatchState) : (stands?.state as BatchState),
    receipts: batch.receipts.count,
    channels: settled.intervals.length,
    totalWei: batch.total,
    finalAtSec: Number(stands?.finalAt ?? settled.finalAt),
    openDemands: stands?.openDemands ?? 0,
    undoneFor: undone?.reason ?? null,
    undoneIn: undone?.transactionHash ?? null,
    slashedWei: undone?.slashed ?? 0n,
    settledIn: settled.transactionHash,
  };
}

export type BatchJson = Awaited<ReturnType<typeof readBatch>>;

async function readStanding(chain: ChainView, attester: Address, number: bigint) {
  const { AttributionLedger } = chain.contracts;
  const [batch, [, , , , finalised]] = await Promise.all([
    chain.public.readContract({
      ...AttributionLedger,
      functionName: "batchOf",
      args: [attester, number],
      ...now,
    }),
    chain.public.readContract({ ...AttributionLedger, functionName: "attesterOf", args: [attester], ...now }),
  ]);
  const state: BatchState = number < finalised ? "final" : "open to challenge";
  return { state, finalAt: batch.finalAt, openDemands: batch.openDemands };
}

/** Every batch ever settled, the oldest first. */
export async function readBatches(chain: ChainView): Promise<BatchJson[]> {
  const [settled, undone] = await Promise.all([settledBatches(chain), undoings(chain)]);
  return Promise.all(settled.map((batch) => readBatch(chain, batch, undone)));
}

/**
 * The batch of this number that stands.
 *
 * @throws CliError when none does
 */
export async function findSettled(chain: ChainView, attester: Address, number: bigint): Promise<Settled> {
  const [settled, undone] = await Promise.all([settledBatches(chain), undoings(chain)]);
  const found = settled.find(
    (batch) =>
      batch.attester === attester && batch.number === number && undoneBy(batch, undone) === undefined,
  );
  if (found !== undefined) return found;
  throw new CliError(`There is no batch ${number} of ${attester} that stands.`, {
    fix: ["./openledger dispute list"],
    code: "unknown-batch",
  });
}

/** Undone batches of an attester whose channels are not all moved back, the newest first. */
export async function unrestored(chain: ChainView, attester: Address): Promise<Settled[]> {
  const [settled, undone, [, , , waiting]] = await Promise.all([
    settledBatches(chain),
    undoings(chain),
    chain.public.readContract({
      ...chain.contracts.AttributionLedger,
      functionName: "attesterOf",
      args: [attester],
      ...now,
    }),
  ]);
  return settled
    .filter((batch) => batch.attester === attester && undoneBy(batch, undone) !== undefined)
    .reverse()
    .slice(0, Number(waiting));
}
