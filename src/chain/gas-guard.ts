import type { Address } from "viem";
import type { PoolTransaction } from "./pool-rules.ts";

/** How long the guard stays up after an execution has killed the engine. */
export const guardMinutes = 60;

/** What no execution can kill the engine with: the most it can ask for is about 1 GB. */
export const guardedGas = 300_000n;

/**
 * Gas that callers and senders may ask for. An execution that kills the engine is not charged, because it is in no
 * block; so that nobody can keep the chain replaying for nothing, less gas is taken for a while after it happened.
 */
export type GasGuard = {
  /** Gas of one call from outside. */
  gasCap(): bigint;
  /** Why a transaction may not enter, or undefined. Those to reserved addresses always may: fraud proofs need their gas. */
  refusal(
    reserved: ReadonlySet<Address>,
    transaction: Pick<PoolTransaction, "gas" | "to">,
  ): string | undefined;
  /** An execution has killed the engine. */
  raise(): void;
  rule(): string;
};

export function createGasGuard(blockGasLimit: bigint, nowMs: () => number): GasGuard {
  let untilMs = Number.NEGATIVE_INFINITY;
  const rule = () =>
    `calls may use ${guardedGas} gas, and transactions but those to settlement, challenges and claims may ask for as much, ` +
    `because one has killed the engine`;
  return {
    gasCap: () => (nowMs() < untilMs && guardedGas < blockGasLimit ? guardedGas : blockGasLimit),
    refusal(reserved, { gas, to }) {
      if (nowMs() >= untilMs || gas <= guardedGas || (to !== null && reserved.has(to))) return undefined;
      return `gas limit too high: ${gas}; until ${new Date(untilMs).toISOString()} ${rule()}`;
    },
    raise: () => {
      untilMs = nowMs() + guardMinutes * 60_000;
    },
    rule,
  };
}
