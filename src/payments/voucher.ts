import {
  type Address,
  bytesSchema,
  type Digest,
  type Domain,
  decimalSchema,
  digestSchema,
  type Hex,
  ProtocolError,
  recoverVoucher,
  sameHex,
  type Voucher,
} from "../protocol/index.ts";
import type { Queries, Transaction } from "../store/index.ts";
import { type Channel, findChannel, leastWei } from "./channel.ts";
import { PaymentRequiredError } from "./errors.ts";

/** A voucher as a payer sends it along with a request. */
export type SignedVoucher = Voucher & { readonly signature: Hex };

/** The request header that carries a voucher: `channelId:cumulative:signature`, the amount in decimal wei. */
export const voucherHeader = "openledger-voucher";

const headerMax = 66 + 1 + 78 + 1 + 132;

/**
 * @example
 * formatVoucher({ channelId: "0xab…", cumulative: 10n, signature: "0xcd…" }) // 0xab…:10:0xcd…
 */
export function formatVoucher({ channelId, cumulative, signature }: SignedVoucher): string {
  return `${channelId}:${cumulative}:${signature}`;
}

/** @throws PaymentRequiredError `malformed_voucher` */
export function parseVoucher(text: string): SignedVoucher {
  const [channelId, cumulative, signature, ...rest] =
    text.length > headerMax ? [] : text.trim().toLowerCase().split(":");
  const id = digestSchema.safeParse(channelId);
  const amount = decimalSchema.safeParse(cumulative);
  const signed = bytesSchema(65, 65).safeParse(signature);
  if (id.success && amount.success && signed.success && rest.length === 0)
    return { channelId: id.data, cumulative: BigInt(amount.data), signature: signed.data };
  throw new PaymentRequiredError(
    "malformed_voucher",
    `A voucher is channelId:cumulative:signature, 32 bytes of hex, decimal wei and 65 bytes of hex; got ${JSON.stringify(text.slice(0, 80))}.`,
  );
}

/** A voucher that was signed by whom the channel trusts. */
export type VerifiedVoucher = SignedVoucher & { readonly signedBy: Address };

/**
 * Checks a voucher against its channel as the contract will: who signed, and up to which amount that counts.
 *
 * Contract wallets (EIP-1271) are not accepted: they can take a signature back before it is collected.
 *
 * @throws PaymentRequiredError `unknown_channel`, `forged_voucher`, `overspent`, `stale_voucher`
 */
export async function verifyVoucher(
  queries: Queries,
  domain: Domain,
  voucher: SignedVoucher,
): Promise<VerifiedVoucher> {
  const { channelId, cumulative } = voucher;
  const channel = await findChannel(queries, channelId);
  if (channel === undefined) {
    throw new PaymentRequiredError(
      "unknown_channel",
      `There is no channel ${channelId} that pays this operator. Open one, or check the chain and the payee.`,
      { channelId },
    );
  }
  const signedBy = await signerOf(domain, voucher);
  if (!sameHex(signedBy, channel.payer) && !sameHex(signedBy, channel.signer)) {
    throw new PaymentRequiredError(
      "forged_voucher",
      `The voucher was signed by ${signedBy}; expected the payer ${channel.payer} or the session signer ${channel.signer}. ` +
        `Sign for chain ${domain.chainId} and contract ${domain.verifyingContract}.`,
      { channelId },
    );
  }
  const covered = coverOf(channel, signedBy);
  if (cumulative > covered) {
    throw new PaymentRequiredError(
      "overspent",
      `The voucher is for ${cumulative} wei, the channel covers ${covered} wei of what ${signedBy} signs. Top up, or raise the limit.`,
      { channelId, expectedWei: cumulative, actualWei: covered },
    );
  }
  assertUnpublished(channel, cumulative);
  return { ...voucher, signedBy };
}

/** Up to which cumulative amount the contract takes this signer's word. */
function coverOf(channel: Channel, signedBy: Address): bigint {
  if (sameHex(signedBy, channel.payer)) return channel.deposit;
  return leastWei(channel.signerLimit, channel.deposit);
}

/** A voucher that was collected stands on chain for all to read: it proves nothing about who sends it. */
export function assertUnpublished(channel: Channel, cumulative: bigint): void {
  if (cumulative > channel.published) return;
  throw new PaymentRequiredError(
    "stale_voucher",
    `A voucher for ${channel.published} wei of this channel was collected, so anyone could send one for ${cumulative} wei. ` +
      `Sign one for at least ${channel.published + 1n} wei.`,
    { channelId: channel.channelId, expectedWei: channel.published + 1n, actualWei: cumulative },
  );
}

async function signerOf(
  domain: Domain,
  { channelId, cumulative, signature }: SignedVoucher,
): Promise<Address> {
  try {
    return await recoverVoucher(domain, { channelId, cumulative }, signature);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new PaymentRequiredError("forged_voucher", error.message, { channelId });
  }
}

/** Vouchers kept for one channel: one that ends exactly where the receipts do lets the node collect no more than was used. */
const vouchersMax = 256;

/** Keeps a verified voucher, so that it can be collected later; forgets those that are of no use any more. */
export async function keepVoucher(tx: Transaction, voucher: VerifiedVoucher, nowMs: number): Promise<void> {
  const { channelId, cumulative, signature, signedBy } = voucher;
  await tx.query(
    `insert into payments.vouchers (channel_id, cumulative, signature, signed_by, received_at_ms) values ($1, $2, $3, $4, $5)
     on conflict (channel_id, cumulative) do update set signature = excluded.signature, signed_by = excluded.signed_by`,
    [channelId, cumulative, signature, signedBy, nowMs],
  );
  await tx.query(
    `delete from payments.vouchers where channel_id = $1 and cumulative <
       (select coalesce(min(cumulative), 0) from (select cumulative from payments.vouchers where channel_id = $1
          order by cumulative desc limit ${vouchersMax}) as kept)`,
    [channelId],
  );
}

/** The vouchers of a channel that cover `atLeast`, the smallest first. */
export function vouchersFrom(
  queries: Queries,
  channelId: Digest,
  atLeast: bigint,
): Promise<(Omit<VerifiedVoucher, "channelId"> & { channelId: Digest })[]> {
  return queries.query(
    `select channel_id as "channelId", cumulative, signature, signed_by as "signedBy" from payments.vouchers
     where channel_id = $1 and cumulative >= $2 order by cumulative limit ${vouchersMax}`,
    [channelId, atLeast],
  );
}
