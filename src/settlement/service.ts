import { type ChainWriter, followEvents, type ProtocolContracts } from "../chain/index.ts";
import type { CollectEnd, CollectResult } from "../payments/index.ts";
import {
  type Address,
  type Digest,
  type Domain,
  domain,
  positionalProof,
  type ReceiptBundle,
  toHex,
} from "../protocol/index.ts";
import type { Blobs, Database, Transaction } from "../store/index.ts";
import { type Earner, listEarners, type PayeeBalance, readBalance } from "./balance.ts";
import { type BatchRow, contentOf, findBatch, findBatches, readBatch, treeCache } from "./batch.ts";
import { changesAfter, type SettlementChange, type SettlementCursor } from "./changes.ts";
import {
  type Claim,
  type ClaimProof,
  type ClaimResult,
  claimable,
  claimFor,
  claimProof,
  type LedgerEvent,
  listClaims,
  projectClaims,
  unclaimed,
} from "./claim.ts";
import type { SignedOpening } from "./content.ts";
import { incomeOf, paidBy, type ReleaseIncome } from "./earned.ts";
import { SettlementError } from "./errors.ts";
import { chainFacts } from "./facts.ts";
import { type Ledger, ledgerOf } from "./ledger.ts";
import { type LoopOptions, type SettlementLoop, startLoop } from "./loop.ts";
import {
  acceptReceipt,
  type ListedReceipt,
  listReceipts,
  type ReceiptFilter,
  readReceipt,
  type StoredReceipt,
} from "./receipt.ts";
import { type Adopted, adoptReceipts } from "./resettle.ts";
import { type SettleLimits, type SettleResult, settleLimits, settleOnce } from "./settle.ts";
import { refresh } from "./standing.ts";
import { migrateSettlement } from "./tables.ts";
import { createTurns, followWhenChanged } from "./turns.ts";
import { undoneMax } from "./waiting.ts";

export type SettlementDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** Its account is the operator: it settles, stands the bond, and sends claims. */
  readonly chain: ChainWriter;
  readonly contracts: Pick<
    ProtocolContracts,
    | "AttributionLedger"
    | "DatanetRegistry"
    | "ModelRegistry"
    | "PaymentChannels"
    | "ProtocolParameters"
    | "ReleaseVerdicts"
  >;
  /** Brings vouchers to the chain: `payments.collect`. */
  readonly collect: (ends: readonly CollectEnd[]) => Promise<CollectResult>;
  /** Asks for a block at a time, seconds; needed where blocks are only mined on demand. */
  readonly scheduleBlockAt?: (timestampSec: number) => Promise<void>;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly fromBlock?: bigint;
  readonly limits?: Partial<SettleLimits>;
  /** 5,000 unless given: half as much again as is needed. */
  readonly bondMarginBps?: number;
  /** 0.1 OPEN unless given. */
  readonly gasReserveWei?: bigint;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: (level: "info" | "warn", message: string) => void;
};

/** A receipt with its bundle and its place in the batch. */
export type ReceiptView = StoredReceipt & {
  readonly bundle: ReceiptBundle;
  /** Null until it is on chain. */
  readonly proof: {
    readonly root: Digest;
    readonly count: number;
    readonly index: number;
    readonly siblings: readonly Digest[];
    readonly finalAtSec: number;
  } | null;
};

/** Where settlement stands. */
export type SettlementStatus = {
  readonly operator: Address;
  readonly ledger: Address;
  readonly waitingReceipts: number;
  readonly waitingWei: bigint;
  /** Receipts that no run will settle again: their batches were undone too often. A person must look. */
  readonly disputedReceipts: number;
  readonly bondWei: bigint;
  /** Worth of batches that are not final, wei. */
  readonly unfinalWei: bigint;
  readonly batches: number;
  readonly finalBatches: number;
};

