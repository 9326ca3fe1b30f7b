/** What a transaction may cost, held against what its account has, before anybody signs it. */
import type { Address } from "viem";
import { money } from "../lib/format.ts";
import type { Call } from "../wallet/wallet.ts";
import type { Network } from "./client.ts";

/** As of now, not of the last block. */
const now = { blockTag: "pending" } as const;

type Cost = {
  readonly address: Address;
  /** What goes along with the call, wei. */
  readonly valueWei: bigint;
  /** The most that its gas may cost, wei. */
  readonly gasWei: bigint;
  readonly balanceWei: bigint;
  /** Whether the network is one where OPEN is given away. */
  readonly local: boolean;
};

const amount = (wei: bigint) => {
  const { amount, unit } = money(wei);
  return `${amount} ${unit}`;
};

/** Why an account cannot pay for a transaction, and where OPEN comes from; nothing when it can. */
export function tooLittle({ address, valueWei, gasWei, balanceWei, local }: Cost): string | undefined {
  const mostWei = valueWei + gasWei;
  if (balanceWei >= mostWei) return undefined;
  const parts = valueWei === 0n ? "for gas" : `with ${amount(gasWei)} of it for gas`;
  // Whole OPEN, rounded up: a figure to type.
  const lacks = (mostWei - balanceWei + 10n ** 18n - 1n) / 10n ** 18n;
  const source = local
    ? `On this local network the faucet gives it away: its operator runs ./openledger wallet faucet ${lacks} --to ${address}`
    : `Have at least ${amount(mostWei - balanceWei)} sent to ${address}, then try again.`;
  return `This costs at most ${amount(mostWei)}, ${parts}, and your account has ${amount(balanceWei)}. ${source}`;
}

/** @throws Error when the account has less than the call may cost; nothing has been sent then */
export async function assertAffords(
  { public: reader, local }: Network,
  address: Address,
  call: Call,
): Promise<void> {
  const [gas, { maxFeePerGas }, balanceWei] = await Promise.all([
    reader.estimateGas({ account: address, ...call, ...now }),
    reader.estimateFeesPerGas(),
    reader.getBalance({ address, ...now }),
  ]);
  const refusal = tooLittle({
    address,
    valueWei: call.value ?? 0n,
    gasWei: gas * maxFeePerGas,
    balanceWei,
    local,
  });
  if (refusal !== undefined) throw new Error(refusal);
}
