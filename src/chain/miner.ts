import type { Hex } from "viem";
import type { Engine } from "./engine.ts";
import { EngineDiedError, RpcError, rpcCodes } from "./errors.ts";
import type { BlockLog } from "./log.ts";
import type { MiningMark } from "./mining-mark.ts";
import type { FilledBlock, TransactionPool } from "./pool.ts";
import { type ChainLogger, mineBlock, type ReplayedState } from "./replay.ts";

export type MinerParts = {
  readonly engine: Engine;
  readonly blockLog: BlockLog;
  readonly mark: MiningMark;
  readonly pool: TransactionPool;
  /** The chain's end; kept up to date here. */
  readonly state: ReplayedState;
  /** The engine, made again from the log; a block that is `unfinished` and kills it once more is declared void. */
  readonly replay: (unfinished: number | undefined) => Promise<ReplayedState>;
  /** Called after each block, which is on the disk then. */
  readonly onMined: (blockNumber: number) => void;
  /** Called when an execution killed the engine, before it is made again. */
  readonly onKilled: (error: EngineDiedError) => void;
  readonly say: ChainLogger;
  readonly nowMs: () => number;
};

export type Miner = {
  /** Why no transaction can be accepted now; null when all is well. */
  trouble(): string | null;
  /** False while the engine is dead or being made again: what it would answer is not the chain. */
  isReady(): boolean;
  /** Resolves when it is, or when the chain has stopped for good. */
  ready(): Promise<void>;
  /** @throws RpcError when the chain has stopped for good */
  assertRunning(): void;
  /** Mine what waits and what is due, now or after what is under way. */
  pump(): void;
  mineEmptyBlock(): Promise<void>;
  scheduleBlockAt(timestampSec: number): Promise<void>;
  /** To be told when the engine's process has ended. */
  engineDied(error: EngineDiedError): void;
  /** Mines what was submitted, then stops. False if the chain had stopped by itself. */
  drain(): Promise<boolean>;
};

const deadlinesMax = 10_000;
const timerMaxMs = 2 ** 31 - 1;
/** How often a log that could not be written is tried again. */
const probeEveryMs = 1_000;
const recoveryAttempts = 5;
const recoveryPauseMs = 500;

