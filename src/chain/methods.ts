import type { Hex } from "viem";
import { createAccessList } from "./access-list.ts";
import type { Engine } from "./engine.ts";
import { RpcError, rpcCodes } from "./errors.ts";
import { createFilters } from "./filters.ts";
import type { TransactionPool, WaitingTransaction } from "./pool.ts";
import { isRawTransaction } from "./values.ts";

/** Bounds on what one request may ask for. */
const methodLimits = {
  logBlocks: 10_000,
  logs: 10_000,
  /** As go-ethereum. */
  feeHistoryBlocks: 1_024,
  feeHistoryPercentiles: 100,
  /** Transactions that txpool_content and txpool_inspect show, the oldest first. */
  poolShown: 1_000,
} as const;

export type MethodContext = {
  readonly engine: Pick<Engine, "request">;
  readonly pool: Pick<TransactionPool, "waiting">;
  readonly submit: (raw: Hex) => Promise<Hex>;
  /** Current minimum tip, wei per gas. */
  readonly minTipWei: () => bigint;
  /** Gas one `eth_call` or `eth_estimateGas` may use. */
  readonly gasCap: () => bigint;
  readonly feeCollector: Hex;
  readonly onPending: (listener: (hash: Hex) => void) => () => void;
  readonly nowMs: () => number;
};

type Params = readonly unknown[];

/** Methods the engine answers itself. Nothing that changes state, reveals keys or keeps a filter for the caller is here. */
const passedOn = new Set([
  "eth_blobBaseFee",
  "eth_blockNumber",
  "eth_chainId",
  "eth_coinbase",
  "eth_getBalance",
  "eth_getBlockByHash",
  "eth_getBlockByNumber",
  "eth_getBlockTransactionCountByHash",
  "eth_getBlockTransactionCountByNumber",
  "eth_getCode",
  "eth_getProof",
  "eth_getStorageAt",
  "eth_getTransactionByBlockHashAndIndex",
  "eth_getTransactionByBlockNumberAndIndex",
  "eth_getTransactionByHash",
  "eth_getTransactionCount",
  "eth_getTransactionReceipt",
  "eth_syncing",
  "net_version",
  "web3_clientVersion",
  "web3_sha3",
]);

/** What to do instead of some methods that other nodes have. */
const notOffered = {
  eth_sendTransaction: "this node signs for nobody; sign yourself and use eth_sendRawTransaction",
  eth_sign: "this node signs for nobody",
  eth_simulateV1: "several calls in a row are not simulated; use eth_call for each",
  eth_subscribe: "subscriptions need a WebSocket connection to the same path",
  eth_unsubscribe: "subscriptions need a WebSocket connection to the same path",
} as const;

/**
 * The public JSON-RPC methods: a strict list, so that nothing the engine adds is ever public by accident.
 *
 * @returns an EIP-1193 `request`
 */
