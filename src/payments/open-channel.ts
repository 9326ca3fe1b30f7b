import { randomBytes } from "node:crypto";
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { type Address, channelId, type Digest, type Hex, toHex } from "../protocol/index.ts";

/** What a payer decides when opening a channel. Amounts in wei. */
export type NewChannel = {
  /** The operator who may collect. */
  readonly payee: Address;
  /** Who may sign besides the payer: an API key's signer, or left out. */
  readonly signer?: Address;
  /** The highest cumulative amount the signer may sign; the deposit unless given. */
  readonly limitWei?: bigint;
  readonly depositWei: bigint;
  /** Makes the channel's id unique; random unless given. Give the one of an attempt that broke off to go on with it. */
  readonly salt?: Digest;
};

/**
 * Opens a channel from the payer's account. With the salt of an attempt that broke off, it finds the channel that attempt
 * opened instead of paying twice.
 *
 * @param payer its account pays the deposit
 *
 * @example
 * const { channelId } = await openChannel(wallet, contracts, { payee: key.payee, signer: key.signer, depositWei: 10n ** 18n });
 */
export async function openChannel(
  payer: ChainWriter,
  contracts: Pick<ProtocolContracts, "PaymentChannels">,
  {
    payee,
    signer = `0x${"00".repeat(20)}`,
    depositWei,
    limitWei = depositWei,
    salt = randomSalt(),
  }: NewChannel,
): Promise<{ readonly channelId: Digest; readonly salt: Digest; readonly transactionHash: Hex | null }> {
  const id = channelId(toHex(payer.account.address), toHex(payee), salt);
  const before = await payer.public.readContract({
    ...contracts.PaymentChannels,
    functionName: "channel",
    args: [id],
  });
  if (BigInt(before.payer) !== 0n) return { channelId: id, salt, transactionHash: null };
  const receipt = await payer.write({
    ...contracts.PaymentChannels,
    functionName: "open",
    args: [payee, signer, limitWei, salt],
    value: depositWei,
  });
  return { channelId: id, salt, transactionHash: receipt.transactionHash };
}

function randomSalt(): Digest {
  return `0x${randomBytes(32).toString("hex")}`;
}
