import { randomBytes } from "node:crypto";
import type { Hex } from "viem";
import type { EmbeddedChain } from "./embedded.ts";
import { RpcError, rpcCodes } from "./errors.ts";
import { type FilterableLog, logFilter } from "./log-filter.ts";

/** Where a subscriber's notifications go: the subscription's id and the result. */
export type Notify = (subscription: Hex, result: unknown) => void;

/** One connection's subscriptions. */
export type Subscriber = {
  /** `eth_subscribe`: newHeads, logs or newPendingTransactions. @throws RpcError */
  subscribe(params: readonly unknown[]): Hex;
  /** `eth_unsubscribe`. False: there is none of this id. */
  unsubscribe(params: readonly unknown[]): boolean;
  count(): number;
  close(): void;
};

export type Subscriptions = {
  subscriber(notify: Notify): Subscriber;
  count(): number;
  close(): void;
};

/** Subscriptions one connection may have. */
export const subscriptionsMax = 64;

type Subscription = {
  readonly id: Hex;
  readonly notify: Notify;
  /** Blocks up to this one were there before the subscription. */
  readonly afterBlock: number;
} & (
  | { readonly kind: "newHeads" | "newPendingTransactions" }
  | { readonly kind: "logs"; readonly matches: (log: FilterableLog) => boolean }
);

/** What a block has beyond its header. */
const notInHeader = ["size", "totalDifficulty", "transactions", "uncles", "withdrawals"];

/**
 * `eth_subscribe` (https://geth.ethereum.org/docs/interacting-with-geth/rpc/pubsub). Blocks are told in order, each
 * after it is on the disk; a block's logs are read once for all subscribers.
 */
export function createSubscriptions(
  chain: Pick<EmbeddedChain, "request" | "onBlock" | "onPending" | "status">,
  onInternalError: (error: unknown) => void = () => {},
): Subscriptions {
  const all = new Map<Hex, Subscription>();
  let toldBlock = chain.status().blockNumber;
  let telling = false;
  const stopBlocks = chain.onBlock(() => void tell());
  const stopPending = chain.onPending((hash) => {
    for (const one of all.values()) if (one.kind === "newPendingTransactions") one.notify(one.id, hash);
  });

  async function tell(): Promise<void> {
    if (telling) return;
    telling = true;
    try {
      while (toldBlock < chain.status().blockNumber) {
        const number = toldBlock + 1;
        await tellBlock(number);
        toldBlock = number;
      }
    } catch (error) {
      onInternalError(error);
    } finally {
      telling = false;
    }
  }

  async function tellBlock(number: number): Promise<void> {
    const waiting = () => [...all.values()].filter(({ afterBlock }) => afterBlock < number);
    const tag = `0x${number.toString(16)}`;
    if (waiting().some(({ kind }) => kind === "newHeads")) {
      const block = (await chain.request({
        method: "eth_getBlockByNumber",
        params: [tag, false],
      })) as object;
      const header = Object.fromEntries(
        Object.entries(block).filter(([name]) => !notInHeader.includes(name)),
      );
      for (const one of waiting()) if (one.kind === "newHeads") one.notify(one.id, header);
    }
    if (waiting().some(({ kind }) => kind === "logs")) {
      const logs = (await chain.request({
        method: "eth_getLogs",
        params: [{ fromBlock: tag, toBlock: tag }],
      })) as FilterableLog[];
      for (const one of waiting())
        if (one.kind === "logs") for (const log of logs) if (one.matches(log)) one.notify(one.id, log);
    }
  }

  function subscriber(notify: Notify): Subscriber {
    const own = new Set<Hex>();
    return {
      subscribe([kind, criteria = {}]) {
        if (own.size >= subscriptionsMax) {
          throw new RpcError(
            rpcCodes.limitExceeded,
            `this connection has ${own.size} subscriptions, at most ${subscriptionsMax} are kept: unsubscribe first`,
          );
        }
        const id: Hex = `0x${randomBytes(16).toString("hex")}`;
        const common = { id, notify, afterBlock: chain.status().blockNumber };
        if (kind === "newHeads" || kind === "newPendingTransactions") all.set(id, { ...common, kind });
        else if (kind === "logs") all.set(id, { ...common, kind, matches: logFilter(criteria) });
        else {
          throw new RpcError(
            rpcCodes.invalidParams,
            "eth_subscribe takes newHeads, logs or newPendingTransactions",
          );
        }
        own.add(id);
        return id;
      },
      unsubscribe([id]) {
        if (!own.delete(id as Hex)) return false;
        return all.delete(id as Hex);
      },
      count: () => own.size,
      close() {
        for (const id of own) all.delete(id);
        own.clear();
      },
    };
  }

  return {
    subscriber,
    count: () => all.size,
    close() {
      stopBlocks();
      stopPending();
      all.clear();
    },
  };
}
