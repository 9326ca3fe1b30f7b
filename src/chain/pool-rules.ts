import type { Address, Hex } from "viem";
import { RpcError, rpcCodes } from "./errors.ts";

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

/** A sender as of the last block, less what this block has already taken from it. */
export type Account = { balance: bigint; nextNonce: number; chosen: number; gaps: number; hasCode: boolean };

/**
 * Every check here exists so that mining cannot fail: the record is on the disk before the block is mined.
 * "gap": a predecessor is missing. "close": it goes into the next block.
 */
export function judge(
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
export function mustBeAlone(transaction: PoolTransaction, account: Account): boolean {
  return transaction.type === 4 || account.hasCode;
}

export function maxCost(transaction: PoolTransaction): bigint {
  return transaction.gas * transaction.maxFeePerGas + transaction.value;
}

/** What of `eth_pendingTransactions` is read. */
export type EngineTransaction = {
  readonly hash: Hex;
  readonly from: Address;
  readonly to?: Address | null;
  readonly nonce: Hex;
  readonly type: Hex;
  readonly gas: Hex;
  readonly value: Hex;
  readonly gasPrice?: Hex;
  readonly maxFeePerGas?: Hex;
  readonly maxPriorityFeePerGas?: Hex;
};

export function decoded(found: EngineTransaction): PoolTransaction {
  const maxFeePerGas = BigInt(found.maxFeePerGas ?? found.gasPrice!);
  const priority = BigInt(found.maxPriorityFeePerGas ?? found.gasPrice!);
  return {
    hash: found.hash,
    from: found.from,
    to: found.to ?? null,
    nonce: Number(found.nonce),
    type: Number(found.type),
    gas: BigInt(found.gas),
    value: BigInt(found.value),
    maxFeePerGas,
    tipPerGas: priority < maxFeePerGas ? priority : maxFeePerGas,
  };
}
