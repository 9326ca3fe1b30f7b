import { type ChainEvent, type ChainWriter, followEvents, type ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type Digest,
  type Hex,
  hashReceipt,
  type IndexRow,
  openReceipt,
  type PublishedBatch,
  type Receipt,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import type { SignedOpening } from "./content.ts";
import {
  answerDemands,
  type Demand,
  type DemandKind,
  demandItem,
  enforceDemands,
  listDemands,
  projectDemands,
} from "./demand.ts";
import { SettlementError } from "./errors.ts";
import { chainFacts } from "./facts.ts";
import { startRounds } from "./loop.ts";
import { prove } from "./prove.ts";
import { migrateSettlement } from "./tables.ts";
import { createTurns } from "./turns.ts";
import { checkWatched, type Finding, openWatched, truthful } from "./watch.ts";
import { listWatched, projectWatched, recordFinding, type WatchedBatch } from "./watched.ts";

export type DisputeContracts = Pick<
  ProtocolContracts,
  | "AttributionLedger"
  | "Demands"
  | "DatanetRegistry"
  | "FraudProofs"
  | "ModelRegistry"
  | "PaymentChannels"
  | "ProtocolParameters"
  | "ReleaseVerdicts"
>;

export type DisputeEvent = ChainEvent<Pick<DisputeContracts, "AttributionLedger" | "Demands">>;

export type DisputesDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  /** Its account sends proofs, demands and answers, and is rewarded. */
  readonly chain: ChainWriter;
  readonly contracts: DisputeContracts;
  readonly indexOf: (releaseId: Digest) => Promise<readonly IndexRow[] | undefined>;
  readonly fetchContent: (
    attester: Address,
    number: number,
  ) => Promise<AsyncIterable<Uint8Array> | undefined>;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly fromBlock?: bigint;
  readonly now?: () => number;
  readonly log?: (level: "info" | "warn", message: string) => void;
};

export type Disputes = {
  readonly operator: Address;
  /** Others' batches and what was found of them, newest first. */
  watched(limit: number): Promise<readonly WatchedBatch[]>;
  /**
   * Checks a batch that can still be challenged, and proves what is wrong with it.
   * @throws SettlementError `unknown-batch`
   */
  check(attester: Address, number: number, source?: AsyncIterable<Uint8Array>): Promise<Finding>;
  /** Checks every batch that was not checked yet. */
  checkAll(): Promise<readonly (Finding & { readonly attester: Address; readonly number: number })[]>;
  /**
   * What a batch that can still be challenged published, compared with what it committed to.
   * @throws SettlementError `unknown-batch`; `bad-content` where it is not to be had, or is not what was committed
   */
  open(attester: Address, number: number, source?: AsyncIterable<Uint8Array>): Promise<PublishedBatch>;
  /** What is demanded of anybody's batches, the most urgent first. */
  demands(limit: number): Promise<readonly Demand[]>;
  /** Demands an item that was withheld. For a row, `receipt` is the position of a receipt that names its release. @returns the transaction */
  demand(
    attester: Address,
    number: number,
    wanted: { readonly kind: DemandKind; readonly index: number; readonly receipt?: number },
    source?: AsyncIterable<Uint8Array>,
  ): Promise<Hex>;
  /** Answers what is demanded of this operator. @returns how many were answered */
  answer(): Promise<number>;
  /** Ends this operator's demands that were not answered in time, or whose batch fell otherwise. @returns how many */
  enforce(): Promise<number>;
  /**
   * Proves that an attester signed this receipt too, for money that another one of its batch spends. @returns the transaction
   * @throws SettlementError `unknown-receipt` if no receipt of the batch overlaps it
   */
  proveEquivocation(
    attester: Address,
    number: number,
    other: Receipt,
    signature: Hex,
    source?: AsyncIterable<Uint8Array>,
  ): Promise<Hex>;
  /** Reports a receipt that its operator signed and did not settle by its deadline. @returns the transaction */
  reportLate(receipt: Receipt, signature: Hex): Promise<Hex>;
  /** Pays out what the ledger credits to this operator, wei; 0 if nothing. */
  withdrawCredit(): Promise<bigint>;
  /**
   * The receipts of a batch that fell which tell the truth, from the content that was kept when it was proven to lie: what may be
   * settled again (`Settlement.adopt`).
   * @throws SettlementError `unknown-batch` if no such content was kept
   */
  fallen(attester: Address, number: number): Promise<readonly SignedOpening[]>;
  /** Answers, enforces and checks, again and again, until closed. */
  start(options: { readonly intervalMs: number }): void;
  close(): Promise<void>;
};

const checkedAtOnce = 100;

