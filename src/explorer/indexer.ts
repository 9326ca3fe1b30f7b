import type { Address } from "viem";
import type { Database } from "../store/index.ts";
import {
  type BlockFacts,
  type ChainAccess,
  type CodeFacts,
  hashOf,
  headOf,
  readBlock,
  readCode,
} from "./block.ts";
import type { Registry } from "./registry.ts";
import { addBlock, addGenesis, type BlockContext, contractsOf, emptyRows, instancesOf } from "./rows.ts";
import { migrations } from "./tables.ts";
import { type Cursor, forgetAll, readCursor, writeRows } from "./write.ts";

export type IndexerOptions = {
  readonly database: Database;
  readonly chain: ChainAccess & { readonly chainId: number };
  readonly registry: Registry;
  /** Address → wei at genesis, where it is known. */
  readonly genesis?: Readonly<Record<Address, bigint>>;
  /** Says when there may be a new block; without it the chain is asked every half second. */
  readonly onBlock?: (listener: () => void) => () => void;
  readonly log?: (level: "info" | "warn", message: string) => void;
  /** Make the index anew from block 0. */
  readonly reindex?: boolean;
  /** Bounds of one batch, which is one database transaction. */
  readonly batch?: { readonly blocks: number; readonly transactions: number };
};

export type IndexerStatus = {
  readonly cursor: Cursor | undefined;
  /** The chain's last block, as last asked. */
  readonly head: number;
  /** Why indexing does not go on at the moment; null when it does. */
  readonly trouble: string | null;
};

export type Indexer = {
  status(): IndexerStatus;
  /** Calls back after each batch. @returns how to stop that */
  onIndexed(listener: () => void): () => void;
  /** Resolves when this block is in the database. @throws when indexing has been closed */
  reached(blockNumber: number): Promise<void>;
  /** Finishes the batch under way, then stops. */
  close(): Promise<void>;
};

/** Small enough that a batch holds the database, and the thread it runs in, for a moment only. */
const defaultBatch = { blocks: 256, transactions: 64 };
/** Inputs and event data of a batch, as hex; a block that is larger by itself is a batch. */
const batchCharactersMax = 8 * 2 ** 20;
const pollMs = 500;
/** With word of each block, the chain is asked by itself only to be sure. */
const pollBesideNoticeMs = 60_000;
const retryMinMs = 100;
const retryMaxMs = 10_000;
/** A backfill of fewer blocks than this is not worth a line of the log. */
const backfillBlocks = 2_000;

