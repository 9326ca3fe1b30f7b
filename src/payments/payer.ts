import type { Keystore } from "../chain/index.ts";
import { type Address, type Digest, type Domain, sameHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { findChannel } from "./channel.ts";
import { PaymentRequiredError } from "./errors.ts";
import { findKey } from "./keys.ts";
import { parseVoucher, type VerifiedVoucher, verifyVoucher } from "./voucher.ts";

/** Who pays for a request, and by which promise: the input of `reserve`. */
export type Payer =
  | { readonly kind: "key"; readonly channelId: Digest; readonly keyId: string; readonly signer: Address }
  | { readonly kind: "voucher"; readonly channelId: Digest; readonly voucher: VerifiedVoucher };

/** What a request carries: its `Authorization` and its voucher header. */
export type Credentials = {
  readonly authorization?: string | undefined;
  readonly voucher?: string | undefined;
};

type Parts = { readonly database: Database; readonly keystore: Keystore; readonly domain: Domain };

/**
 * Finds who pays. Nothing is written and nothing is spent: `reserve` decides about money.
 *
 * @throws PaymentRequiredError
 */
export async function authenticate(parts: Parts, credentials: Credentials): Promise<Payer> {
  if (credentials.voucher !== undefined) {
    const voucher = await verifyVoucher(parts.database, parts.domain, parseVoucher(credentials.voucher));
    return { kind: "voucher", channelId: voucher.channelId, voucher };
  }
  const bearer = /^Bearer +(\S{1,512})$/i.exec(credentials.authorization?.trim() ?? "")?.[1];
  if (bearer === undefined) {
    throw new PaymentRequiredError(
      "no_payment",
      "This request is not paid for: send an API key (Authorization: Bearer sk-ol-…) or a channel voucher (OpenLedger-Voucher).",
    );
  }
  return payerOfKey(parts, bearer);
}

async function payerOfKey({ database }: Parts, secret: string): Promise<Payer> {
  const key = await findKey(database, secret);
  if (key === undefined)
    throw new PaymentRequiredError(
      "unknown_key",
      "This API key is not known here. Create one with POST /v1/keys.",
    );
  if (key.revokedAtMs !== null)
    throw new PaymentRequiredError("revoked_key", `API key ${key.keyId} was revoked. Create another.`);
  if (key.channelId === null) {
    throw new PaymentRequiredError(
      "inactive_key",
      `API key ${key.keyId} has no channel yet: open one with the signer ${key.signer}, then POST /v1/keys/activate.`,
    );
  }
  const { channelId, keyId, signer } = key;
  const channel = await findChannel(database, channelId);
  if (channel !== undefined && !sameHex(channel.signer, signer)) {
    throw new PaymentRequiredError(
      "signer_changed",
      `The payer named another signer for channel ${channelId}: ${channel.signer}, expected ${signer} of API key ${keyId}.`,
      { channelId },
    );
  }
  return { kind: "key", channelId, keyId, signer };
}
