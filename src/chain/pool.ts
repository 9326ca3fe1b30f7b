import { type Address, type Hex, hexToBytes, keccak256 } from "viem";
import type { Engine } from "./engine.ts";
import { EngineDiedError, RpcError, rpcCodes } from "./errors.ts";
import {
  type Account,
  decoded,
  type EngineTransaction,
  judge,
  maxCost,
  mustBeAlone,
  type PoolTransaction,
} from "./pool-rules.ts";
import { isRawTransaction } from "./values.ts";

/** Bounds on what waits to be mined and on what one block takes. */
export const poolLimits = {
  /** As go-ethereum: one transaction's encoding. */
  transactionBytes: 128 * 1024,
  waiting: 10_000,
  waitingBytes: 64 * 1024 * 1024,
  /** Transactions of one sender that may wait for a predecessor. */
  gapsPerSender: 64,
  blockTransactions: 1_000,
  blockBytes: 4 * 1024 * 1024,
  /** How long a transaction whose predecessor has not come may wait, milliseconds. */
  gapMs: 3_000,
  /** Transactions the engine checks in one request; those beyond a full block are checked again for the next one. */
  identifiedAtOnce: 16,
} as const;

/** Says whether a transaction may enter now: undefined, or why not. Applied once its sender and fees are known. */
export type Admission = (transaction: PoolTransaction) => string | undefined;

export type WaitingTransaction = {
  readonly hash: Hex;
  readonly transaction: PoolTransaction | undefined;
  readonly held: boolean;
};

type Entry = {
  readonly raw: Hex;
  readonly hash: Hex;
  readonly bytes: number;
  readonly arrivedAtMs: number;
  transaction?: PoolTransaction;
  held: boolean;
  /** A block with it and others killed the engine: the next one holds it only. */
  alone: boolean;
  readonly done: Promise<Hex>;
  resolve(hash: Hex): void;
  reject(error: Error): void;
};

/** The next block's transactions, and whether the engine holds all of them still. */
type Chosen = { readonly entries: readonly Entry[]; readonly disturbed: boolean };

/** A block's transactions, in the engine's memory pool in this order and nowhere mined yet. */
export type FilledBlock = {
  readonly transactions: readonly Hex[];
  readonly hashes: readonly Hex[];
  /** Tell the senders: each transaction is in the block (its hash is among `mined`) or was passed over. */
  mined(mined: ReadonlySet<Hex>): void;
  /** Take them out of the engine again and tell the senders why. */
  refuse(error: Error): Promise<void>;
  /** Leave them in the queue, each for a block of its own; the engine holds none of them any more. */
  separate(): void;
};

export type TransactionPool = {
  /** Queue a signed transaction, for a block of its own if asked to; resolves to its hash once mined. @throws RpcError */
  submit(raw: Hex, options?: { readonly alone: boolean }): Promise<Hex>;
  /** Choose the next block's transactions and put them into the engine's memory pool; undefined if none can go now. */
  fill(): Promise<FilledBlock | undefined>;
  /** When the oldest transaction that waits for a predecessor gives up, epoch milliseconds. */
  nextExpiryMs(): number | undefined;
  /** Oldest first. One that is `held` waits for a predecessor. */
  waiting(): readonly WaitingTransaction[];
  refuseAll(error: Error): void;
};

/**
 * Transactions on their way into a block. One is acknowledged when it is mined, so nothing has to be kept across a
 * restart; one whose nonce is too high waits a few seconds for those before it, because a client that sends several
 * at once may see them arrive in another order.
 */