export function createMethods(
  context: MethodContext,
): (args: { method: string; params?: unknown }) => Promise<unknown> {
  const { engine } = context;
  const filters = createFilters({
    head: async () => Number(await engine.request("eth_blockNumber")),
    blockHash: async (number) => {
      const block = await engine.request("eth_getBlockByNumber", [hex(number), false]);
      return (block as { hash: Hex }).hash;
    },
    logs: (filter) => logs(engine, [filter]),
    onPending: context.onPending,
    nowMs: context.nowMs,
  });
  const own: Readonly<Record<string, (params: Params) => unknown>> = {
    ...filters,
    eth_accounts: () => [],
    eth_call: (params) => engine.request("eth_call", cappedCall(params, context.gasCap())),
    eth_createAccessList: (params) => {
      const [call, tag = "latest"] = cappedCall(params, context.gasCap());
      return createAccessList(engine, call as object, tag, context.feeCollector);
    },
    eth_estimateGas: (params) => engine.request("eth_estimateGas", cappedCall(params, context.gasCap())),
    eth_feeHistory: (params) => feeHistory(engine, params, context.minTipWei()),
    eth_gasPrice: () => hex(context.minTipWei()),
    eth_maxPriorityFeePerGas: () => hex(context.minTipWei()),
    eth_getBlockReceipts: (params) => blockReceipts(engine, params),
    eth_getLogs: (params) => logs(engine, params),
    eth_sendRawTransaction: ([raw]) => {
      if (!isRawTransaction(raw))
        throw invalid("eth_sendRawTransaction takes one signed transaction as hex bytes");
      return context.submit(raw);
    },
    net_listening: () => true,
    txpool_content: () => poolBy(context.pool.waiting(), contentOf),
    txpool_inspect: () => poolBy(context.pool.waiting(), inspectionOf),
    txpool_status: () => {
      const waiting = context.pool.waiting();
      const queued = waiting.filter(({ held }) => held).length;
      return { pending: hex(waiting.length - queued), queued: hex(queued) };
    },
  };

  return async ({ method, params = [] }) => {
    if (!Array.isArray(params)) throw invalid("params must be an array");
    const answer = Object.hasOwn(own, method) ? own[method] : undefined;
    if (answer !== undefined) return answer(params);
    if (passedOn.has(method)) return engine.request(method, withDefaults(method, params));
    const hint = Object.hasOwn(notOffered, method)
      ? `: ${notOffered[method as keyof typeof notOffered]}`
      : "";
    throw new RpcError(
      rpcCodes.methodNotFound,
      `the method ${method.slice(0, 64)} does not exist or is not available on this network${hint}`,
    );
  };
}

function invalid(message: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, message);
}

