import { type Address, type Hex, hexToBytes, keccak256 } from "viem";
import type { Engine } from "./engine.ts";
import { RpcError, rpcCodes } from "./errors.ts";
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
} as const;

/** Says whether a transaction may enter now: undefined, or why not. Applied once its sender and fees are known. */
export type Admission = (transaction: PoolTransaction) => string | undefined;

/** What the engine reads from a signed transaction. Amounts in wei. */
export type PoolTransaction = {
  readonly hash: Hex;
  readonly from: Address;
  readonly to: Address | null;
  readonly nonce: number;
  readonly type: number;
  readonly gas: bigint;
  readonly value: bigint;
  readonly maxFeePerGas: bigint;
  /** With a base fee of 0, all of it goes to the fee collector. */
  readonly tipPerGas: bigint;
};

type Entry = {
  readonly raw: Hex;
  readonly hash: Hex;
  readonly bytes: number;
  readonly arrivedAtMs: number;
  transaction?: PoolTransaction;
  readonly done: Promise<Hex>;
  resolve(hash: Hex): void;
  reject(error: Error): void;
};

/** A block's transactions, in the engine's memory pool in this order and nowhere mined yet. */
export type FilledBlock = {
  readonly transactions: readonly Hex[];
  readonly hashes: readonly Hex[];
  /** Tell the senders: each transaction is in the block (its hash is among `mined`) or was passed over. */
  mined(mined: ReadonlySet<Hex>): void;
  /** Take them out of the engine again and tell the senders why. */
  refuse(error: Error): Promise<void>;
};

export type TransactionPool = {
  /** Queue a signed transaction; resolves to its hash once a block holds it. @throws RpcError */
  submit(raw: Hex): Promise<Hex>;
  /** Choose the next block's transactions and put them into the engine's memory pool; undefined if none can go now. */
  fill(): Promise<FilledBlock | undefined>;
  /** When the oldest transaction that waits for a predecessor gives up, epoch milliseconds. */
  nextExpiryMs(): number | undefined;
  waiting(): readonly { readonly hash: Hex; readonly transaction: PoolTransaction | undefined }[];
  refuseAll(error: Error): void;
};

/**
 * Transactions on their way into a block. One is acknowledged when it is mined, so nothing has to be kept across a
 * restart; one whose nonce is too high waits a few seconds for those before it, because a client that sends several
 * at once may see them arrive in another order.
 */
export function createPool(
  engine: Engine,
  { blockGasLimit, admission, nowMs }: { blockGasLimit: bigint; admission: Admission; nowMs: () => number },
): TransactionPool {
  const entries = new Map<Hex, Entry>();
  let waitingBytes = 0;

  function submit(raw: Hex): Promise<Hex> {
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
    entries.set(hash, { raw, hash, bytes, arrivedAtMs: nowMs(), done: promise, resolve, reject });
    waitingBytes += bytes;
    return promise;
  }

  function settle(entry: Entry, outcome: Hex | Error): void {
    if (!entries.delete(entry.hash)) return;
    waitingBytes -= entry.bytes;
    if (typeof outcome === "string") entry.resolve(outcome);
    else entry.reject(outcome);
  }

  async function fill(): Promise<FilledBlock | undefined> {
    let chosen = await choose(() => true);
    if (chosen.disturbed) {
      // A transaction that was refused has replaced a chosen one in the engine: start again with the chosen ones only.
      const keep = new Set(chosen.entries.map((entry) => entry.hash));
      await drop(chosen.entries);
      chosen = await choose((entry) => keep.has(entry.hash));
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
    };
  }

  async function drop(block: readonly Entry[]): Promise<void> {
    for (const entry of block) await engine.request("hardhat_dropTransaction", [entry.hash]);
  }

  /** One pass over the queue, oldest first. What it returns lies in the engine's memory pool in the same order. */
  async function choose(
    eligible: (entry: Entry) => boolean,
  ): Promise<{ entries: Entry[]; disturbed: boolean }> {
    const accounts = new Map<Address, Account>();
    const block: Entry[] = [];
    let gas = 0n;
    let bytes = 0;
    let disturbed = false;
    const taken = new Set<string>();
    for (const entry of [...entries.values()]) {
      if (!eligible(entry)) continue;
      if (block.length >= poolLimits.blockTransactions || bytes + entry.bytes > poolLimits.blockBytes) break;
      let inEngine = false;
      if (entry.transaction === undefined) {
        inEngine = await identify(entry);
        disturbed ||= entry.transaction !== undefined && taken.has(slotOf(entry.transaction));
        if (!inEngine) continue;
      }
      const transaction = entry.transaction!;
      const account = await accountOf(accounts, transaction.from);
      const verdict = judge(transaction, account, block.length, gas, blockGasLimit);
      if (verdict !== "take") {
        if (inEngine) await engine.request("hardhat_dropTransaction", [entry.hash]);
        if (verdict instanceof RpcError) settle(entry, verdict);
        else if (verdict === "gap") holdOrRefuse(entry, account);
        if (verdict === "close") break;
        continue;
      }
      if (!inEngine && !(await sendToEngine(entry))) continue;
      account.chosen += 1;
      account.nextNonce += 1;
      account.balance -= maxCost(transaction);
      gas += transaction.gas;
      bytes += entry.bytes;
      taken.add(slotOf(transaction));
      block.push(entry);
      if (mustBeAlone(transaction, account)) break;
    }
    return { entries: block, disturbed };
  }

  /** Let the engine check and decode a transaction it has not seen. False: refused, and the sender has been told. */
  async function identify(entry: Entry): Promise<boolean> {
    if (!(await sendToEngine(entry))) return false;
    entry.transaction = await decodedByEngine(engine, entry.hash);
    const refusal = admission(entry.transaction);
    if (refusal === undefined) return true;
    await engine.request("hardhat_dropTransaction", [entry.hash]);
    settle(entry, new RpcError(rpcCodes.server, refusal));
    return false;
  }

  async function sendToEngine(entry: Entry): Promise<boolean> {
    try {
      await engine.request("eth_sendRawTransaction", [entry.raw]);
      return true;
    } catch (error) {
      settle(entry, error as Error);
      return false;
    }
  }

  async function accountOf(accounts: Map<Address, Account>, address: Address): Promise<Account> {
    const known = accounts.get(address);
    if (known !== undefined) return known;
    const [balance, nonce, code] = await Promise.all([
      engine.request("eth_getBalance", [address, "latest"]),
      engine.request("eth_getTransactionCount", [address, "latest"]),
      engine.request("eth_getCode", [address, "latest"]),
    ]);
    const account: Account = {
      balance: BigInt(balance as Hex),
      nextNonce: Number(nonce),
      chosen: 0,
      gaps: 0,
      hasCode: code !== "0x",
    };
    accounts.set(address, account);
    return account;
  }

  function holdOrRefuse(entry: Entry, account: Account): void {
    account.gaps += 1;
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
    waiting: () => [...entries.values()].map(({ hash, transaction }) => ({ hash, transaction })),
    refuseAll(error) {
      for (const entry of [...entries.values()]) settle(entry, error);
    },
  };
}