/** Turns what waits into blocks: logged, mined, told, in this order; and makes the engine again when it died. */
export function createMiner(parts: MinerParts): Miner {
  const { engine, blockLog, mark, pool, state, say, nowMs } = parts;
  let trouble: string | null = null;
  let failed = false;
  let dead = false;
  let draining = false;
  let timer: NodeJS.Timeout | undefined;
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

  function stop(reason: string, error: unknown): never {
    failed = true;
    trouble = `${reason} (${(error as Error).message}); restart the node`;
    say("error", `The chain stops: ${trouble}.`);
    throw new RpcError(rpcCodes.internal, trouble);
  }

  /**
   * Make the engine again from the log. What kills it meanwhile comes from elsewhere, so it is tried a few times.
   *
   * @param unfinished the last block, if nobody has been told that it is mined: void if the engine dies of it again
   */
  async function recover(unfinished?: number): Promise<void> {
    dead = true;
    const startedAtMs = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        await engine.restart();
        const { last, transactions } = await parts.replay(unfinished);
        Object.assign(state, { last, transactions });
        break;
      } catch (error) {
        if (attempt === recoveryAttempts) return stop("the chain could not be replayed", error);
        await new Promise((resolve) => setTimeout(resolve, attempt * recoveryPauseMs));
      }
    }
    dead = false;
    const tookMs = Math.round(performance.now() - startedAtMs);
    say("info", `The chain was replayed to block ${state.last.number} in ${tookMs} ms.`);
  }

  /**
   * Log a block, then mine it. The engine's memory pool holds `transactions`.
   *
   * @throws RpcError if it was not logged, or could not be mined; then it is void, and the chain is as it was before
   */
  async function logAndMine(transactions: readonly Hex[]): Promise<void> {
    const timestampSec = Math.max(state.last.timestampSec, Math.floor(nowMs() / 1000));
    const blockNumber = state.last.number + 1;
    mark.begin(blockNumber);
    await appendToLog({
      kind: "block",
      blockNumber,
      timestampSec,
      parentHash: state.last.hash,
      transactions,
    });
    try {
      state.last = await mineBlock(engine, timestampSec, transactions);
      state.transactions += state.last.transactions.length;
    } catch (error) {
      await undo(blockNumber, error as Error);
    }
    mark.end();
    for (const deadline of state.deadlines) if (deadline <= timestampSec) state.deadlines.delete(deadline);
    parts.onMined(state.last.number);
  }

  /** Returns if the block was not to blame and is mined now. */
  async function undo(blockNumber: number, error: Error): Promise<void> {
    const isToBlame = !(error instanceof EngineDiedError) || error.executing;
    if (isToBlame) {
      say("error", `Block ${blockNumber} could not be mined (${error.message}): it is declared void.`);
      await blockLog
        .append({ kind: "void", blockNumber })
        .catch((cause) => stop("a void block could not be logged", cause));
    }
    await recover(isToBlame ? undefined : blockNumber);
    if (state.last.number < blockNumber) throw error;
  }

  /** Mine one block of what waits. False: nothing could go now. */
  async function mineWaiting(): Promise<boolean> {
    if (failed) return false;
    if (dead) await recover();
    let block: FilledBlock | undefined;
    try {
      block = await pool.fill();
    } catch (error) {
      // What is wrong with a transaction is told to its sender; anything else is the engine's and cannot be gone past.
      if (!(error instanceof EngineDiedError))
        return stop("the engine failed while a block was filled", error);
      if (error.executing) pool.refuseAll(error);
      return true;
    }
    if (block === undefined) return false;
    try {
      await logAndMine(block.transactions);
    } catch (error) {
      if (error instanceof EngineDiedError && block.transactions.length > 1) block.separate();
      else await block.refuse(error as Error);
      return !failed;
    }
    block.mined(new Set(state.last.transactions));
    return true;
  }

  async function pumpOnce(): Promise<void> {
    while (await exclusive(mineWaiting));
    if (trouble !== null && !failed) await exclusive(() => onDisk(blockLog.probe)).catch(() => {});
    if (trouble === null && dueDeadline() !== undefined) await exclusive(() => logAndMine([]));
  }

  async function pump(): Promise<void> {
    pumpAgain = true;
    if (pumping || failed) return;
    pumping = true;
    try {
      while (pumpAgain) {
        pumpAgain = false;
        await pumpOnce();
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
    if (draining) return;
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

  return {
    trouble: () => trouble,
    isReady: () => !dead,
    async ready() {
      while (dead && !failed) await exclusive(mineWaiting).catch(() => {});
    },
    assertRunning() {
      if (failed) throw new RpcError(rpcCodes.internal, trouble ?? "the chain has stopped");
    },
    pump: () => void setImmediate(() => void pump()),
    mineEmptyBlock: () => exclusive(() => logAndMine([])),
    async scheduleBlockAt(timestampSec) {
      if (!Number.isSafeInteger(timestampSec))
        throw new RangeError(`${timestampSec} is not a time in whole seconds`);
      if (timestampSec <= state.last.timestampSec || state.deadlines.has(timestampSec)) return;
      if (state.deadlines.size >= deadlinesMax)
        throw new RangeError(`${deadlinesMax} blocks are scheduled already`);
      await exclusive(() => appendToLog({ kind: "deadline", timestampSec }));
      state.deadlines.add(timestampSec);
      arm();
    },
    engineDied(error) {
      dead = true;
      say("error", `The engine died: ${error.message}`);
      if (error.executing) parts.onKilled(error);
      if (!draining) setImmediate(() => void pump());
    },
    async drain() {
      draining = true;
      clearTimeout(timer);
      for (let attempt = 0; pumping && attempt < 1_000; attempt++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      if (!failed) while (await exclusive(mineWaiting));
      await turn;
      return !failed;
    },
  };
}
