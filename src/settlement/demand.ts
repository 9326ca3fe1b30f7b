import type { Hex } from "viem";
import { CallRevertedError, type ChainWriter, type ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type Digest,
  type IndexRow,
  openBalance,
  openBatch,
  openLine,
  openReceipt,
  toHex,
  zeroDigest,
} from "../protocol/index.ts";
import type { Blobs, Database, Queries, Transaction } from "../store/index.ts";
import { contentOf, findBatch } from "./batch.ts";
import { type PublishedContent, readContent } from "./content.ts";
import type { DisputeEvent } from "./disputes.ts";
import type { ChainFacts } from "./facts.ts";
import { opened, openedBalance, openedLine, payments } from "./prove.ts";
import { openIndex } from "./watch.ts";

/** What may be demanded of a batch, by the contract's numbers. */
export const demandKinds = ["receipt", "line", "balance", "row"] as const;
export type DemandKind = (typeof demandKinds)[number];

/** A demand as this node keeps it. */
export type Demand = {
  readonly itemId: Digest;
  readonly attester: Address;
  readonly number: number;
  /** Tells batches of one number apart. */
  readonly generation: number;
  readonly kind: DemandKind;
  /** Position in its list, or the row. */
  readonly index: number;
  /** Of a row's release; zero otherwise. */
  readonly releaseId: Digest;
  readonly demander: Address;
  readonly priceWei: bigint;
  readonly deadlineSec: number;
  readonly state: "open" | "answered" | "enforced" | "returned";
  /** Why the last attempt at an answer failed. */
  readonly error: string | null;
};

/** Writes down demands and what became of them. */
export async function projectDemands(events: readonly DisputeEvent[], tx: Transaction): Promise<void> {
  const close = (itemId: Hex, state: Demand["state"]) =>
    tx.query("update settlement.demands set state = $2, error = null where item_id = $1", [itemId, state]);
  for (const { eventName, args } of events) {
    if (eventName === "Demanded") {
      const { itemId, demander, item, price, deadline } = args;
      await tx.query(
        `insert into settlement.demands (item_id, attester, number, generation, kind, item_index, release_id, demander, price, deadline_sec)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (item_id) do nothing`,
        [
          itemId,
          toHex(item.attester),
          item.number,
          item.generation,
          item.kind,
          item.index,
          item.releaseId,
          toHex(demander),
          price,
          Number(deadline),
        ],
      );
    } else if (
      eventName === "ReceiptPublished" ||
      eventName === "LinePublished" ||
      eventName === "BalancePublished" ||
      eventName === "RowPublished"
    )
      await close(args.itemId, "answered");
    else if (eventName === "Enforced") await close(args.itemId, "enforced");
    else if (eventName === "Returned") await close(args.itemId, "returned");
  }
}

/** The most urgent first. */
export async function listDemands(
  queries: Queries,
  where: string,
  params: readonly unknown[],
  limit: number,
): Promise<Demand[]> {
  const rows = await queries.query<Omit<Demand, "kind"> & { kind: number }>(
    `select item_id as "itemId", attester, number, generation, kind, item_index as "index", release_id as "releaseId", demander,
       price as "priceWei", deadline_sec as "deadlineSec", state, error
     from settlement.demands where ${where} order by deadline_sec, item_id limit ${limit}`,
    params,
  );
  return rows.map((row) => ({ ...row, kind: demandKinds[row.kind]! }));
}

export type DemandParts = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "AttributionLedger" | "Demands" | "ProtocolParameters">;
  readonly facts: ChainFacts;
  readonly indexOf: (releaseId: Digest) => Promise<readonly IndexRow[] | undefined>;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

const answeredAtOnce = 64;

/**
 * Answers what is demanded of this operator's batches, the most urgent first. One that fails is said, kept and tried again at the
 * next round, until its deadline. Safe after a crash: the chain takes one answer.
 *
 * @returns how many were answered
 */
export async function answerDemands(parts: DemandParts): Promise<number> {
  const { database, chain, log } = parts;
  const open = await listDemands(
    database,
    "state = 'open' and attester = $1",
    [toHex(chain.account.address)],
    answeredAtOnce,
  );
  const batches = new Map<number, ReturnType<typeof ownBatch>>();
  let answered = 0;
  for (const one of open) {
    if (!(await isSame(parts, one))) continue;
    try {
      let batch = batches.get(one.number);
      if (batch === undefined) {
        batch = ownBatch(parts, one.number);
        batches.set(one.number, batch);
      }
      await answer(parts, one, await batch);
      await database.query(
        "update settlement.demands set state = 'answered', error = null where item_id = $1 and state = 'open'",
        [one.itemId],
      );
      answered++;
      log("info", `The demand for ${one.kind} ${one.index} of batch ${one.number} is answered.`);
    } catch (error) {
      if (error instanceof CallRevertedError && error.errorName === "NotOpen") continue;
      const { message } = error as Error;
      await database.query("update settlement.demands set error = $2 where item_id = $1", [
        one.itemId,
        message,
      ]);
      log(
        "warn",
        `The demand for ${one.kind} ${one.index} of batch ${one.number} is not answered yet, and costs the bond at ${one.deadlineSec}: ${message}`,
      );
    }
  }
  return answered;
}

