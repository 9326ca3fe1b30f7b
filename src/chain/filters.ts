import { randomBytes } from "node:crypto";
import type { Hex } from "viem";
import { RpcError, rpcCodes } from "./errors.ts";

/** Bounds on filters that are polled. */
export const filterLimits = {
  /** Of all clients together: they are not known by name. */
  filters: 1_000,
  /** One that is not polled for so long is forgotten. */
  idleMs: 300_000,
  /** Blocks one poll goes through: the next poll goes on after them. */
  blocksAtOnce: 1_000,
  /** Pending transactions kept between two polls; older ones are dropped. */
  pendingKept: 1_000,
} as const;

type Filter = {
  readonly criteria:
    | { readonly kind: "blocks" | "pending" }
    | { readonly kind: "logs"; readonly filter: object };
  nextBlock: number;
  usedAtMs: number;
};

export type FilterContext = {
  readonly head: () => Promise<number>;
  readonly blockHash: (number: number) => Promise<Hex>;
  /** Logs of a bounded range. @throws RpcError */
  readonly logs: (filter: object) => Promise<unknown>;
  readonly onPending: (listener: (hash: Hex) => void) => () => void;
  readonly nowMs: () => number;
};

/** The methods of filters by name: `eth_newFilter` and its kin, of the execution API's specification. */
export function createFilters(
  context: FilterContext,
): Readonly<Record<string, (params: readonly unknown[]) => Promise<unknown>>> {
  const filters = new Map<Hex, Filter>();
  const pending: Hex[] = [];
  let pendingSeen = 0;
  context.onPending((hash) => {
    pendingSeen += 1;
    pending.push(hash);
    if (pending.length > filterLimits.pendingKept) pending.shift();
  });

  async function create(criteria: Filter["criteria"]): Promise<Hex> {
    const now = context.nowMs();
    for (const [id, { usedAtMs }] of filters) if (now - usedAtMs > filterLimits.idleMs) filters.delete(id);
    if (filters.size >= filterLimits.filters) {
      throw new RpcError(
        rpcCodes.limitExceeded,
        `${filters.size} filters are kept for all clients already: use eth_getLogs, or eth_subscribe over WebSocket`,
      );
    }
    const id: Hex = `0x${randomBytes(16).toString("hex")}`;
    const nextBlock = criteria.kind === "pending" ? pendingSeen : (await context.head()) + 1;
    filters.set(id, { criteria, nextBlock, usedAtMs: now });
    return id;
  }

  function find([id]: readonly unknown[]): Filter {
    const filter = filters.get(id as Hex);
    if (filter === undefined) {
      throw new RpcError(
        rpcCodes.server,
        `filter not found: it is forgotten ${filterLimits.idleMs / 1000} seconds after its last poll, and when the node restarts`,
      );
    }
    filter.usedAtMs = context.nowMs();
    return filter;
  }

  async function changes(filter: Filter): Promise<unknown> {
    const { criteria, nextBlock } = filter;
    if (criteria.kind === "pending") {
      filter.nextBlock = pendingSeen;
      return nextBlock === pendingSeen
        ? []
        : pending.slice(Math.max(nextBlock - pendingSeen, -pending.length));
    }
    const last = Math.min(await context.head(), nextBlock + filterLimits.blocksAtOnce - 1);
    if (last < nextBlock) return [];
    filter.nextBlock = last + 1;
    if (criteria.kind === "logs") {
      const range = { fromBlock: hex(nextBlock), toBlock: hex(last) };
      return context.logs({ ...criteria.filter, ...range }).catch((error) => {
        filter.nextBlock = nextBlock;
        throw error;
      });
    }
    const numbers = Array.from({ length: last - nextBlock + 1 }, (_, i) => nextBlock + i);
    return Promise.all(numbers.map(context.blockHash));
  }

  return {
    eth_newBlockFilter: () => create({ kind: "blocks" }),
    eth_newPendingTransactionFilter: () => create({ kind: "pending" }),
    async eth_newFilter([filter = {}]) {
      if (typeof filter !== "object" || filter === null || Array.isArray(filter) || "blockHash" in filter)
        throw new RpcError(
          rpcCodes.invalidParams,
          "eth_newFilter takes address, topics, fromBlock and toBlock",
        );
      // Whatever is wrong with it is told now and not at the first poll.
      const head = hex(await context.head());
      await context.logs({ ...filter, fromBlock: head, toBlock: head });
      return create({ kind: "logs", filter });
    },
    eth_getFilterChanges: async (params) => changes(find(params)),
    async eth_getFilterLogs(params) {
      const { criteria } = find(params);
      if (criteria.kind !== "logs") throw new RpcError(rpcCodes.invalidParams, "this is no filter for logs");
      return context.logs(criteria.filter);
    },
    eth_uninstallFilter: async ([id]) => filters.delete(id as Hex),
  };
}

const hex = (value: number): Hex => `0x${value.toString(16)}`;
