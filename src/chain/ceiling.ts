import type { Address } from "viem";
import type { PoolTransaction } from "./pool-rules.ts";

/**
 * How full the chain may get. The engine keeps all history in memory, 8–11 KB a transaction, so a chain has a ceiling;
 * and since the base fee is 0, only the minimum tip keeps anyone from filling it.
 */
export type Ceiling = {
  /** Transactions the chain can hold. */
  readonly transactions: number;
  /** Minimum tip of an empty chain, wei per gas, as governance has it now. */
  readonly minTipWei: () => bigint;
};

/** From this share of the ceiling on, only transactions to reserved addresses enter, so that money can still come out. */
const reservedFromPercent = 90;
/** The minimum tip doubles each time this much more of the ceiling is used. */
const doublingPercent = 5;

/** The minimum tip in wei per gas when `used` transactions are on the chain. */
export function minimumTip(ceiling: Ceiling, used: number): bigint {
  const percent = Math.floor((used * 100) / ceiling.transactions);
  return ceiling.minTipWei() << BigInt(Math.floor(percent / doublingPercent));
}

/**
 * Why a transaction may not enter, or undefined.
 *
 * @param reserved addresses whose calls may use the last tenth: settlement, challenges, claims (lower case)
 */
export function refusal(
  ceiling: Ceiling,
  used: number,
  reserved: ReadonlySet<Address>,
  transaction: Pick<PoolTransaction, "tipPerGas" | "to">,
): string | undefined {
  if (used >= ceiling.transactions) {
    return `chain full: it holds ${used} of ${ceiling.transactions} transactions; move to a larger network`;
  }
  const isReserved = transaction.to !== null && reserved.has(transaction.to);
  if (isReserved) {
    const floor = ceiling.minTipWei();
    return transaction.tipPerGas < floor ? underpriced(transaction.tipPerGas, floor) : undefined;
  }
  if (used * 100 >= ceiling.transactions * reservedFromPercent) {
    return (
      `chain almost full: it holds ${used} of ${ceiling.transactions} transactions, ` +
      `and the last tenth is kept for settlement, challenges and claims`
    );
  }
  const minimum = minimumTip(ceiling, used);
  return transaction.tipPerGas < minimum ? underpriced(transaction.tipPerGas, minimum) : undefined;
}

function underpriced(tip: bigint, minimum: bigint): string {
  return `transaction underpriced: its tip is ${tip} wei per gas, at least ${minimum} is needed; ask eth_maxPriorityFeePerGas`;
}
