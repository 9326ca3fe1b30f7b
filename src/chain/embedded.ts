import { join } from "node:path";
import type { Address, Hex } from "viem";
import { type Ceiling, minimumTip, refusal } from "./ceiling.ts";
import { createEngine, type Engine } from "./engine.ts";
import { RpcError, rpcCodes } from "./errors.ts";
import { checkHeader, genesisOf, type NetworkRules, newHeader } from "./genesis.ts";
import { lockFolder } from "./lock.ts";
import { type BlockLog, type LogFile, openLog } from "./log.ts";
import { createMethods } from "./methods.ts";
import { createHistogram, type Histogram } from "./metrics.ts";
import { createPool } from "./pool.ts";
import type { LogHeader } from "./record.ts";
import { type ChainLogger, mineBlock, type ReplayedState, type ReplayProgress, replay } from "./replay.ts";

export type EmbeddedChainOptions = NetworkRules & {
  /** The folder of the chain's log; this process alone holds it while the chain is open. */
  readonly dir: string;
  /** Minimum tip of an empty chain, wei per gas; asked for each transaction, so that governance may change it. */
  readonly minTipWei: () => bigint;
  /** How many transactions the chain may hold: memory grows by 8–11 KB each. */
  readonly ceilingTransactions?: number;
  /** Let a log go on with another version of the engine, once all its blocks have replayed to equal hashes. */
  readonly acceptEngine?: boolean;
  readonly log?: ChainLogger;
  readonly onReplay?: (progress: ReplayProgress) => void;
  /** Wall clock, epoch milliseconds. */
  readonly nowMs?: () => number;
  /** How the log's file is opened; a test hands in a disk that fails. */
  readonly openLogFile?: (path: string) => Promise<LogFile>;
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
  /** Called after each block, which is on the disk then; returns how to stop. */
  onBlock(listener: (blockNumber: number) => void): () => void;
  /** Called for each transaction that was checked and waits to be mined; returns how to stop. */
  onPending(listener: (hash: Hex) => void): () => void;
  /** Seconds from a transaction's arrival to its acknowledgement. */
  readonly acknowledgement: Histogram;
  status(): ChainStatus;
  /** Waits for what was submitted, seals the log, gives the folder back. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const defaultCeilingTransactions = 250_000;
const deadlinesMax = 10_000;
const warnPercent = 80;
const timerMaxMs = 2 ** 31 - 1;
/** How often a log that could not be written is tried again. */
const probeEveryMs = 1_000;
const acknowledgementBoundsSec = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

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
  const blockLog = await openLog(path, () => newHeader(options, nowMs()), options.openLogFile);
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
    const state = await replay(path, blockLog, engine, { ...options, say });
    return runChain(options, { engine, blockLog, header, state, say, nowMs, release });
  } catch (error) {
    await blockLog.close();
    throw error;
  }
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
    transactions: options.ceilingTransactions ?? defaultCeilingTransactions,
    minTipWei: options.minTipWei,
  };
  const pendingListeners = new Set<(hash: Hex) => void>();
  const acknowledgement = createHistogram(acknowledgementBoundsSec);
  const reserved = new Set<Address>();
  const listeners = new Set<(blockNumber: number) => void>();
  const pool = createPool(engine, {
    blockGasLimit: BigInt(header.blockGasLimit),
    admission: (transaction) => refusal(ceiling, state.transactions, reserved, transaction),
    nowMs,
    onAdmitted: (hash) => {
      for (const listener of pendingListeners) listener(hash);
    },
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
    await onDisk(() => blockLog.append(record)).catch((error: Error) => {
      throw new RpcError(
        rpcCodes.server,
        `not accepted, the block log cannot be written: ${error.message}; send again once the node's disk has room`,
      );
    });
  }

  /** Carry out a write to the log; what comes of it is what `trouble` says. */
  async function onDisk(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const reason = (error as Error).message;
      if (trouble === null)
        say("error", `The block log cannot be written (${reason}): transactions are refused until it can.`);
      trouble = `the block log cannot be written: ${reason}`;
      throw error;
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
    const block = await pool.fill().catch((error: Error) => {
      // What is wrong with a transaction is told to its sender; anything else is the engine's and cannot be gone past.
      throw new Error(`the engine failed while a block was filled: ${error.message}`);
    });
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
        if (trouble !== null && !failed) await exclusive(() => onDisk(blockLog.probe)).catch(() => {});
        if (trouble === null && dueDeadline() !== undefined) await exclusive(() => logAndMine([]));
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
      trouble === null ? Infinity : nowMs() + probeEveryMs,
      pool.nextExpiryMs() ?? Infinity,
      ...[...state.deadlines].map((sec) => sec * 1000),
    );
    if (wakeAtMs === Infinity) return;
    timer = setTimeout(
      () => void pump(),
      Math.min(Math.max(wakeAtMs - nowMs(), trouble === null ? 1 : probeEveryMs), timerMaxMs),
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
    const startedAtMs = performance.now();
    done.then(
      () => acknowledgement.observe((performance.now() - startedAtMs) / 1000),
      () => {},
    );
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

  function onPending(listener: (hash: Hex) => void): () => void {
    pendingListeners.add(listener);
    return () => pendingListeners.delete(listener);
  }

  const currentMinTip = () => minimumTip(ceiling, state.transactions);
  const request = createMethods({
    engine,
    pool,
    submit,
    minTipWei: currentMinTip,
    gasCap: BigInt(header.blockGasLimit),
    feeCollector: header.feeCollector as Hex,
    onPending,
    nowMs,
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
    onPending,
    acknowledgement,
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
