import { parseEventLogs } from "viem";
import { CallRevertedError, type ChainWriter, type ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type ChannelInterval,
  type Commitment,
  type Digest,
  type Hex,
  toHex,
} from "../protocol/index.ts";

/** What stands on chain for an attester. Amounts in wei. */
export type Attester = {
  readonly bond: bigint;
  /** Worth of the batches that are not final. */
  readonly pending: bigint;
  /** Batches that count; the next one carries this number. */
  readonly batches: number;
  /** Batches that were undone and wait for their channels to be restored. */
  readonly undone: number;
  /** Batches that are final. */
  readonly finalised: number;
};

/** What a batch commits to on chain. */
export type Commitments = {
  readonly number: number;
  readonly previousBalancesRoot: Digest;
  readonly receipts: Commitment;
  readonly journal: Commitment;
  readonly balances: Commitment;
  readonly total: bigint;
};

/** How far a channel is settled, and who may go on. */
export type ChannelState = {
  /** wei of the channel's cumulative amount. */
  readonly settled: bigint;
  /** 0: only its payee settles. 1: a batch over it fell, and anyone settles up to `reopenedTo`. 2: nobody, until it is refunded. */
  readonly undone: number;
  readonly reopenedTo: bigint;
  /** Until then only its payee settles what fell, seconds. */
  readonly payeeFirstUntil: bigint;
  /** Whose batches covered it last. */
  readonly settler: Address;
};

/** Where and when a transaction was mined. */
export type Mined = { readonly transactionHash: Hex; readonly gasUsed: bigint };

/** What this room needs of the `AttributionLedger` contract. */
export type Ledger = {
  readonly address: Address;
  readonly attester: Address;
  attesterOf(): Promise<Attester>;
  /** The roots of a batch that counts; undefined where there is none. */
  batchOf(
    number: number,
  ): Promise<{ receipts: Commitment; journal: Commitment; balances: Commitment } | undefined>;
  settledOf(channelId: Digest): Promise<bigint>;
  claimedOf(payee: Address): Promise<bigint>;
  /** Demands that the operator has open against others: while there are any, its minimum bond stays locked. */
  locks(): Promise<number>;
  /** What may happen to a channel's pointer. */
  channelState(channelId: Digest): Promise<ChannelState>;
  minimumBond(): Promise<bigint>;
  /** What the operator owns, wei. */
  operatorBalance(): Promise<bigint>;
  blockNumber(): Promise<bigint>;
  /** Of the latest block, seconds. */
  blockTime(): Promise<bigint>;
  depositBond(wei: bigint): Promise<Mined>;
  settle(batch: Commitments, intervals: readonly ChannelInterval[]): Promise<Mined & { finalAtSec: number }>;
  /** The transaction that settled batch `number`, looked for from a block on. */
  findSettled(number: number, fromBlock: bigint): Promise<(Mined & { finalAtSec: number }) | undefined>;
  /** Moves back the channels of the newest undone batch, in as many transactions as it takes. By anyone, for any attester. */
  restore(intervals: readonly ChannelInterval[], of?: Address): Promise<void>;
  claim(input: {
    number: number;
    index: number;
    payee: Address;
    credit: bigint;
    cumulative: bigint;
    proof: readonly Digest[];
  }): Promise<Mined>;
};

/** Channels that one transaction moves back. */
const restoredAtOnce = 128;
/** Blocks searched at once; a node refuses more than 10,000. */
const blocksAtOnce = 5_000n;

