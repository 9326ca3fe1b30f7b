import { encodeAbiParameters, hashStruct } from "viem/utils";
import type { Address, Digest, Hex } from "./bytes.ts";
import { sameHex } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData, typedDataDigest } from "./eip712.ts";

/** What a payer signs per answer: all that the channel's payee may have collected so far, in total. */
export type Voucher = {
  readonly channelId: Digest;
  /** wei since the channel was opened; a later voucher replaces an earlier one. */
  readonly cumulative: bigint;
};

export const voucherTypes = {
  Voucher: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulative", type: "uint256" },
  ],
} as const;

/**
 * The identity of a channel, known before it is opened: `keccak256(abi.encode(payer, payee, salt))`. The domain of its
 * vouchers binds chain and contract.
 */
export function channelId(payer: Address, payee: Address, salt: Digest): Digest {
  return bytesDigest(
    encodeAbiParameters(
      [{ type: "address" }, { type: "address" }, { type: "bytes32" }],
      [payer, payee, salt],
    ),
  );
}

/** @returns the EIP-712 struct hash. */
export function hashVoucher(voucher: Voucher): Digest {
  return hashStruct({ types: voucherTypes, primaryType: "Voucher", data: voucher });
}

/** @returns the digest that is signed in this domain. */
export function voucherDigest(domain: Domain, voucher: Voucher): Digest {
  return typedDataDigest(typedData(domain, voucher));
}

export function signVoucher(domain: Domain, voucher: Voucher, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, voucher), signer);
}

/** @returns who signed, to be compared with the channel's payer or its session signer */
export function recoverVoucher(domain: Domain, voucher: Voucher, signature: Hex): Promise<Address> {
  return recoverTypedData(typedData(domain, voucher), signature);
}

/** Who may sign for a channel, as the contract reads it. */
export type ChannelAuthority = {
  readonly payer: Address;
  readonly signer: Address;
  /** The highest cumulative amount the session signer may sign, wei. */
  readonly signerLimit: bigint;
  /** wei paid in since the channel was opened. */
  readonly deposit: bigint;
};

/**
 * Whether `PaymentChannels.collect` would accept the voucher from a payer or signer with a key: within the deposit, and
 * signed by the payer, or by the session signer within its limit.
 */
export async function voucherIsGood(
  domain: Domain,
  authority: ChannelAuthority,
  voucher: Voucher,
  signature: Hex,
): Promise<boolean> {
  if (voucher.cumulative > authority.deposit) return false;
  const by = await recoverVoucher(domain, voucher, signature);
  return (
    sameHex(by, authority.payer) ||
    (sameHex(by, authority.signer) && voucher.cumulative <= authority.signerLimit)
  );
}

function typedData(domain: Domain, voucher: Voucher): TypedData {
  return { domain, types: voucherTypes, primaryType: "Voucher", message: voucher };
}
