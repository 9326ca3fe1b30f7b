import { hashTypedData, recoverAddress } from "viem/utils";
import type { Address, Digest, Hex } from "./bytes.ts";
import { toHex } from "./bytes.ts";
import { ProtocolError } from "./error.ts";

/** The EIP-712 domain of a protocol contract: what is signed for one contract on one chain means nothing elsewhere. */
export type Domain = {
  readonly name: "OpenLedger";
  readonly version: "1";
  readonly chainId: number;
  readonly verifyingContract: Address;
};

/**
 * @param chainId - of the network, 161612 for the local one
 * @param contract - `DatanetRegistry` for consents, `PaymentChannels` for vouchers, `AttributionLedger` for receipts
 */
export function domain(chainId: number, contract: Address): Domain {
  return { name: "OpenLedger", version: "1", chainId, verifyingContract: contract };
}

/** EIP-712 typed data as wallets and viem accounts take it. */
export type TypedData = {
  readonly domain: Domain;
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly message: Record<string, unknown>;
};

/** A viem `LocalAccount`, or any function that signs typed data (a browser wallet, a key store). */
export type Signer =
  | { readonly signTypedData: (data: TypedData) => Promise<Hex> }
  | ((data: TypedData) => Promise<Hex>);

/** Half the order of secp256k1: of the two signatures (r, s) and (r, n − s) only the one with the low s is accepted. */
const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** @returns `keccak256(0x1901 ‖ domainSeparator ‖ structHash)`, the digest that is signed. */
export function typedDataDigest(data: TypedData): Digest {
  return hashTypedData(data);
}

/** @returns 65 bytes, r ‖ s ‖ v with a low s and v 27 or 28 */
export async function signTypedData(data: TypedData, signer: Signer): Promise<Hex> {
  const signature = toHex(await (typeof signer === "function" ? signer(data) : signer.signTypedData(data)));
  assertSignature(signature);
  return signature;
}

/**
 * @returns the address whose key made the signature, lower-case; compare it, for any signature recovers to somebody
 * @throws ProtocolError `signature` for a signature the contracts would refuse: not 65 bytes, a high s, v not 27 or 28
 */
export async function recoverTypedData(data: TypedData, signature: Hex): Promise<Address> {
  assertSignature(signature);
  try {
    return toHex(await recoverAddress({ hash: typedDataDigest(data), signature }));
  } catch (cause) {
    throw new ProtocolError("signature", `The signature recovers to no key: ${(cause as Error).message}`);
  }
}

function assertSignature(signature: Hex): void {
  if (!/^0x[0-9a-fA-F]{130}$/.test(signature))
    throw new ProtocolError(
      "signature",
      `A signature is 65 bytes, r ‖ s ‖ v; got ${(signature.length - 2) / 2} bytes.`,
    );
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  const v = Number.parseInt(signature.slice(130), 16);
  if (s > halfOrder)
    throw new ProtocolError("signature", "The signature has a high s; its twin with n − s is accepted.");
  if (v !== 27 && v !== 28) throw new ProtocolError("signature", `A signature's v is 27 or 28; got ${v}.`);
}