export function createPool(
  engine: Engine,
  {
    blockGasLimit,
    admission,
    nowMs,
    onAdmitted,
  }: {
    blockGasLimit: bigint;
    admission: Admission;
    nowMs: () => number;
    /** Called once for each transaction that has been checked and may be mined. */
    onAdmitted: (hash: Hex) => void;
  },
): TransactionPool {
  const entries = new Map<Hex, Entry>();
  let waitingBytes = 0;

  function submit(raw: Hex, { alone } = { alone: false }): Promise<Hex> {
    const bytes = (raw.length - 2) / 2;
    if (!isRawTransaction(raw))
      throw new RpcError(rpcCodes.invalidParams, "not a transaction: hex bytes are expected");
    if (raw.startsWith("0x03")) {
      throw new RpcError(
        rpcCodes.server,
        "transaction type not supported: blob transactions (type 3) burn their blob fee, and OPEN is never burnt; send type 2",
      );
    }
    if (bytes > poolLimits.transactionBytes) {
      throw new RpcError(
        rpcCodes.server,
        `oversized data: ${bytes} bytes, at most ${poolLimits.transactionBytes} are taken`,
      );
    }
    const hash = keccak256(hexToBytes(raw));
    const known = entries.get(hash);
    if (known !== undefined) return known.done;
    if (entries.size >= poolLimits.waiting || waitingBytes + bytes > poolLimits.waitingBytes) {
      throw new RpcError(
        rpcCodes.limitExceeded,
        `txpool is full: ${entries.size} transactions wait; send again in a moment`,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<Hex>();
    entries.set(hash, {
      raw,
      hash,
      bytes,
      arrivedAtMs: nowMs(),
      held: false,
      alone,
      done: promise,
      resolve,
      reject,
    });
    waitingBytes += bytes;
    return promise;
  }

  /** False once its sender has been told, even if the same transaction was sent again since. */
  const isWaiting = (entry: Entry) => entries.get(entry.hash) === entry;

  function settle(entry: Entry, outcome: Hex | Error): void {
    if (!isWaiting(entry)) return;
    entries.delete(entry.hash);
    waitingBytes -= entry.bytes;
    if (typeof outcome === "string") entry.resolve(outcome);
    else entry.reject(outcome);
  }

  async function fill(): Promise<FilledBlock | undefined> {
    const candidates = [...entries.values()];
    let chosen = await choose(candidates, poolLimits.identifiedAtOnce);
    if (chosen.disturbed) {
      // One has replaced another of the same sender and nonce: one by one, the first to come is judged first.
      await drop(chosen.entries);
      chosen = await choose(candidates, 1);
    }
    if (chosen.disturbed) {
      // A transaction that was refused has replaced a chosen one in the engine: start again with the chosen ones only.
      await drop(chosen.entries);
      chosen = await choose(chosen.entries, 1);
    }
    const block = chosen.entries;
    if (block.length === 0) return undefined;
    return {
      transactions: block.map((entry) => entry.raw),
      hashes: block.map((entry) => entry.hash),
      mined(mined) {
        for (const entry of block) {
          const passedOver = new RpcError(
            rpcCodes.server,
            "the transaction became invalid while its block was mined",
          );
          settle(entry, mined.has(entry.hash) ? entry.hash : passedOver);
        }
      },
      async refuse(error) {
        await drop(block);
        for (const entry of block) settle(entry, error);
      },
      separate() {
        for (const entry of block) entry.alone = true;
      },
    };
  }

  async function drop(block: Iterable<Entry>): Promise<void> {
    for (const entry of block) await engine.request("hardhat_dropTransaction", [entry.hash]);
  }

  /**
   * One pass over the queue, oldest first. What it returns lies in the engine's memory pool in the same order, and
   * nothing else does. When `disturbed`, some of it was replaced there.
   *
   * @param atOnce how many unknown transactions the engine is handed together
   */
  async function choose(candidates: readonly Entry[], atOnce: number): Promise<Chosen> {
    const accounts = new Map<Address, Account>();
    const block: Entry[] = [];
    const inEngine = new Set<Entry>();
    let gas = 0n;
    let bytes = 0;
    let disturbed = false;
    let closed = false;
    for (let at = 0; at < candidates.length && !closed; ) {
      const run = runFrom(candidates, at, atOnce);
      at += run.length;
      if (run[0]!.transaction === undefined) {
        disturbed = !(await identify(run, inEngine)) || disturbed;
        if (disturbed && atOnce > 1) break;
      }
      await readAccounts(accounts, run);
      for (const entry of run) {
        const { transaction } = entry;
        if (transaction === undefined || !isWaiting(entry)) continue;
        const account = accounts.get(transaction.from)!;
        closed ||=
          block.length >= poolLimits.blockTransactions ||
          bytes + entry.bytes > poolLimits.blockBytes ||
          (entry.alone && block.length > 0);
        const verdict = closed ? "close" : judge(transaction, account, block.length, gas, blockGasLimit);
        if (verdict === "close") closed = true;
        else if (verdict === "gap") holdOrRefuse(entry, account);
        else if (verdict instanceof RpcError) settle(entry, verdict);
        if (verdict !== "take" || (!inEngine.has(entry) && !(await sendToEngine(entry)))) continue;
        inEngine.add(entry);
        account.chosen += 1;
        account.nextNonce += 1;
        account.balance -= maxCost(transaction);
        gas += transaction.gas;
        bytes += entry.bytes;
        block.push(entry);
        closed = entry.alone || mustBeAlone(transaction, account);
      }
    }
    await drop(inEngine.difference(new Set(block)));
    return { entries: block, disturbed };
  }

  /**
   * Let the engine check and decode transactions it has not seen; those it refuses are told why.
   *
   * @param inEngine what lies in the engine's memory pool already; those accepted are added
   * @returns false if one of them has replaced another there
   */
  async function identify(run: readonly Entry[], inEngine: Set<Entry>): Promise<boolean> {
    const pending = { method: "eth_pendingTransactions", params: [] };
    const sends = run.map(({ raw }) => ({ method: "eth_sendRawTransaction", params: [raw] }));
    let listed: unknown;
    try {
      const answers = await engine.requestAll([...sends, pending]);
      listed = answers.at(-1);
      for (const [i, entry] of run.entries()) if (await isItself(entry, answers[i])) inEngine.add(entry);
    } catch (error) {
      if (error instanceof EngineDiedError) throw error;
      // One was refused, and the answer does not say which: one by one. Those before it are known already.
      for (const entry of run) if (await sendToEngine(entry)) inEngine.add(entry);
      listed = await engine.request(pending.method);
    }
    const found = new Map((listed as EngineTransaction[]).map((one) => [one.hash, one]));
    for (const entry of run) {
      const known = found.get(entry.hash);
      if (known === undefined) {
        // Replaced by one beside it, which is for the caller to sort out; alone, it cannot have been.
        if (run.length === 1) settle(entry, new RpcError(rpcCodes.internal, `the engine lost ${entry.hash}`));
        continue;
      }
      entry.transaction = decoded(known);
      const refusal = admission(entry.transaction);
      if (refusal !== undefined) settle(entry, new RpcError(rpcCodes.server, refusal));
      else onAdmitted(entry.hash);
    }
    for (const entry of inEngine) if (!found.has(entry.hash)) return false;
    return true;
  }

  async function sendToEngine(entry: Entry): Promise<boolean> {
    try {
      return await isItself(entry, await engine.request("eth_sendRawTransaction", [entry.raw]));
    } catch (error) {
      if (error instanceof EngineDiedError) throw error;
      const { message } = error as Error;
      if (message.startsWith("already known") && message.includes(entry.hash)) return true;
      settle(entry, error as Error);
      return false;
    }
  }

  /** The engine passes over bytes after a transaction's end: then what it took has another hash than what was sent. */
  async function isItself(entry: Entry, takenHash: unknown): Promise<boolean> {
    if (takenHash === entry.hash) return true;
    await engine.request("hardhat_dropTransaction", [takenHash]);
    const message = `not a transaction: its bytes are not those of ${takenHash}, which they encode; send it without anything after its end`;
    settle(entry, new RpcError(rpcCodes.invalidParams, message));
    return false;
  }

  /** Add the run's senders that are not in `accounts` yet. */
  async function readAccounts(accounts: Map<Address, Account>, run: readonly Entry[]): Promise<void> {
    const senders = new Set(
      run.flatMap(({ transaction }) => (transaction === undefined ? [] : transaction.from)),
    );
    await Promise.all(
      [...senders].map(async (address) => {
        if (accounts.has(address)) return;
        const [balance, nonce, code] = await Promise.all([
          engine.request("eth_getBalance", [address, "latest"]),
          engine.request("eth_getTransactionCount", [address, "latest"]),
          engine.request("eth_getCode", [address, "latest"]),
        ]);
        accounts.set(address, {
          balance: BigInt(balance as Hex),
          nextNonce: Number(nonce),
          chosen: 0,
          gaps: 0,
          hasCode: code !== "0x",
        });
      }),
    );
  }

  function holdOrRefuse(entry: Entry, account: Account): void {
    account.gaps += 1;
    entry.held = true;
    if (nowMs() - entry.arrivedAtMs < poolLimits.gapMs && account.gaps <= poolLimits.gapsPerSender) return;
    const { from, nonce } = entry.transaction!;
    settle(
      entry,
      new RpcError(
        rpcCodes.server,
        `nonce too high: ${from} continues at ${account.nextNonce}, this is ${nonce}`,
      ),
    );
  }

  return {
    submit,
    fill,
    nextExpiryMs() {
      const oldest = entries.values().next().value;
      return oldest === undefined ? undefined : oldest.arrivedAtMs + poolLimits.gapMs;
    },
    waiting: () => [...entries.values()].map(({ hash, transaction, held }) => ({ hash, transaction, held })),
    refuseAll(error) {
      for (const entry of [...entries.values()]) settle(entry, error);
    },
  };
}

/** The longest run of unknown transactions from `at` on, at most `atOnce`; or one that is known. */
function runFrom(candidates: readonly Entry[], at: number, atOnce: number): Entry[] {
  let end = at;
  while (end < candidates.length && end - at < atOnce && candidates[end]!.transaction === undefined) end++;
  return candidates.slice(at, Math.max(end, at + 1));
}
