import {
  type Abi,
  type Address,
  getAddress,
  type Hex,
  type ParseEventLogsReturnType,
  type PublicClient,
  parseEventLogs,
} from "viem";
import type { Database, Transaction } from "../store/index.ts";

/** Contracts to follow: name → address and ABI. */
export type FollowedContracts = Readonly<Record<string, { readonly address: Address; readonly abi: Abi }>>;

/** A decoded event: viem's log with `eventName` and `args`, the contract's name, and its block's time. */
export type ChainEvent<contracts extends FollowedContracts> = {
  [name in keyof contracts & string]: ParseEventLogsReturnType<
    contracts[name]["abi"],
    undefined,
    true
  >[number] & {
    readonly contract: name;
    readonly blockTimestampSec: number;
  };
}[keyof contracts & string];

export type FollowOptions<contracts extends FollowedContracts> = {
  /** The projection's name: its cursor is kept under it. */
  readonly name: string;
  readonly database: Database;
  readonly client: Pick<PublicClient, "getBlock" | "getBlockNumber" | "getLogs">;
  readonly contracts: contracts;
  /** The first block of interest, used until a cursor is kept. */
  readonly fromBlock?: bigint;
  /**
   * Write what the events say. All events of a range of blocks in order, never none; the cursor moves in the same
   * transaction, so each event is handled exactly once however often the process dies.
   */
  readonly handle: (events: readonly ChainEvent<contracts>[], tx: Transaction) => Promise<void>;
  /** Blocks that may still be replaced: 0 on the embedded chain, whose blocks are final. */
  readonly confirmations?: number;
  /** Says when there may be a new block; without it the chain is asked every `pollMs`. */
  readonly onBlock?: (listener: () => void) => () => void;
  readonly pollMs?: number;
  readonly onError?: (error: unknown) => void;
};

export type EventFollower = {
  /** The last block whose events are in the database; undefined before the first. */
  cursor(): bigint | undefined;
  /** Resolves when the events of this block are in the database; @throws when following has stopped */
  reached(blockNumber: bigint): Promise<void>;
  /** Finishes the range under way, then stops. */
  stop(): Promise<void>;
};

const migrations = [
  `create table chain.cursors (
    name text primary key,
    block_number bigint not null,
    block_hash text not null
  );`,
];

/** Blocks read at once; a node refuses more than 10,000. */
const blocksAtOnce = 2_000n;
const retryMaxMs = 10_000;

/** The chain's history is not the one these rows were made from. */
export class HistoryChangedError extends Error {
  override readonly name = "HistoryChangedError";
}

/**
 * Follow contracts' events into the database.
 *
 * @throws HistoryChangedError if the chain's block at the cursor is another than when it was handled: the database
 * belongs to another chain, or blocks were replaced
 */