export type Settlement = {
  readonly operator: Address;
  /** Where receipts are signed for. */
  readonly domain: Domain;
  /** Takes a signed receipt inside the caller's transaction; the same one again changes nothing. */
  accept(tx: Transaction, bundle: ReceiptBundle): Promise<{ receiptId: Digest; created: boolean }>;
  receipt(receiptId: Digest): Promise<ReceiptView>;
  receipts(filter: ReceiptFilter): Promise<ListedReceipt[]>;
  /** What happened after a cursor; see `changes.ts`. */
  changes(
    cursor: SettlementCursor | null,
    limit: number,
  ): Promise<{ changes: SettlementChange[]; cursor: SettlementCursor; more: boolean }>;
  /** Settles what waits, at most one batch. Calls wait for each other. */
  settle(): Promise<SettleResult>;
  /** Settles until nothing that can be settled waits, at most 100 batches. */
  settleNow(): Promise<SettleResult[]>;
  /** Brings the batches' states up to what the chain says; reads do it by themselves. */
  follow(): Promise<void>;
  batches(page: { before?: number; limit: number }): Promise<BatchRow[]>;
  batch(batchId: number): Promise<BatchRow>;
  /**
   * Everything that a batch of this operator commits to, as JSON Lines (docs/protocol.md, section 7). Of a batch that was undone
   * too, while none stands under its number.
   * @throws SettlementError `unknown-batch`
   */
  content(number: number): Promise<AsyncIterable<Uint8Array>>;
  status(): Promise<SettlementStatus>;
  balance(payee: Address): Promise<PayeeBalance>;
  /** What releases took in, by release; those without a paid answer are left out. */
  income(releaseIds: readonly Digest[]): Promise<ReleaseIncome[]>;
  /** What these releases' receipts give to payees. */
  paidBy(releaseIds: readonly Digest[], payees: readonly Address[]): ReturnType<typeof paidBy>;
  /** Whom receipts pay, who is paid most first. */
  earners(options: { readonly limit: number; readonly releaseId?: Digest }): Promise<Earner[]>;
  claimable(payee: Address): Promise<bigint>;
  claimProof(payee: Address): Promise<ClaimProof | undefined>;
  /** Sends the claim of a payee; the money goes to the payee. Nothing to claim is no error. */
  claim(payee: Address): Promise<ClaimResult>;
  /** Claims for everyone of the latest final batch who can claim at least `leastWei`; one that fails does not stop the others. */
  claimAll(options?: {
    leastWei?: bigint;
    limit?: number;
  }): Promise<{ claims: ClaimResult[]; failures: { payee: Address; error: string }[] }>;
  claims(payee: Address): Promise<Claim[]>;
  /**
   * Takes over the receipts of another attester's batch that fell, to settle them with the next batch. That they tell the truth
   * MUST have been checked: see `Disputes.resettle`.
   */
  adopt(openings: readonly SignedOpening[]): Promise<Adopted>;
  /** Settles in the background until closed. */
  start(options: LoopOptions): SettlementLoop;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const batchesAtOnce = 100;
const claimsAtOnce = 1_000;

/** Opens the room's service: brings its tables up to date and follows the ledger's claims. */
export async function openSettlement(dependencies: SettlementDependencies): Promise<Settlement> {
  const { database, blobs, chain, contracts, now = Date.now, log = () => {} } = dependencies;
  await migrateSettlement(database);
  const ledger = ledgerOf(chain, contracts);
  const operator = ledger.attester;
  const receiptDomain = domain(chain.chain.id, ledger.address);
  const trees = treeCache({ database, blobs });
  const facts = chainFacts(chain, contracts);
  const parts = {
    database,
    blobs,
    ledger,
    trees,
    chainId: chain.chain.id,
    limits: { ...settleLimits, ...dependencies.limits },
    bondMarginBps: dependencies.bondMarginBps ?? 5_000,
    gasReserveWei: dependencies.gasReserveWei ?? 10n ** 17n,
    collect: dependencies.collect,
    settleable: facts.settleable,
    ...(dependencies.scheduleBlockAt === undefined ? {} : { scheduleBlockAt: dependencies.scheduleBlockAt }),
    now,
    log,
  };
  const follower = await followEvents({
    name: "settlement",
    database,
    client: chain.public,
    contracts: { AttributionLedger: contracts.AttributionLedger },
    fromBlock: dependencies.fromBlock ?? 0n,
    handle: (events, tx) => projectClaims(operator, events as readonly LedgerEvent[], tx),
    ...(dependencies.onBlock === undefined ? {} : { onBlock: dependencies.onBlock }),
    onError: (error) =>
      log("warn", `The ledger could not be followed: ${(error as Error).message}. It is tried again.`),
  });
  const { inTurn, isBusy } = createTurns();
  const loops = new Set<SettlementLoop>();
  const settle = () => inTurn(() => settleOnce(parts));
  const follow = async () => {
    await inTurn(() => refresh(parts));
  };
  const glance = followWhenChanged(ledger, isBusy, follow);
  const claim = (payee: Address) =>
    inTurn(async () => {
      await refresh(parts);
      return claimFor(parts, payee);
    });

  const close = async () => {
    await Promise.all([...loops].map((loop) => loop.close()));
    await inTurn(async () => {});
    await follower.stop();
  };
  return {
    operator,
    domain: receiptDomain,
    accept: (tx, bundle) => acceptReceipt({ domain: receiptDomain, operator, now }, tx, bundle),
    receipt: async (receiptId) => {
      await glance();
      return viewOf(parts, await readReceipt(database, toHex(receiptId)));
    },
    receipts: async (filter) => {
      await glance();
      return listReceipts(database, filter);
    },
    changes: async (cursor, limit) => {
      if (Object.keys(cursor?.open ?? {}).length > 0) await glance();
      return changesAfter(database, cursor, limit);
    },
    settle,
    settleNow: async () => {
      const results: SettleResult[] = [];
      while (results.length < batchesAtOnce) {
        const result = await settle();
        results.push(result);
        if (result.batch === null) break;
      }
      return results;
    },
    follow,
    batches: async ({ before, limit }) => {
      await glance();
      return findBatches(database, "($1::bigint is null or id < $1) order by id desc limit $2", [
        before ?? null,
        limit,
      ]);
    },
    batch: async (batchId) => {
      await glance();
      return readBatch(database, batchId);
    },
    content: async (number) => {
      await glance();
      const batch = await findBatch(
        database,
        "number = $1 and transaction_hash is not null order by id desc",
        [number],
      );
      if (batch !== undefined) return contentOf(parts, batch);
      throw new SettlementError(
        "unknown-batch",
        `There is no batch ${number} of ${operator} here. List the batches.`,
      );
    },
    status: async () => {
      await glance();
      return statusOf(parts);
    },
    earners: (options) => listEarners(database, options),
    balance: async (payee) => {
      await glance();
      return readBalance(parts, payee);
    },
    income: (releaseIds) => incomeOf(database, releaseIds),
    paidBy: (releaseIds, payees) => paidBy(database, releaseIds, payees),
    claimable: async (payee) => {
      await glance();
      return claimable(parts, payee);
    },
    claimProof: async (payee) => {
      await glance();
      return claimProof(parts, payee);
    },
    claim,
    claimAll: async ({ leastWei = 1n, limit = claimsAtOnce } = {}) => {
      await follow();
      const claims: ClaimResult[] = [];
      const failures: { payee: Address; error: string }[] = [];
      for (const { payee } of await unclaimed(parts, { leastWei, limit })) {
        try {
          claims.push(await claim(payee));
        } catch (error) {
          failures.push({ payee, error: (error as Error).message });
        }
      }
      return { claims, failures };
    },
    claims: async (payee) => {
      await follower.reached(await ledger.blockNumber());
      return listClaims(database, payee);
    },
    adopt: (openings) => inTurn(() => adoptReceipts({ ...parts, chain, contracts, facts }, openings)),
    start: (options) => {
      const loop = startLoop({ database, settle, follow, now, log }, options);
      loops.add(loop);
      return loop;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function viewOf(
  { database, trees }: { database: Database; trees: ReturnType<typeof treeCache> },
  found: StoredReceipt & { bundle: ReceiptBundle },
): Promise<ReceiptView> {
  if (found.batchId === null || (found.state !== "batched" && found.state !== "final"))
    return { ...found, proof: null };
  const batch = await readBatch(database, found.batchId);
  const tree = await trees.receipts(batch.batchId, batch.receipts.root);
  const index = found.position!;
  return {
    ...found,
    proof: {
      ...batch.receipts,
      index,
      siblings: positionalProof(tree, index),
      finalAtSec: batch.finalAtSec!,
    },
  };
}

async function statusOf({
  database,
  ledger,
}: {
  database: Database;
  ledger: Ledger;
}): Promise<SettlementStatus> {
  const [waiting] = await database.query<{ receipts: number; wei: bigint; disputed: number }>(
    `select count(*) as receipts, coalesce(sum(to_wei - from_wei), 0) as wei, count(*) filter (where undone >= $1) as disputed
     from settlement.receipts where batch_id is null and not lost`,
    [undoneMax],
  );
  const attester = await ledger.attesterOf();
  return {
    operator: ledger.attester,
    ledger: ledger.address,
    waitingReceipts: waiting!.receipts,
    waitingWei: waiting!.wei,
    disputedReceipts: waiting!.disputed,
    bondWei: attester.bond,
    unfinalWei: attester.pending,
    batches: attester.batches,
    finalBatches: attester.finalised,
  };
}
