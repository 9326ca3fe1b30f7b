import { join } from "node:path";
import type { Address, Hex } from "viem";
import { lockFolder } from "../store/index.ts";
import { type Ceiling, minimumTip, refusal } from "./ceiling.ts";
import { createEngine, type Engine } from "./engine.ts";
import { defaultEngineMemoryBytes } from "./engine-process.ts";
import { EngineDiedError, RpcError, rpcCodes } from "./errors.ts";
import { createGasGuard, guardMinutes } from "./gas-guard.ts";
import { checkHeader, genesisOf, type NetworkRules, newHeader } from "./genesis.ts";
import { type LogFile, openLog } from "./log.ts";
import { createMethods } from "./methods.ts";
import { createHistogram, type Histogram } from "./metrics.ts";
import { createMiner, type MinerParts } from "./miner.ts";
import { type MiningMark, openMiningMark } from "./mining-mark.ts";
import { createPool } from "./pool.ts";
import type { LogHeader } from "./record.ts";
import { type ChainLogger, type ReplayProgress, replay } from "./replay.ts";

export type EmbeddedChainOptions = NetworkRules & {
  /** The folder of the chain's log; this process alone holds it while the chain is open. */
  readonly dir: string;
  /** Minimum tip of an empty chain, wei per gas; asked for each transaction, so that governance may change it. */
  readonly minTipWei: () => bigint;
  /** How many transactions the chain may hold: memory grows by 8–11 KB each. */
  readonly ceilingTransactions?: number;
  /**
   * Resident memory at which the EVM's process is ended and made again without what it was executing. Unless given, room
   * for a full chain and 2 GiB, but at most 60 % of the machine's or container's memory.
   */
  readonly engineMemoryBytes?: number;
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
  /** The same for callers that are not this program: refused while the chain is replayed, and with less gas for a while after. */
  requestFromOutside(args: { readonly method: string; readonly params?: unknown }): Promise<unknown>;
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
  /** Memory the engine's process holds now, its history with it, bytes. */
  engineResidentBytes(): Promise<number>;
  status(): ChainStatus;
  /** Waits for what was submitted, seals the log, gives the folder back. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const defaultCeilingTransactions = 250_000;
const warnPercent = 80;
const acknowledgementBoundsSec = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Open the embedded chain, replaying its log if it has one.
 *
 * @throws StoreError `folder-locked`; ChainLogError when the log is damaged, of another chain, of other rules, or does not
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
  const ceilingTransactions = options.ceilingTransactions ?? defaultCeilingTransactions;
  const memoryBytes = options.engineMemoryBytes ?? defaultEngineMemoryBytes(ceilingTransactions);
  let engine: Engine | undefined;
  let mark: MiningMark | undefined;
  let onDeath = (_: EngineDiedError) => {};
  try {
    checkHeader(path, header, options);
    mark = openMiningMark(join(options.dir, "mining"));
    const rules = {
      chainId: header.chainId,
      hardfork: header.hardfork,
      genesisTimestampSec: header.genesisTimestampSec,
      genesis: genesisOf(header),
      feeCollector: header.feeCollector as Hex,
      blockGasLimit: BigInt(header.blockGasLimit),
    };
    engine = await createEngine(rules, { memoryBytes, onDeath: (error) => onDeath(error) });
    const replayAgain = (unfinished: number | undefined) =>
      replay(path, blockLog, engine!, { ...options, say, unfinished });
    const state = await replayAgain(mark.unfinished);
    const { chain, engineDied } = runChain(options, {
      engine,
      blockLog,
      mark,
      header,
      state,
      replay: replayAgain,
      ceilingTransactions,
      say,
      nowMs,
      release,
    });
    onDeath = engineDied;
    return chain;
  } catch (error) {
    await engine?.close();
    mark?.close();
    await blockLog.close();
    throw error;
  }
}

type Running = Pick<MinerParts, "engine" | "blockLog" | "mark" | "state" | "replay" | "say" | "nowMs"> & {
  header: LogHeader;
  ceilingTransactions: number;
  release: () => void;
};

type Opened = { chain: EmbeddedChain; engineDied: (error: EngineDiedError) => void };

function runChain(options: EmbeddedChainOptions, running: Running): Opened {
  const { engine, blockLog, mark, header, state, say, nowMs } = running;
  const ceiling: Ceiling = { transactions: running.ceilingTransactions, minTipWei: options.minTipWei };
  const blockGasLimit = BigInt(header.blockGasLimit);
  const pendingListeners = new Set<(hash: Hex) => void>();
  const acknowledgement = createHistogram(acknowledgementBoundsSec);
  const reserved = new Set<Address>();
  const listeners = new Set<(blockNumber: number) => void>();
  const guard = createGasGuard(blockGasLimit, nowMs);
  const pool = createPool(engine, {
    blockGasLimit,
    admission: (transaction) =>
      refusal(ceiling, state.transactions, reserved, transaction) ?? guard.refusal(reserved, transaction),
    nowMs,
    onAdmitted: (hash) => {
      for (const listener of pendingListeners) listener(hash);
    },
  });
  const miner = createMiner({
    ...running,
    pool,
    onMined(blockNumber) {
      warnOfCeiling();
      for (const listener of listeners) listener(blockNumber);
    },
    onKilled() {
      guard.raise();
      say("warn", `For ${guardMinutes} minutes ${guard.rule()}.`);
    },
  });
  let closing: Promise<void> | undefined;
  let isClosed = false;
  let warned = false;

  function warnOfCeiling(): void {
    if (warned || state.transactions * 100 < ceiling.transactions * warnPercent) return;
    warned = true;
    say(
      "warn",
      `The chain holds ${state.transactions} of the ${ceiling.transactions} transactions it can: plan the move to a larger network.`,
    );
  }

  function assertOpen(): void {
    if (closing !== undefined)
      throw new RpcError(rpcCodes.server, "the chain is closing: the transaction was not accepted");
    miner.assertRunning();
  }

  /** What everybody but the miner asks: never a chain that is being replayed. */
  async function ask(method: string, params?: readonly unknown[]): Promise<unknown> {
    if (isClosed) throw new RpcError(rpcCodes.server, "the chain is closed");
    miner.assertRunning();
    if (!miner.isReady())
      throw new RpcError(
        rpcCodes.server,
        `the chain is being replayed after its engine died, at block ${state.last.number} before: ask again in a moment`,
      );
    return engine.request(method, params);
  }

  /** The same for this program's own parts: they wait for the replay, and fail only by what they asked for themselves. */
  async function askPatiently(method: string, params?: readonly unknown[]): Promise<unknown> {
    for (;;) {
      await miner.ready();
      try {
        return await ask(method, params);
      } catch (error) {
        if (!(error instanceof EngineDiedError) || error.executing || isClosed) throw error;
      }
    }
  }

  function submit(raw: Hex): Promise<Hex> {
    assertOpen();
    const done = pool.submit(raw);
    const startedAtMs = performance.now();
    done.then(
      () => acknowledgement.observe((performance.now() - startedAtMs) / 1000),
      () => {},
    );
    miner.pump();
    return done;
  }

  async function close(): Promise<void> {
    const isWhole = await miner.drain();
    pool.refuseAll(
      new RpcError(rpcCodes.server, "the chain closed before this transaction's predecessors came"),
    );
    try {
      if (isWhole)
        await blockLog.append({ kind: "seal", blockNumber: state.last.number, blockHash: state.last.hash });
    } catch (error) {
      say(
        "warn",
        `The block log could not be sealed (${(error as Error).message}); every acknowledged block is in it.`,
      );
    }
    isClosed = true;
    await engine.close();
    mark.close();
    await blockLog.close();
    running.release();
  }

  function onPending(listener: (hash: Hex) => void): () => void {
    pendingListeners.add(listener);
    return () => pendingListeners.delete(listener);
  }

  const currentMinTip = () => minimumTip(ceiling, state.transactions);
  const methods = (request: Engine["request"], gasCap: () => bigint) =>
    createMethods({
      engine: { request },
      pool,
      submit,
      minTipWei: currentMinTip,
      gasCap,
      feeCollector: header.feeCollector as Hex,
      onPending,
      nowMs,
    });
  // What the process before was doing when it ended, one by one: nobody was told of it, but it may be wanted still.
  for (const raw of state.voided)
    pool
      .submit(raw, { alone: true })
      .catch((error: Error) =>
        say("warn", `A transaction of the voided block was refused: ${error.message}`),
      );
  miner.pump();
  const chain: EmbeddedChain = {
    chainId: header.chainId,
    feeCollector: header.feeCollector as Address,
    genesis: genesisOf(header),
    request: methods(askPatiently, () => blockGasLimit),
    requestFromOutside: methods(ask, guard.gasCap),
    trace: (hash, traceOptions) => askPatiently("debug_traceTransaction", [hash, traceOptions]),
    async mineEmptyBlock() {
      assertOpen();
      await miner.mineEmptyBlock();
    },
    async scheduleBlockAt(timestampSec) {
      assertOpen();
      await miner.scheduleBlockAt(timestampSec);
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
    engineResidentBytes: () => engine.residentBytes(),
    status: () => ({
      chainId: header.chainId,
      blockNumber: state.last.number,
      blockTimestampSec: state.last.timestampSec,
      transactions: state.transactions,
      ceilingTransactions: ceiling.transactions,
      minTipWei: currentMinTip(),
      waiting: pool.waiting().length,
      logBytes: blockLog.bytes(),
      trouble:
        miner.trouble() ?? (miner.isReady() ? null : "the chain is being replayed after its engine died"),
    }),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => chain.close(),
  };
  return { chain, engineDied: miner.engineDied };
}