/** Index the chain from genesis to its head, then follow it. Rows and cursor commit together. */
export async function openIndexer(options: IndexerOptions): Promise<Indexer> {
  const { database, chain, registry, log = () => {} } = options;
  await database.migrate("explorer", migrations);
  let closed = false;
  let trouble: string | null = null;
  let wake = () => {};
  let head = await headOf(chain.request);
  let cursor = await checkedCursor(options.reindex === true ? "that was asked for" : undefined);
  const listeners = new Set<() => void>();
  const waiting = new Set<{ block: number; resolve: () => void; reject: (error: Error) => void }>();
  const access: ChainAccess = {
    request: chain.request,
    ...(chain.trace === undefined ? {} : { trace: chain.trace }),
    onUntraced: (hash, error) => {
      // A trace that fails because the node closes must not leave a row without it.
      if (closed) throw error;
      log(
        "warn",
        `Transaction ${hash} could not be traced and is indexed without: ${(error as Error).message}`,
      );
    },
  };

  /** The cursor, or none after all rows were dropped because they are of something else, or because of what is given. */
  async function checkedCursor(given?: string): Promise<Cursor | undefined> {
    const found = await readCursor(database);
    if (found === undefined) return undefined;
    const reason = given ?? (await differenceOf(found));
    if (reason === undefined) return found;
    log("warn", `The explorer's index is made anew from block 0: ${reason}.`);
    await database.transaction(forgetAll);
    return undefined;
  }

  /** Why rows up to a cursor are not of this chain and these contracts; undefined if they are. */
  async function differenceOf(found: Cursor): Promise<string | undefined> {
    const { chainId, blockNumber, blockHash, registryDigest } = found;
    if (chainId !== chain.chainId) return `it is of chain ${chainId}, this is chain ${chain.chainId}`;
    const genesisHash = await hashOf(chain.request, 0);
    if (found.genesisHash !== genesisHash)
      return `its genesis block is ${found.genesisHash}, this chain's is ${genesisHash}`;
    const hash = await hashOf(chain.request, blockNumber);
    if (hash === undefined) return `it ends at block ${blockNumber}, this chain at block ${head}`;
    if (hash !== blockHash) return `its block ${blockNumber} is ${blockHash}, this chain's is ${hash}`;
    if (registryDigest !== registry.digest) return "the contracts it was decoded by have changed";
    return undefined;
  }

  /** Index one batch. @returns whether there is more */
  async function advance(): Promise<boolean> {
    head = await headOf(chain.request);
    const blocks = await readBatch();
    const last = blocks.at(-1);
    if (last === undefined) return false;
    if (blocks[0]!.parentHash !== cursor?.blockHash && cursor !== undefined) {
      const { blockNumber } = cursor;
      cursor = await checkedCursor();
      if (cursor === undefined) return true;
      throw new Error(`block ${blocks[0]!.number} does not follow block ${blockNumber}, which is unchanged`);
    }
    const genesisHash = cursor?.genesisHash ?? blocks[0]!.hash;
    const contexts = await contextsOf(blocks);
    const next = await database.transaction(async (tx) => {
      const rows = emptyRows();
      if (blocks[0]!.number === 0) addGenesis(rows, options.genesis ?? {});
      for (const [index, block] of blocks.entries()) addBlock(rows, block, contexts[index]!);
      const made = { chainId: chain.chainId, genesisHash, registryDigest: registry.digest };
      return writeRows(tx, rows, cursor, { ...made, blockNumber: last.number, blockHash: last.hash });
    });
    cursor = next;
    for (const listener of listeners) listener();
    for (const waiter of waiting) {
      if (waiter.block > next.blockNumber) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
    return next.blockNumber < head;
  }

  async function readBatch(): Promise<BlockFacts[]> {
    const bounds = options.batch ?? defaultBatch;
    const blocks: BlockFacts[] = [];
    let transactions = 0;
    let characters = 0;
    const first = cursor === undefined ? 0 : cursor.blockNumber + 1;
    for (let number = first; number <= head && blocks.length < bounds.blocks && !closed; number++) {
      const block = await readBlock(access, number);
      const previous = blocks.at(-1);
      if (block === undefined || (previous !== undefined && block.parentHash !== previous.hash)) break;
      blocks.push(block);
      transactions += block.transactions.length;
      characters += charactersOf(block);
      if (transactions >= bounds.transactions || characters >= batchCharactersMax) break;
    }
    return blocks;
  }

  /** What each block's rows need beside the block: from the rows so far, from the blocks before it, from the chain. */
  async function contextsOf(blocks: readonly BlockFacts[]): Promise<BlockContext[]> {
    const named = blocks.map((block) => instancesOf(block, registry));
    const asked = new Set(named.flatMap((instances) => [...instances.keys()]));
    for (const { transactions } of blocks)
      for (const { recipient, logs } of transactions) {
        if (recipient !== null) asked.add(recipient);
        for (const { address } of logs) asked.add(address);
      }
    const rows = await database.query<{ address: Address; name: string | null }>(
      `select address, name from explorer.contracts
       where address in (select jsonb_array_elements_text($1::jsonb))`,
      [JSON.stringify([...asked])],
    );
    const known = new Set(rows.map(({ address }) => address));
    const names = new Map(
      rows.flatMap(({ address, name }) => (name === null ? [] : [[address, name] as const])),
    );
    const contexts: BlockContext[] = [];
    for (const [index, block] of blocks.entries()) {
      const instances = named[index]!;
      // The first to name a contract is believed: it is the one that made it.
      for (const [address, name] of instances) if (!names.has(address)) names.set(address, name);
      const codes = await codesOf(block, instances, known);
      const namesNow = new Map(names);
      contexts.push({
        registry,
        instances,
        instanceOf: (address) => namesNow.get(address),
        codeOf: (address) => codes.get(address),
      });
    }
    return contexts;
  }

  /** Code of what a block made, and of what it shows and has no row yet, which goes into `known`. */
  async function codesOf(
    block: BlockFacts,
    instances: ReadonlyMap<Address, string>,
    known: Set<Address>,
  ): Promise<Map<Address, CodeFacts>> {
    const { made, spoke } = contractsOf(block);
    const codes = new Map<Address, CodeFacts>();
    for (const address of new Set([...made, ...spoke, ...instances.keys()])) {
      if (known.has(address) && !made.has(address)) continue;
      const code = await readCode(chain.request, address, block.number);
      codes.set(address, code);
      if (made.has(address) || code.bytes > 0) known.add(address);
    }
    return codes;
  }

  async function catchUp(): Promise<void> {
    const from = cursor?.blockNumber ?? -1;
    const startedMs = Date.now();
    let saidMs = startedMs;
    while (!closed && (await advance())) {
      if (head - from < backfillBlocks || Date.now() - saidMs < 5_000) continue;
      saidMs = Date.now();
      log("info", `The explorer has indexed block ${cursor?.blockNumber} of ${head}.`);
    }
    const blocks = (cursor?.blockNumber ?? -1) - from;
    if (blocks >= backfillBlocks)
      log(
        "info",
        `The explorer has indexed ${blocks} blocks in ${Math.round((Date.now() - startedMs) / 1000)} s.`,
      );
  }

  async function run(): Promise<void> {
    let retryMs = retryMinMs;
    let failedAfter: number | undefined;
    while (!closed) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        // After a failure only the database knows: a commit whose answer was lost is a commit.
        if (trouble !== null) cursor = await readCursor(database);
        await catchUp();
        trouble = null;
        retryMs = retryMinMs;
        if (!closed) await pause(options.onBlock === undefined ? pollMs : pollBesideNoticeMs, woken);
      } catch (error) {
        if (closed) break;
        const message = (error as Error).message;
        if (message !== trouble)
          log("warn", `The explorer's index does not go on: ${message}. It tries again.`);
        trouble = message;
        const last = cursor?.blockNumber;
        retryMs = last === failedAfter ? Math.min(retryMs * 2, retryMaxMs) : retryMinMs;
        failedAfter = last;
        await pause(retryMs, woken);
      }
    }
  }

  const unsubscribe = options.onBlock?.(() => wake());
  const running = run();
  return {
    status: () => ({ cursor, head, trouble }),
    onIndexed(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reached(block) {
      if (cursor !== undefined && cursor.blockNumber >= block) return Promise.resolve();
      if (closed) return Promise.reject(closedError());
      return new Promise((resolve, reject) => {
        waiting.add({ block, resolve, reject });
        wake();
      });
    },
    async close() {
      closed = true;
      unsubscribe?.();
      wake();
      await running;
      for (const waiter of waiting) waiter.reject(closedError());
    },
  };
}

function charactersOf({ transactions }: BlockFacts): number {
  let sum = 0;
  for (const { input, logs } of transactions) {
    sum += input.length;
    for (const { data } of logs) sum += data.length;
  }
  return sum;
}

const closedError = () => new Error("The explorer has been closed.");

/** Waits for a time or until woken, and keeps no process alive. */
async function pause(ms: number, woken: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    woken,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
      timer.unref();
    }),
  ]);
  clearTimeout(timer);
}