/** This operator's batch with everything it commits to. */
async function ownBatch({ database, blobs }: DemandParts, number: number) {
  const batch = await findBatch(database, "number = $1 and state in ('pending', 'final')", [number]);
  if (batch === undefined) throw new Error(`Batch ${number} is not stored here: restore the newest backup.`);
  const before =
    number === 0
      ? undefined
      : await findBatch(database, "number = $1 and balances_root = $2", [
          number - 1,
          batch.previousBalancesRoot,
        ]);
  const previousBalances = before?.balances ?? { root: zeroDigest, count: 0 };
  const committed = {
    ...batch,
    previousBalances,
    intervals: batch.intervals,
    settledAt: 0n,
    attester: zeroDigest,
  };
  const content = await readContent(contentOf({ database, blobs }, batch), committed);
  return { content, batch: openBatch(committed, content).batch };
}

async function answer(
  { chain, contracts, facts, indexOf }: DemandParts,
  { attester, number, kind, index, releaseId }: Demand,
  own: { readonly content: PublishedContent; readonly batch: ReturnType<typeof openBatch>["batch"] },
): Promise<void> {
  const { Demands } = contracts;
  const at = [attester, number] as const;
  switch (kind) {
    case "receipt": {
      const receipt = openReceipt(own.batch, index);
      const { signature } = own.content.receipts[index]!;
      const { scores, query } = receipt;
      const opening = { ...opened(receipt), scores, query, payments: payments(receipt), signature };
      const args = [...at, index, opening] as const;
      await chain.write({ ...Demands, functionName: "answerReceipt", args });
      return;
    }
    case "line": {
      const args = [...at, index, openedLine(openLine(own.batch, index))] as const;
      await chain.write({ ...Demands, functionName: "answerLine", args });
      return;
    }
    case "balance": {
      const args = [...at, index, openedBalance(openBalance(own.batch, index))] as const;
      await chain.write({ ...Demands, functionName: "answerBalance", args });
      return;
    }
    case "row": {
      const release = await facts.release(releaseId);
      const rows = release && (await openIndex(release.facts, await indexOf(releaseId)));
      if (!rows)
        throw new Error(
          `The index of release ${releaseId} is not here: nobody can answer for its rows but its keeper.`,
        );
      const row = rows.open(index);
      const opening = { payee: row.payee, content: row.bytes, proof: [...row.proof] };
      const args = [...at, releaseId, index, opening] as const;
      await chain.write({ ...Demands, functionName: "answerRow", args });
    }
  }
}

/** What is demanded: of a row, the receipt that names its release. */
export type Wanted =
  | { readonly kind: "receipt" | "line" | "balance"; readonly index: number }
  | { readonly kind: "row"; readonly index: number; readonly receipt: Parameters<typeof opened>[0] & object };

/**
 * Demands an item of another attester's batch. The price is sent along; the minimum bond, which stays locked while the demand
 * is open, is deposited if it is not there.
 *
 * @returns the transaction
 */
export async function demandItem(
  { chain, contracts }: DemandParts,
  { attester, number }: { readonly attester: Address; readonly number: number },
  wanted: Wanted,
): Promise<Hex> {
  const { AttributionLedger, Demands, ProtocolParameters } = contracts;
  const own = [chain.account.address] as const;
  const [[bond, pending], minimum, value] = await Promise.all([
    chain.public.readContract({ ...AttributionLedger, functionName: "attesterOf", args: own }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "minimumBondWei" }),
    chain.public.readContract({ ...Demands, functionName: "priceOf", args: [attester, BigInt(number)] }),
  ]);
  const needed = (pending === 0n ? 0n : pending + minimum) + minimum;
  if (bond < needed)
    await chain.write({ ...AttributionLedger, functionName: "depositBond", value: needed - bond });
  const at = [attester, number] as const;
  if (wanted.kind === "row") {
    const { receipt, index } = wanted;
    const args = [...at, receipt.index, opened(receipt), index] as const;
    return (await chain.write({ ...Demands, functionName: "demandRow", args, value })).transactionHash;
  }
  const args = [...at, demandKinds.indexOf(wanted.kind), wanted.index] as const;
  return (await chain.write({ ...Demands, functionName: "demand", args, value })).transactionHash;
}

/**
 * Undoes the batches that left this operator's demands unanswered, and takes back what demands cost whose batch fell for another
 * reason. The reward is credited.
 *
 * @returns how many were enforced or returned
 */
export async function enforceDemands(parts: DemandParts): Promise<number> {
  const { database, chain, contracts, log } = parts;
  const { timestamp } = await chain.public.getBlock({ includeTransactions: false });
  const wallClock = BigInt(Math.floor(parts.now() / 1_000));
  const own = await listDemands(
    database,
    "state = 'open' and demander = $1",
    [toHex(chain.account.address)],
    answeredAtOnce,
  );
  let ended = 0;
  for (const one of own) {
    const stands = await isSame(parts, one);
    const isLate = (wallClock > timestamp ? wallClock : timestamp) >= BigInt(one.deadlineSec);
    if (stands && !isLate) continue;
    const { attester, number, generation, kind, index, releaseId } = one;
    const item = { attester, number, generation, kind: demandKinds.indexOf(kind), index, releaseId };
    const functionName = stands ? "enforce" : "returnFee";
    try {
      await chain.write({ ...contracts.Demands, functionName, args: [item] });
      ended++;
      log("info", `The demand for ${kind} ${index} of batch ${number} of ${attester}: ${functionName}.`);
    } catch (error) {
      log(
        "warn",
        `The demand for ${kind} ${index} of batch ${number} of ${attester}: ${(error as Error).message}`,
      );
    }
  }
  return ended;
}

function isSame({ chain, contracts }: DemandParts, one: Demand): Promise<boolean> {
  const args = [one.attester, BigInt(one.number), BigInt(one.generation)] as const;
  return chain.public.readContract({ ...contracts.AttributionLedger, functionName: "isSame", args });
}
