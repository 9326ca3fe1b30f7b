import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Address, getAddress, type Hex, keccak256 } from "viem";
import { type Ceiling, minimumTip, refusal } from "./ceiling.ts";
import { createEngine, type Engine, engineHardfork, engineVersion, type MinedBlock } from "./engine.ts";
import { ChainLogError, RpcError, rpcCodes } from "./errors.ts";
import { lockFolder } from "./lock.ts";
import { type BlockLog, openLog, type TornTail } from "./log.ts";
import { createMethods } from "./methods.ts";
import { localChainId } from "./networks.ts";
import { createPool } from "./pool.ts";
import type { LogHeader } from "./record.ts";

/** All OPEN there is and ever will be: 10⁹ OPEN, 10²⁷ wei. */
export const totalSupplyWei = 10n ** 27n;

export type ChainLogger = (level: "info" | "warn" | "error", message: string) => void;

export type EmbeddedChainOptions = {
  /** The folder of the chain's log; this process alone holds it while the chain is open. */
  readonly dir: string;
  readonly chainId?: number;
  /** Address → wei at genesis; sums to {@link totalSupplyWei} exactly. */
  readonly genesis: Readonly<Record<Address, bigint>>;
  /** Receives every tip. */
  readonly feeCollector: Address;
  /** Minimum tip of an empty chain, wei per gas. */
  readonly minTipWei: bigint;
  /**
   * Gas of one block and of one transaction at most. The engine notes every executed instruction until the block is
   * done, up to 800 bytes each, so 8 million gas of the cheapest instructions need up to 6 GB for a moment.
   */
  readonly blockGasLimit?: bigint;
  /** How many transactions the chain may hold: memory grows by 7–8 KB each. */
  readonly ceilingTransactions?: number;
  /** Let a newer engine take over a log: every block hash is checked once more, then the log notes the new version. */
  readonly acceptEngine?: boolean;
  readonly log?: ChainLogger;
  readonly onReplay?: (progress: ReplayProgress) => void;
  /** Wall clock, epoch milliseconds. */
  readonly nowMs?: () => number;
};

export type ReplayProgress = {
  readonly blocks: number;
  readonly transactions: number;
  readonly bytes: number;
};

export type ChainStatus = {
  readonly chainId: number;
  readonly blockNumber: number;
  readonly blockTimestampSec: number;
  /** Transactions on the chain, and how many it can hold. */
  readonly transactions: number;
  readonly ceilingTransactions: number;
  readonly minTipWei: bigint;
  readonly waiting: number;
  readonly logBytes: number;
  /** Why no transaction can be accepted now; null when all is well. */
  readonly trouble: string | null;
};