/** Watches the ledger: what others settle is checked, and what is demanded of this operator is answered. */
export async function openDisputes(dependencies: DisputesDependencies): Promise<Disputes> {
  const { database, chain, contracts, now = Date.now, log = () => {} } = dependencies;
  await migrateSettlement(database);
  const operator = toHex(chain.account.address);
  const facts = chainFacts(chain, contracts);
  const parts = { ...dependencies, facts, now, log };
  const follower = await followEvents({
    name: "disputes",
    database,
    client: chain.public,
    contracts: { AttributionLedger: contracts.AttributionLedger, Demands: contracts.Demands },
    fromBlock: dependencies.fromBlock ?? 0n,
    handle: async (events, tx) => {
      await projectWatched(operator, events as readonly DisputeEvent[], tx);
      await projectDemands(events as readonly DisputeEvent[], tx);
    },
    ...(dependencies.onBlock === undefined ? {} : { onBlock: dependencies.onBlock }),
    onError: (error) =>
      log("warn", `The disputes could not be followed: ${(error as Error).message}. It is tried again.`),
  });
  const { inTurn } = createTurns();

  /** Everything up to the latest block is in the tables, and what is final is marked so. */
  async function follow(): Promise<void> {
    await follower.reached(await chain.public.getBlockNumber({ cacheTime: 0 }));
    const open = await listWatched(database, "state not in ('undone', 'final')", [], checkedAtOnce);
    for (const attester of new Set(open.map((batch) => batch.attester))) {
      const [, , , , finalised] = await chain.public.readContract({
        ...contracts.AttributionLedger,
        functionName: "attesterOf",
        args: [attester],
      });
      await database.query(
        "update settlement.watched set state = 'final' where attester = $1 and number < $2 and state not in ('undone', 'final')",
        [attester, Number(finalised)],
      );
    }
  }

  const openBatches = (where: string, params: readonly unknown[]) =>
    listWatched(database, `state not in ('undone', 'final') and ${where}`, params, checkedAtOnce);

  async function openBatchOf(attester: Address, number: number) {
    await follow();
    const [batch] = await openBatches("attester = $1 and number = $2", [toHex(attester), number]);
    if (batch !== undefined) return batch;
    throw new SettlementError(
      "unknown-batch",
      `There is no batch ${number} of ${attester} that can be challenged: list what is watched.`,
    );
  }
  const answer = () =>
    inTurn(async () => {
      await follow();
      return answerDemands(parts);
    });
  const enforce = () =>
    inTurn(async () => {
      await follow();
      return enforceDemands(parts);
    });
  const checkAll: Disputes["checkAll"] = () =>
    inTurn(async () => {
      await follow();
      const findings = [];
      for (const batch of await openBatches("state in ('unchecked', 'unreadable')", [])) {
        const { attester, number } = batch;
        try {
          findings.push({ ...(await checkWatched(parts, batch)), attester, number });
        } catch (error) {
          const detail = (error as Error).message;
          log("warn", `Batch ${number} of ${attester} could not be checked: ${detail}`);
          await recordFinding(database, batch, { state: batch.state, detail, atMs: now() });
        }
      }
      return findings;
    });
  async function openedBatch(attester: Address, number: number, source?: AsyncIterable<Uint8Array>) {
    const watched = await openBatchOf(attester, number);
    const found = source ?? (await dependencies.fetchContent(watched.attester, number));
    if (found === undefined)
      throw new SettlementError(
        "bad-content",
        `The content of batch ${number} of ${attester} is not to be had: say where it is.`,
      );
    const { batch, withheld } = await openWatched(parts, watched, found);
    if (withheld !== null) throw new SettlementError("bad-content", withheld);
    return batch;
  }
  let loop: ReturnType<typeof startRounds> | undefined;

  return {
    operator,
    watched: async (limit) => {
      await follow();
      const rows = await listWatched(database, "true", [], limit);
      return rows.map(({ chain: _, ...batch }) => batch);
    },
    check: (attester, number, source) =>
      inTurn(async () => {
        return checkWatched(parts, await openBatchOf(attester, number), source);
      }),
    checkAll,
    open: openedBatch,
    demands: async (limit) => {
      await follow();
      return listDemands(database, "true", [], limit);
    },
    demand: (attester, number, { kind, index, receipt }, source) =>
      inTurn(async () => {
        const batch = { attester: toHex(attester), number };
        if (kind !== "row") return demandItem(parts, batch, { kind, index });
        const content = await openedBatch(attester, number, source);
        if (receipt === undefined || receipt >= content.receipts.length)
          throw new SettlementError(
            "unknown-receipt",
            "Name a receipt of the batch whose release the row is of.",
          );
        return demandItem(parts, batch, { kind, index, receipt: openReceipt(content, receipt) });
      }),
    answer,
    enforce,
    proveEquivocation: (attester, number, other, signature, source) =>
      inTurn(async () => {
        const batch = await openedBatch(attester, number, source);
        const id = hashReceipt(other);
        const at = batch.receipts.findIndex(
          ({ receipt }) =>
            sameHex(receipt.channelId, other.channelId) &&
            receipt.from < other.to &&
            other.from < receipt.to &&
            hashReceipt(receipt) !== id,
        );
        if (at === -1)
          throw new SettlementError("unknown-receipt", `No other receipt of batch ${number} overlaps it.`);
        const lie = { kind: "equivocation", receipt: openReceipt(batch, at), other, signature } as const;
        return (await prove(chain, contracts, { attester, number }, lie)).transactionHash;
      }),
    reportLate: async (receipt, signature) => {
      const args = [receipt, signature] as const;
      const call = { ...contracts.AttributionLedger, functionName: "reportLate", args } as const;
      return (await chain.write(call)).transactionHash;
    },
    withdrawCredit: async () => {
      const args = [operator] as const;
      const ledger = contracts.AttributionLedger;
      const credit = await chain.public.readContract({ ...ledger, functionName: "creditOf", args });
      if (credit > 0n) await chain.write({ ...ledger, functionName: "withdrawCredit", args });
      return credit;
    },
    fallen: (attester, number) =>
      inTurn(async () => {
        await follow();
        const [batch] = await listWatched(
          database,
          "state = 'undone' and content_digest is not null and attester = $1 and number = $2",
          [toHex(attester), number],
          1,
        );
        if (batch === undefined)
          throw new SettlementError(
            "unknown-batch",
            `No content of a batch ${number} of ${attester} that fell was kept here.`,
          );
        return truthful(parts, batch);
      }),
    start: ({ intervalMs }) => {
      loop ??= startRounds(
        async () => {
          // Deadlines first: silence costs the bond.
          await answer();
          await enforce();
          await checkAll();
        },
        intervalMs,
        log,
      );
    },
    close: async () => {
      await loop?.close();
      await inTurn(async () => {});
      await follower.stop();
    },
  };
}