export async function followEvents<const contracts extends FollowedContracts>(
  options: FollowOptions<contracts>,
): Promise<EventFollower> {
  const { name, database, client } = options;
  await database.migrate("chain", migrations);
  const byAddress = new Map(
    Object.entries(options.contracts).map(([key, { address, abi }]) => [getAddress(address), { key, abi }]),
  );
  let cursor = await readCursor(database, name);
  await assertSameHistory(client, name, cursor);

  let stopped = false;
  let failure: unknown;
  let wake = () => {};
  const waiting = new Set<{ blockNumber: bigint; resolve: () => void; reject: (error: unknown) => void }>();

  async function advance(): Promise<boolean> {
    const head = (await client.getBlockNumber({ cacheTime: 0 })) - BigInt(options.confirmations ?? 0);
    const from = cursor === undefined ? (options.fromBlock ?? 0n) : cursor.number + 1n;
    if (from > head) return false;
    const to = from + blocksAtOnce - 1n < head ? from + blocksAtOnce - 1n : head;
    const last = await client.getBlock({ blockNumber: to });
    const events = await readEvents(from, to);
    const next = { number: to, hash: last.hash };
    await database.transaction(async (tx) => {
      if (events.length > 0) await options.handle(events, tx);
      await tx.query(
        `insert into chain.cursors (name, block_number, block_hash) values ($1, $2, $3)
         on conflict (name) do update set block_number = excluded.block_number, block_hash = excluded.block_hash`,
        [name, Number(to), next.hash],
      );
    });
    cursor = next;
    for (const waiter of waiting) {
      if (waiter.blockNumber > to) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
    return to < head;
  }

  async function readEvents(fromBlock: bigint, toBlock: bigint): Promise<ChainEvent<contracts>[]> {
    const logs = await client.getLogs({ address: [...byAddress.keys()], fromBlock, toBlock });
    const times = new Map<bigint, number>();
    const events: unknown[] = [];
    for (const log of logs) {
      const contract = byAddress.get(getAddress(log.address));
      if (contract === undefined) continue;
      const [decoded] = parseEventLogs({ abi: contract.abi, logs: [log] });
      if (decoded === undefined) continue;
      if (!times.has(log.blockNumber)) {
        times.set(
          log.blockNumber,
          Number((await client.getBlock({ blockNumber: log.blockNumber })).timestamp),
        );
      }
      events.push({ ...decoded, contract: contract.key, blockTimestampSec: times.get(log.blockNumber) });
    }
    return events as ChainEvent<contracts>[];
  }

  async function run(): Promise<void> {
    let retryMs = 100;
    while (!stopped) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        while (!stopped && (await advance()));
        retryMs = 100;
        if (!stopped)
          await Promise.race([
            woken,
            pause(options.pollMs ?? (options.onBlock === undefined ? 500 : 60_000)),
          ]);
      } catch (error) {
        options.onError?.(error);
        await Promise.race([woken, pause(retryMs)]);
        retryMs = Math.min(retryMs * 2, retryMaxMs);
      }
    }
    for (const waiter of waiting) waiter.reject(failure ?? new Error(`Following "${name}" has stopped.`));
  }

  const unsubscribe = options.onBlock?.(() => wake());
  const running = run().catch((error) => {
    failure = error;
  });
  return {
    cursor: () => cursor?.number,
    reached(blockNumber) {
      if (cursor !== undefined && cursor.number >= blockNumber) return Promise.resolve();
      if (stopped) return Promise.reject(failure ?? new Error(`Following "${name}" has stopped.`));
      return new Promise((resolve, reject) => {
        waiting.add({ blockNumber, resolve, reject });
        wake();
      });
    },
    async stop() {
      stopped = true;
      unsubscribe?.();
      wake();
      await running;
    },
  };
}

type Cursor = { readonly number: bigint; readonly hash: Hex };

async function readCursor(database: Database, name: string): Promise<Cursor | undefined> {
  const [row] = await database.query<{ block_number: number; block_hash: Hex }>(
    "select block_number, block_hash from chain.cursors where name = $1",
    [name],
  );
  return row === undefined ? undefined : { number: BigInt(row.block_number), hash: row.block_hash };
}

async function assertSameHistory(
  client: Pick<PublicClient, "getBlock" | "getBlockNumber">,
  name: string,
  cursor: Cursor | undefined,
): Promise<void> {
  if (cursor === undefined) return;
  const head = await client.getBlockNumber({ cacheTime: 0 });
  const hash =
    head < cursor.number ? undefined : (await client.getBlock({ blockNumber: cursor.number })).hash;
  if (hash === cursor.hash) return;
  throw new HistoryChangedError(
    `The rows of "${name}" were made from a chain whose block ${cursor.number} is ${cursor.hash}; this chain ` +
      `${hash === undefined ? `ends at block ${head}` : `has ${hash} there`}. Restore the database and the chain's log from the same ` +
      `backup, or remove the database's rows of this projection and its cursor so that they are made again.`,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