/** The ledger, as the operator reads and writes it. */
export function ledgerOf(
  chain: ChainWriter,
  contracts: Pick<ProtocolContracts, "AttributionLedger" | "ProtocolParameters">,
): Ledger {
  const contract = contracts.AttributionLedger;
  const attester = toHex(chain.account.address);
  const read = chain.public;
  const commitment = (root: Hex, count: number): Commitment => ({ root: toHex(root), count });

  return {
    address: toHex(contract.address),
    attester,
    attesterOf: async () => {
      const [bond, pending, batches, undone, finalised] = await read.readContract({
        ...contract,
        functionName: "attesterOf",
        args: [attester],
      });
      return {
        bond,
        pending,
        batches: Number(batches),
        undone: Number(undone),
        finalised: Number(finalised),
      };
    },
    batchOf: async (number) => {
      try {
        const batch = await read.readContract({
          ...contract,
          functionName: "batchOf",
          args: [attester, BigInt(number)],
        });
        return {
          receipts: commitment(batch.receiptsRoot, batch.receiptCount),
          journal: commitment(batch.journalRoot, batch.journalCount),
          balances: commitment(batch.balancesRoot, batch.balanceCount),
        };
      } catch (error) {
        const explained = chain.explain(error, "AttributionLedger.batchOf");
        if (explained instanceof CallRevertedError && explained.errorName === "NoSuchBatch") return undefined;
        throw explained;
      }
    },
    settledOf: (channelId) =>
      read.readContract({ ...contract, functionName: "settledOf", args: [channelId] }),
    locks: async () => {
      const [, , , locks] = await read.readContract({
        ...contract,
        functionName: "accountOf",
        args: [attester],
      });
      return Number(locks);
    },
    channelState: async (channelId) => {
      const [[state, reopenedTo, settler], window] = await Promise.all([
        read.readContract({ ...contract, functionName: "channelState", args: [channelId] }),
        read.readContract({ ...contracts.ProtocolParameters, functionName: "settlementWindowSeconds" }),
      ]);
      const { settled, undone, reopenedAt } = state;
      const payeeFirstUntil = BigInt(reopenedAt) + window;
      return { settled, undone, reopenedTo, payeeFirstUntil, settler: toHex(settler) };
    },
    claimedOf: (payee) =>
      read.readContract({ ...contract, functionName: "claimedOf", args: [attester, payee] }),
    minimumBond: () => read.readContract({ ...contracts.ProtocolParameters, functionName: "minimumBondWei" }),
    operatorBalance: () => read.getBalance({ address: attester }),
    blockNumber: () => read.getBlockNumber({ cacheTime: 0 }),
    blockTime: async () => (await read.getBlock({ includeTransactions: false })).timestamp,
    depositBond: (wei) => chain.write({ ...contract, functionName: "depositBond", value: wei }),
    settle: async (batch, intervals) => {
      const receipt = await chain.write({
        ...contract,
        functionName: "settle",
        args: [batch, intervals.map(({ channelId, to }) => ({ channelId, to }))],
      });
      const [event] = parseEventLogs({ abi: contract.abi, eventName: "BatchSettled", logs: receipt.logs });
      if (event === undefined)
        throw new Error(
          `Transaction ${receipt.transactionHash} settled no batch: is ${contract.address} the ledger?`,
        );
      return { ...receipt, finalAtSec: Number(event.args.finalAt) };
    },
    findSettled: async (number, fromBlock) => {
      const head = await read.getBlockNumber({ cacheTime: 0 });
      for (let from = fromBlock; from <= head; from += blocksAtOnce) {
        const to = from + blocksAtOnce - 1n;
        const [event] = await read.getContractEvents({
          ...contract,
          eventName: "BatchSettled",
          args: { attester, number: BigInt(number) },
          fromBlock: from,
          toBlock: to < head ? to : head,
          strict: true,
        });
        if (event === undefined) continue;
        const { transactionHash } = event;
        const { gasUsed } = await chain.waitForReceipt(transactionHash);
        return { transactionHash, gasUsed, finalAtSec: Number(event.args.finalAt) };
      }
      return undefined;
    },
    restore: async (intervals, of = attester) => {
      for (let left = intervals.length; left > 0; left -= restoredAtOnce) {
        const args = [of, intervals.map((one) => ({ ...one })), BigInt(restoredAtOnce)] as const;
        const receipt = await chain.write({ ...contract, functionName: "restore", args });
        const [event] = parseEventLogs({
          abi: contract.abi,
          eventName: "ChannelsRestored",
          logs: receipt.logs,
        });
        if (event?.args.from === 0n) return;
      }
    },
    claim: ({ number, index, payee, credit, cumulative, proof }) =>
      chain.write({
        ...contract,
        functionName: "claim",
        args: [attester, BigInt(number), BigInt(index), payee, credit, cumulative, [...proof]],
      }),
  };
}
