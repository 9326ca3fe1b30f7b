import { type Hex, keccak256 } from "viem";
import { type Engine, engineVersion, type MinedBlock } from "./engine.ts";
import { ChainLogError, EngineDiedError } from "./errors.ts";
import type { BlockLog, TornTail } from "./log.ts";

/** Where something worth an operator's attention goes. */
export type ChainLogger = (level: "info" | "warn" | "error", message: string) => void;

/** After each replayed block: how many blocks, transactions and bytes of the log are behind. */
export type ReplayProgress = {
  readonly blocks: number;
  readonly transactions: number;
  readonly bytes: number;
};

export type ReplayOptions = {
  /** Let a log go on with another version of the engine, once all its blocks have replayed to equal hashes. */
  readonly acceptEngine?: boolean | undefined;
  readonly onReplay?: ((progress: ReplayProgress) => void) | undefined;
  readonly say: ChainLogger;
  /**
   * The block that was being mined when the process ended, so that nobody was told of it: if it is the log's last and
   * the engine dies of it again, it is declared void.
   */
  readonly unfinished?: number | undefined;
};

/** The chain as the log leaves it: its last block, how many transactions it holds, the blocks that were asked for. */
export type ReplayedState = {
  last: MinedBlock;
  transactions: number;
  deadlines: Set<number>;
  /** Raw transactions of the unfinished block that was declared void. */
  voided: readonly Hex[];
};

/** Mine every logged block again, from the engine's genesis block on, and compare the hashes. */
export async function replay(
  path: string,
  blockLog: BlockLog,
  engine: Engine,
  options: ReplayOptions,
): Promise<ReplayedState> {
  const { acceptEngine = false, onReplay, say, unfinished } = options;
  const current = engineVersion();
  const state: ReplayedState = {
    last: await engine.latest(),
    transactions: 0,
    deadlines: new Set(),
    voided: [],
  };
  let writtenBy = blockLog.header.engine;
  let pending: { blockNumber: number; timestampSec: number; transactions: readonly Hex[] } | undefined;

  async function minePending() {
    if (pending === undefined) return;
    try {
      const sends = pending.transactions.map((raw) => ({ method: "eth_sendRawTransaction", params: [raw] }));
      if (sends.length > 0) await engine.requestAll(sends);
      state.last = await mineBlock(engine, pending.timestampSec, pending.transactions);
    } catch (error) {
      if (error instanceof EngineDiedError) throw error;
      throw new ChainLogError(
        `Block ${pending.blockNumber} of ${path} does not replay with ${current}: ${(error as Error).message}. ` +
          `The log was written by ${writtenBy}: install that version, or restore a backup of the log.`,
      );
    }
    state.transactions += state.last.transactions.length;
    onReplay?.({
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
  let atEnd = false;
  try {
    for await (const { record } of blockLog.replay(onTorn)) {
      if (record.kind === "void") pending = undefined;
      else await minePending();
      if (record.kind === "block") {
        compare(record.blockNumber - 1, record.parentHash);
        pending = record;
      } else if (record.kind === "seal") compare(record.blockNumber, record.blockHash);
      else if (record.kind === "engine") writtenBy = record.engine;
      else if (record.kind === "deadline") state.deadlines.add(record.timestampSec);
    }
    atEnd = true;
    await minePending();
  } catch (error) {
    if (!(error instanceof EngineDiedError) || pending === undefined) throw error;
    const { blockNumber, transactions } = pending;
    if (!atEnd || blockNumber !== unfinished) {
      throw new ChainLogError(
        `Block ${blockNumber} of ${path} does not replay: ${error.message}. It may have been acknowledged, so it is kept. ` +
          `Give the engine more memory (engineMemoryMiB in config.json), or find what else ended its process, and start again.`,
      );
    }
    say(
      "error",
      `Block ${blockNumber} of ${path} was being mined when the node ended, and the engine died of it again (${error.message}). ` +
        `Nobody had been told of it: it is declared void. Its transactions: ${transactions.map((raw) => keccak256(raw)).join(", ")}.`,
    );
    await blockLog.append({ kind: "void", blockNumber });
    await engine.restart();
    return {
      ...(await replay(path, blockLog, engine, { ...options, unfinished: undefined })),
      voided: transactions,
    };
  }
  if (writtenBy !== current && state.last.number > 0 && !acceptEngine) {
    throw new ChainLogError(
      `The block log ${path} was last written by ${writtenBy}; this node has ${current}. It replays with equal hashes. Install ` +
        `that version, or accept the new one for good (acceptEngine), which the log then notes.`,
    );
  }
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
export async function mineBlock(
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
