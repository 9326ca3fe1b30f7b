import type { Address, Hex } from "viem";

/** A channel as its payer sees it. Amounts in wei; times in seconds, 0 for never. */
export type Channel = {
  readonly channelId: Hex;
  readonly payee: Address;
  /** Whether it pays this node, which then says what it has charged. */
  readonly here: boolean;
  readonly deposit: bigint;
  readonly collected: bigint;
  /** Signed for so far: collected, or charged by this node and not collected yet. */
  readonly spent: bigint;
  /** What requests under way may cost at most. */
  readonly reserved: bigint;
  /** Who may sign besides the payer: an API key's signer; null for nobody. */
  readonly signer: Address | null;
  /** The most that the key may have spent since the channel was opened. */
  readonly signerLimit: bigint;
  /** Until when the key before, or its higher limit, still counts. */
  readonly previousUntil: number;
  readonly closesAt: number;
  readonly closed: boolean;
  /** Collected and not yet settled to anybody. */
  readonly unsettled: bigint;
  /** From when what is unsettled can be taken back; 0 while nobody asked. */
  readonly refundAt: number;
};

/** What of the deposit is not spent. */
export const leftOf = ({ deposit, spent }: Pick<Channel, "deposit" | "spent">): bigint =>
  deposit > spent ? deposit - spent : 0n;

/** What the key may still spend of it. */
export function leftToKey({ deposit, spent, signer, signerLimit }: Channel): bigint {
  const most = signerLimit < deposit ? signerLimit : deposit;
  return signer === null || most < spent ? 0n : most - spent;
}
