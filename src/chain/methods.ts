import type { Hex } from "viem";
import type { Engine } from "./engine.ts";
import { RpcError, rpcCodes } from "./errors.ts";
import type { TransactionPool } from "./pool.ts";
import { isRawTransaction } from "./values.ts";

/** Bounds on what one request may ask for. */
export const methodLimits = { logBlocks: 10_000, logs: 10_000 } as const;

export type MethodContext = {
  readonly engine: Engine;
  readonly pool: Pick<TransactionPool, "waiting">;
  readonly submit: (raw: Hex) => Promise<Hex>;
  /** Current minimum tip, wei per gas. */
  readonly minTipWei: () => bigint;
  /** Gas one `eth_call` or `eth_estimateGas` may use. */
  readonly gasCap: bigint;
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

/**
 * The public JSON-RPC methods: a strict list, so that nothing the engine adds is ever public by accident.
 *
 * @returns an EIP-1193 `request`
 */
export function createMethods(
  context: MethodContext,
): (args: { method: string; params?: unknown }) => Promise<unknown> {
  const { engine } = context;
  const own: Readonly<Record<string, (params: Params) => unknown>> = {
    eth_accounts: () => [],
    eth_call: (params) => engine.request("eth_call", cappedCall(params, context.gasCap)),
    eth_estimateGas: (params) => engine.request("eth_estimateGas", cappedCall(params, context.gasCap)),
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
    txpool_status: () => ({ pending: hex(context.pool.waiting().length), queued: "0x0" }),
    txpool_content: () => poolContent(context.pool),
  };

  return async ({ method, params = [] }) => {
    if (!Array.isArray(params)) throw invalid("params must be an array");
    const answer = Object.hasOwn(own, method) ? own[method] : undefined;
    if (answer !== undefined) return answer(params);
    if (passedOn.has(method)) return engine.request(method, withDefaults(method, params));
    throw new RpcError(
      rpcCodes.methodNotFound,
      `the method ${method.slice(0, 64)} does not exist or is not available on this network`,
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
/** As geth: more percentiles than this is no question but an attack. */
const percentilesMax = 100;

async function feeHistory(engine: Engine, params: Params, minTipWei: bigint): Promise<unknown> {
  const [, , percentiles] = params;
  if (Array.isArray(percentiles) && percentiles.length > percentilesMax)
    throw invalid(
      `eth_feeHistory takes at most ${percentilesMax} reward percentiles; got ${percentiles.length}`,
    );
  const history = (await engine.request("eth_feeHistory", params)) as { reward?: Hex[][] };
  if (history.reward === undefined) return history;
  const atLeast = (reward: Hex) => (BigInt(reward) < minTipWei ? hex(minTipWei) : reward);
  return { ...history, reward: history.reward.map((rewards) => rewards.map(atLeast)) };
}

async function blockReceipts(engine: Engine, params: Params): Promise<unknown> {
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

async function logs(engine: Engine, params: Params): Promise<unknown> {
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
async function boundedFilter(engine: Engine, filter: object): Promise<object> {
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

function poolContent(pool: Pick<TransactionPool, "waiting">): unknown {
  const pending: Record<string, Record<string, unknown>> = {};
  for (const { hash, transaction } of pool.waiting()) {
    if (transaction === undefined) continue;
    const { from, to, nonce, gas, value, maxFeePerGas, tipPerGas } = transaction;
    pending[from] ??= {};
    pending[from][nonce] = {
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
  return { pending, queued: {} };
}