/** A sender as of the last block, less what this block has already taken from it. */
type Account = { balance: bigint; nextNonce: number; chosen: number; gaps: number; hasCode: boolean };

/**
 * Every check here exists so that mining cannot fail: the record is on the disk before the block is mined.
 * "gap": a predecessor is missing. "close": it goes into the next block.
 */
function judge(
  transaction: PoolTransaction,
  account: Account,
  chosen: number,
  gas: bigint,
  gasLimit: bigint,
): "take" | "gap" | "close" | RpcError {
  if (transaction.nonce < account.nextNonce) {
    return new RpcError(
      rpcCodes.server,
      `nonce too low: ${transaction.from} continues at ${account.nextNonce}, this transaction has ${transaction.nonce}`,
    );
  }
  if (transaction.nonce > account.nextNonce) return "gap";
  if (chosen > 0 && mustBeAlone(transaction, account)) return "close";
  if (gas + transaction.gas > gasLimit) return "close";
  if (maxCost(transaction) > account.balance) {
    if (account.chosen > 0) return "close";
    return new RpcError(
      rpcCodes.server,
      `insufficient funds for gas * price + value: ${transaction.from} has ${account.balance} wei, the transaction may cost ${maxCost(transaction)} wei`,
    );
  }
  return "take";
}

/**
 * An account with delegated code (EIP-7702) can be emptied, and one that a type-4 transaction names can have its
 * nonce moved, by somebody else's transaction in the same block; alone in a block nothing can change under it.
 */
function mustBeAlone(transaction: PoolTransaction, account: Account): boolean {
  return transaction.type === 4 || account.hasCode;
}

/** Two transactions of one slot exclude each other. */
function slotOf({ from, nonce }: PoolTransaction): string {
  return `${from}:${nonce}`;
}

function maxCost(transaction: PoolTransaction): bigint {
  return transaction.gas * transaction.maxFeePerGas + transaction.value;
}

async function decodedByEngine(engine: Engine, hash: Hex): Promise<PoolTransaction> {
  const found = (await engine.request("eth_getTransactionByHash", [hash])) as Record<string, Hex> | null;
  if (found === null)
    throw new RpcError(rpcCodes.internal, `the engine accepted ${hash} and does not know it`);
  const maxFeePerGas = BigInt(found.maxFeePerGas ?? found.gasPrice!);
  const priority = BigInt(found.maxPriorityFeePerGas ?? found.gasPrice!);
  return {
    hash,
    from: found.from!,
    to: found.to ?? null,
    nonce: Number(found.nonce),
    type: Number(found.type),
    gas: BigInt(found.gas!),
    value: BigInt(found.value!),
    maxFeePerGas,
    tipPerGas: priority < maxFeePerGas ? priority : maxFeePerGas,
  };
}