/** The OPEN chain in this process: one sequencer, a durable log, Ethereum's JSON-RPC. */
export type EmbeddedChain = {
  readonly chainId: number;
  readonly feeCollector: Address;
  readonly genesis: Readonly<Record<Address, bigint>>;
  /**
   * EIP-1193. Public methods only; `eth_sendRawTransaction` resolves when the transaction is on the disk and mined.
   * @throws RpcError
   */
  request(args: { readonly method: string; readonly params?: unknown }): Promise<unknown>;
  /** `debug_traceTransaction`, for proofs and explorers inside the node; never public. */
  trace(hash: Hex, options: object): Promise<unknown>;
  /** Mine an empty block now. */
  mineEmptyBlock(): Promise<void>;
  /** See that a block of this time or later exists soon after: so that views and votes advance. Kept over restarts. */
  scheduleBlockAt(timestampSec: number): Promise<void>;
  /** Addresses whose calls may use the last tenth of the ceiling: settlement, challenges, claims. */
  reserveFor(addresses: readonly Address[]): void;
  /** Called after each block; returns how to stop. */
  onBlock(listener: (blockNumber: number) => void): () => void;
  status(): ChainStatus;
  /** Waits for what was submitted, seals the log, gives the folder back. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const defaults = { blockGasLimit: 8_000_000n, ceilingTransactions: 250_000 };
const deadlinesMax = 10_000;
const warnPercent = 80;
const timerMaxMs = 2 ** 31 - 1;

/**
 * Open the embedded chain, replaying its log if it has one.
 *
 * @throws FolderLockedError, ChainLogError when the log is damaged, of another chain, of other rules, or does not
 * replay to the hashes it names
 */
export async function openEmbeddedChain(options: EmbeddedChainOptions): Promise<EmbeddedChain> {
  const lock = lockFolder(options.dir);
  try {
    return await openLocked(options, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openLocked(options: EmbeddedChainOptions, release: () => void): Promise<EmbeddedChain> {
  const say = options.log ?? (() => {});
  const nowMs = options.nowMs ?? Date.now;
  const path = join(options.dir, "blocks.log");
  const blockLog = await openLog(path, () => newHeader(options, nowMs()));
  const { header } = blockLog;
  try {
    checkHeader(path, header, options);
    const engine = await createEngine({
      chainId: header.chainId,
      hardfork: header.hardfork,
      genesisTimestampSec: header.genesisTimestampSec,
      genesis: genesisOf(header),
      feeCollector: header.feeCollector as Hex,
      blockGasLimit: BigInt(header.blockGasLimit),
    });
    const state = await replay(path, blockLog, engine, options, say);
    return runChain(options, { engine, blockLog, header, state, say, nowMs, release });
  } catch (error) {
    await blockLog.close();
    throw error;
  }
}

function newHeader(options: EmbeddedChainOptions, nowMs: number): LogHeader {
  const total = Object.values(options.genesis).reduce((sum, wei) => sum + wei, 0n);
  if (total !== totalSupplyWei) {
    throw new ChainLogError(
      `The genesis balances sum to ${total} wei; OPEN's supply is ${totalSupplyWei} wei exactly.`,
    );
  }
  return {
    format: 1,
    chainId: options.chainId ?? localChainId,
    hardfork: engineHardfork,
    engine: engineVersion(),
    genesisTimestampSec: Math.floor(nowMs / 1000),
    genesis: Object.fromEntries(
      sortedGenesis(options.genesis).map(([address, wei]) => [address, String(wei)]),
    ),
    feeCollector: getAddress(options.feeCollector),
    blockGasLimit: String(options.blockGasLimit ?? defaults.blockGasLimit),
    salt: `0x${randomBytes(16).toString("hex")}`,
  };
}

function sortedGenesis(genesis: Readonly<Record<Address, bigint>>): [Address, bigint][] {
  return Object.entries(genesis)
    .map(([address, wei]): [Address, bigint] => [getAddress(address), wei])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function genesisOf(header: LogHeader): Record<Address, bigint> {
  return Object.fromEntries(Object.entries(header.genesis).map(([address, wei]) => [address, BigInt(wei)]));
}

/** A log is of one chain for good: what is asked for now must be what it was made with. */
function checkHeader(path: string, header: LogHeader, options: EmbeddedChainOptions): void {
  const genesis = Object.fromEntries(
    sortedGenesis(options.genesis).map(([address, wei]) => [address, String(wei)]),
  );
  const checks: readonly (readonly [string, string, string])[] = [
    ["chain id", String(header.chainId), String(options.chainId ?? localChainId)],
    ["genesis balances", JSON.stringify(header.genesis), JSON.stringify(genesis)],
    ["fee collector", header.feeCollector, getAddress(options.feeCollector)],
    ["block gas limit", header.blockGasLimit, String(options.blockGasLimit ?? header.blockGasLimit)],
    ["hardfork", header.hardfork, engineHardfork],
  ];
  for (const [what, found, expected] of checks) {
    if (found === expected) continue;
    throw new ChainLogError(
      `The block log ${path} was made with ${what} ${found}; this node asks for ${expected}. ` +
        `Give this network another folder, or set ${what} to what the log says.`,
    );
  }
}

type ReplayedState = { last: MinedBlock; transactions: number; deadlines: Set<number> };

/** Mine every logged block again and compare the hashes. */
async function replay(
  path: string,
  blockLog: BlockLog,
  engine: Engine,
  options: EmbeddedChainOptions,
  say: ChainLogger,
): Promise<ReplayedState> {
  const current = engineVersion();
  const state: ReplayedState = { last: await engine.latest(), transactions: 0, deadlines: new Set() };
  let writtenBy = blockLog.header.engine;
  let pending: { blockNumber: number; timestampSec: number; transactions: readonly Hex[] } | undefined;

  async function minePending() {
    if (pending === undefined) return;
    for (const raw of pending.transactions) await engine.request("eth_sendRawTransaction", [raw]);
    state.last = await mineBlock(engine, pending.timestampSec, pending.transactions);
    state.transactions += state.last.transactions.length;
    options.onReplay?.({
      blocks: pending.blockNumber,
      transactions: state.transactions,
      bytes: blockLog.bytes(),
    });
    pending = undefined;
  }
  const compare = (blockNumber: number, blockHash: Hex) => {
    if (state.last.number === blockNumber && state.last.hash === blockHash) return;
    throw new ChainLogError(
      `The block log ${path} says block ${blockNumber} has hash ${blockHash}; ${current} replays block ${state.last.number} ` +
        `with ${state.last.hash}. The log was written by ${writtenBy}: install that version, or restore a backup of the log.`,
    );
  };

  const onTorn = (torn: TornTail) =>
    say(
      "warn",
      `The last record (number ${torn.recordNumber}) of ${path} was torn: ${torn.bytes} bytes at ${torn.offset} were cut off and ` +
        `kept as ${torn.savedAs}. Nothing in it had been acknowledged.`,
    );
  for await (const { record } of blockLog.replay(onTorn)) {
    if (record.kind === "void") pending = undefined;
    else await minePending();
    if (record.kind === "block") {
      compare(record.blockNumber - 1, record.parentHash);
      pending = record;
    } else if (record.kind === "seal") compare(record.blockNumber, record.blockHash);
    else if (record.kind === "engine") writtenBy = record.engine;
    else if (record.kind === "deadline") state.deadlines.add(record.timestampSec);
    if (writtenBy !== current && options.acceptEngine !== true) {
      throw new ChainLogError(
        `The block log ${path} was written by ${writtenBy}; this node has ${current}. Install that version, or accept the new ` +
          `engine (acceptEngine): it replays the log, checks every block's hash and notes its version.`,
      );
    }
  }
  await minePending();
  if (writtenBy !== current) {
    await blockLog.append({ kind: "engine", engine: current });
    say(
      "info",
      `The block log ${path}, written by ${writtenBy}, replayed with equal hashes and continues with ${current}.`,
    );
  }
  return state;
}

/** Mine what the engine's memory pool holds; a transaction that the block leaves out must not slip into a later one. */
async function mineBlock(
  engine: Engine,
  timestampSec: number,
  transactions: readonly Hex[],
): Promise<MinedBlock> {
  const block = await engine.mine(timestampSec);
  if (block.transactions.length === transactions.length) return block;
  const mined = new Set(block.transactions);
  for (const hash of transactions.map((raw) => keccak256(raw))) {
    if (!mined.has(hash)) await engine.request("hardhat_dropTransaction", [hash]);
  }
  return block;
}

type Running = {
  engine: Engine;
  blockLog: BlockLog;
  header: LogHeader;
  state: ReplayedState;
  say: ChainLogger;
  nowMs: () => number;
  release: () => void;
};

function runChain(options: EmbeddedChainOptions, running: Running): EmbeddedChain {
  const { engine, blockLog, header, state, say, nowMs } = running;
  const ceiling: Ceiling = {
    transactions: options.ceilingTransactions ?? defaults.ceilingTransactions,
    minTipWei: options.minTipWei,
  };
  const reserved = new Set<Address>();
  const listeners = new Set<(blockNumber: number) => void>();
  const pool = createPool(engine, {
    blockGasLimit: BigInt(header.blockGasLimit),
    admission: (transaction) => refusal(ceiling, state.transactions, reserved, transaction),
    nowMs,
  });
  let trouble: string | null = null;
  let failed = false;
  let closing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let warned = false;
  let turn: Promise<unknown> = Promise.resolve();
  let pumping = false;
  let pumpAgain = false;

  /** One thing at a time touches the engine's memory pool, the log's end and the last block. */
  function exclusive<T>(action: () => Promise<T>): Promise<T> {
    const result = turn.then(action);
    turn = result.catch(() => {});
    return result;
  }

  async function appendToLog(record: Parameters<BlockLog["append"]>[0]): Promise<void> {
    try {
      await blockLog.append(record);
    } catch (error) {
      const reason = (error as Error).message;
      if (trouble === null)
        say("error", `The block log cannot be written (${reason}): transactions are refused until it can.`);
      trouble = `the block log cannot be written: ${reason}`;
      throw new RpcError(
        rpcCodes.server,
        `not accepted, ${trouble}; send again once the node's disk has room`,
      );
    }
    if (trouble !== null) say("info", "The block log can be written again: transactions are accepted.");
    trouble = null;
  }

  /** Log a block, then mine it. The engine's memory pool holds `transactions`. */
  async function logAndMine(transactions: readonly Hex[]): Promise<void> {
    const timestampSec = Math.max(state.last.timestampSec, Math.floor(nowMs() / 1000));
    const blockNumber = state.last.number + 1;
    await appendToLog({
      kind: "block",
      blockNumber,
      timestampSec,
      parentHash: state.last.hash,
      transactions,
    });
    try {
      state.last = await mineBlock(engine, timestampSec, transactions);
    } catch (error) {
      failed = true;
      trouble = `block ${blockNumber} could not be mined (${(error as Error).message}); restart the node`;
      say("error", `The chain stops: ${trouble}.`);
      await blockLog.append({ kind: "void", blockNumber });
      throw new RpcError(rpcCodes.internal, trouble);
    }
    state.transactions += state.last.transactions.length;
    for (const deadline of state.deadlines) if (deadline <= timestampSec) state.deadlines.delete(deadline);
    if (!warned && state.transactions * 100 >= ceiling.transactions * warnPercent) {
      warned = true;
      say(
        "warn",
        `The chain holds ${state.transactions} of the ${ceiling.transactions} transactions it can: plan the move to a larger network.`,
      );
    }
    for (const listener of listeners) listener(state.last.number);
  }

  /** Mine one block of what waits. False: nothing could go now. */
  async function mineWaiting(): Promise<boolean> {
    const block = await pool.fill();
    if (block === undefined) return false;
    try {
      await logAndMine(block.transactions);
    } catch (error) {
      await block.refuse(error as Error);
      return !failed;
    }
    block.mined(new Set(state.last.transactions));
    return true;
  }

  async function pump(): Promise<void> {
    pumpAgain = true;
    if (pumping || failed) return;
    pumping = true;
    try {
      while (pumpAgain) {
        pumpAgain = false;
        while (await exclusive(mineWaiting));
        if (dueDeadline() !== undefined) await exclusive(() => logAndMine([]));
      }
    } catch (error) {
      if (!(error instanceof RpcError)) {
        failed = true;
        trouble = `${(error as Error).message}; restart the node`;
        say("error", `The chain stops: ${(error as Error).stack}`);
      }
    } finally {
      pumping = false;
    }
    if (failed) pool.refuseAll(new RpcError(rpcCodes.internal, trouble ?? "the chain has stopped"));
    else arm();
  }

  const dueDeadline = () => {
    const nowSec = Math.floor(nowMs() / 1000);
    for (const deadline of state.deadlines) if (deadline <= nowSec) return deadline;
    return undefined;
  };

  /** Wake up for the next deadline or for the next transaction that gives up waiting. */
  function arm(): void {
    clearTimeout(timer);
    if (closing !== undefined) return;
    const wakeAtMs = Math.min(
      pool.nextExpiryMs() ?? Infinity,
      ...[...state.deadlines].map((sec) => sec * 1000),
    );
    if (wakeAtMs === Infinity) return;
    timer = setTimeout(
      () => void pump(),
      Math.min(Math.max(wakeAtMs - nowMs(), trouble === null ? 1 : 1000), timerMaxMs),
    );
    timer.unref();
  }

  function assertOpen(): void {
    if (closing !== undefined)
      throw new RpcError(rpcCodes.server, "the chain is closing: the transaction was not accepted");
    if (failed) throw new RpcError(rpcCodes.internal, trouble ?? "the chain has stopped");
  }

  function submit(raw: Hex): Promise<Hex> {
    assertOpen();
    const done = pool.submit(raw);
    setImmediate(() => void pump());
    return done;
  }

  async function close(): Promise<void> {
    clearTimeout(timer);
    for (let attempt = 0; pumping && attempt < 1_000; attempt++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (!failed) while (await exclusive(mineWaiting));
    pool.refuseAll(
      new RpcError(rpcCodes.server, "the chain closed before this transaction's predecessors came"),
    );
    await turn;
    try {
      if (!failed)
        await blockLog.append({ kind: "seal", blockNumber: state.last.number, blockHash: state.last.hash });
    } catch (error) {
      say(
        "warn",
        `The block log could not be sealed (${(error as Error).message}); every acknowledged block is in it.`,
      );
    }
    await blockLog.close();
    running.release();
  }

  const currentMinTip = () => minimumTip(ceiling, state.transactions);
  const request = createMethods({
    engine,
    pool,
    submit,
    minTipWei: currentMinTip,
    gasCap: BigInt(header.blockGasLimit),
  });
  setImmediate(() => void pump());
  const chain: EmbeddedChain = {
    chainId: header.chainId,
    feeCollector: header.feeCollector as Address,
    genesis: genesisOf(header),
    request,
    trace: (hash, traceOptions) => engine.request("debug_traceTransaction", [hash, traceOptions]),
    async mineEmptyBlock() {
      assertOpen();
      await exclusive(() => logAndMine([]));
    },
    async scheduleBlockAt(timestampSec) {
      assertOpen();
      if (!Number.isSafeInteger(timestampSec))
        throw new RangeError(`${timestampSec} is not a time in whole seconds`);
      if (timestampSec <= state.last.timestampSec || state.deadlines.has(timestampSec)) return;
      if (state.deadlines.size >= deadlinesMax)
        throw new RangeError(`${deadlinesMax} blocks are scheduled already`);
      await exclusive(() => appendToLog({ kind: "deadline", timestampSec }));
      state.deadlines.add(timestampSec);
      arm();
    },
    reserveFor(addresses) {
      for (const address of addresses) reserved.add(address.toLowerCase() as Address);
    },
    onBlock(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    status: () => ({
      chainId: header.chainId,
      blockNumber: state.last.number,
      blockTimestampSec: state.last.timestampSec,
      transactions: state.transactions,
      ceilingTransactions: ceiling.transactions,
      minTipWei: currentMinTip(),
      waiting: pool.waiting().length,
      logBytes: blockLog.bytes(),
      trouble,
    }),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => chain.close(),
  };
  return chain;
}