function hex(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

function withDefaults(method: string, params: Params): Params {
  const isBlock = method === "eth_getBlockByNumber" || method === "eth_getBlockByHash";
  return isBlock && params.length === 1 ? [params[0], false] : params;
}

/** Limit the gas of a call, and accept `input` beside an equal `data`, as wallets send both. */
function cappedCall(params: Params, gasCap: bigint): Params {
  const [call, ...rest] = params;
  if (typeof call !== "object" || call === null || Array.isArray(call))
    throw invalid("the first parameter must be a call object");
  const { gas, input, data, ...fields } = call as Record<string, unknown>;
  if (input !== undefined && data !== undefined && input !== data) throw invalid("input and data differ");
  const asked = gas === undefined || gas === null ? gasCap : quantity(gas, "gas");
  const payload = input ?? data;
  return [
    {
      ...fields,
      gas: hex(asked < gasCap ? asked : gasCap),
      ...(payload === undefined ? {} : { data: payload }),
    },
    ...rest,
  ];
}

function quantity(value: unknown, what: string): bigint {
  if (typeof value === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(value)) return BigInt(value);
  throw invalid(`${what} must be a hex quantity`);
}

/** Empty blocks report a reward of 0, below what this chain accepts; wallets take the reward for a good tip. */
async function feeHistory(
  engine: Pick<Engine, "request">,
  params: Params,
  minTipWei: bigint,
): Promise<unknown> {
  const [count, , percentiles] = params;
  const { feeHistoryBlocks, feeHistoryPercentiles } = methodLimits;
  if (Array.isArray(percentiles) && percentiles.length > feeHistoryPercentiles)
    throw invalid(
      `eth_feeHistory takes at most ${feeHistoryPercentiles} reward percentiles; got ${percentiles.length}`,
    );
  if (quantity(count, "the number of blocks") > BigInt(feeHistoryBlocks))
    throw invalid(`eth_feeHistory takes at most ${feeHistoryBlocks} blocks; got ${BigInt(count as Hex)}`);
  const history = (await engine.request("eth_feeHistory", params)) as { reward?: Hex[][] };
  if (history.reward === undefined) return history;
  const atLeast = (reward: Hex) => (BigInt(reward) < minTipWei ? hex(minTipWei) : reward);
  return { ...history, reward: history.reward.map((rewards) => rewards.map(atLeast)) };
}

async function blockReceipts(engine: Pick<Engine, "request">, params: Params): Promise<unknown> {
  const [block] = params;
  const byHash = typeof block === "string" && block.length === 66;
  const found = (await engine.request(byHash ? "eth_getBlockByHash" : "eth_getBlockByNumber", [
    block,
    false,
  ])) as {
    transactions: Hex[];
  } | null;
  if (found === null) return null;
  return Promise.all(found.transactions.map((hash) => engine.request("eth_getTransactionReceipt", [hash])));
}

async function logs(engine: Pick<Engine, "request">, params: Params): Promise<unknown> {
  const [filter] = params;
  if (typeof filter !== "object" || filter === null || Array.isArray(filter))
    throw invalid("the first parameter must be a filter object");
  const found = (await engine.request("eth_getLogs", [await boundedFilter(engine, filter)])) as unknown[];
  if (found.length <= methodLimits.logs) return found;
  throw new RpcError(
    rpcCodes.limitExceeded,
    `the filter matches ${found.length} logs, at most ${methodLimits.logs} are returned at once: ask for smaller ranges`,
  );
}

/** The filter with both ends as numbers no higher than the last block: the engine walks every number it is given. */
async function boundedFilter(engine: Pick<Engine, "request">, filter: object): Promise<object> {
  const { fromBlock, toBlock, blockHash, ...rest } = filter as Record<string, unknown>;
  if (blockHash !== undefined) {
    if (fromBlock !== undefined || toBlock !== undefined)
      throw invalid("blockHash excludes fromBlock and toBlock");
    return filter;
  }
  const latest = BigInt((await engine.request("eth_blockNumber")) as Hex);
  const from = blockNumber(fromBlock, latest);
  const to = blockNumber(toBlock, latest);
  const blocks = to - from + 1n;
  if (blocks > methodLimits.logBlocks) {
    throw new RpcError(
      rpcCodes.limitExceeded,
      `the range has ${blocks} blocks, at most ${methodLimits.logBlocks} are searched at once: ask for smaller ranges`,
    );
  }
  return { ...rest, fromBlock: hex(from), toBlock: hex(to) };
}

function blockNumber(tag: unknown, latest: bigint): bigint {
  if (tag === "earliest") return 0n;
  if (tag === undefined || tag === null || ["latest", "pending", "safe", "finalized"].includes(tag as string))
    return latest;
  const number = quantity(tag, "a block number");
  return number < latest ? number : latest;
}

type Known = WaitingTransaction & { readonly transaction: NonNullable<WaitingTransaction["transaction"]> };

/** Waiting transactions by sender and nonce; "queued" are those that wait for a predecessor. */
function poolBy(waiting: readonly WaitingTransaction[], show: (one: Known) => unknown): unknown {
  type BySender = Record<string, Record<string, unknown>>;
  const pool: { pending: BySender; queued: BySender } = { pending: {}, queued: {} };
  const known = waiting.filter((one): one is Known => one.transaction !== undefined);
  for (const one of known.slice(0, methodLimits.poolShown)) {
    const part = one.held ? pool.queued : pool.pending;
    const { from, nonce } = one.transaction;
    part[from] ??= {};
    part[from][nonce] = show(one);
  }
  return pool;
}

function contentOf({ hash, transaction }: Known): object {
  const { from, to, nonce, gas, value, maxFeePerGas, tipPerGas } = transaction;
  return {
    hash,
    from,
    to,
    nonce: hex(nonce),
    gas: hex(gas),
    value: hex(value),
    maxFeePerGas: hex(maxFeePerGas),
    maxPriorityFeePerGas: hex(tipPerGas),
    blockHash: null,
    blockNumber: null,
  };
}

/** As go-ethereum words it. */
function inspectionOf({ transaction: { to, value, gas, maxFeePerGas } }: Known): string {
  return `${to ?? "contract creation"}: ${value} wei + ${gas} gas × ${maxFeePerGas} wei`;
}
