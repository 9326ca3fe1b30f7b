import { hashStruct, hexToBytes } from "viem/utils";
import { z } from "zod";
import type { Address, Digest, Hex } from "./bytes.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData, typedDataDigest } from "./eip712.ts";
import {
  addressSchema,
  bytesSchema,
  digestSchema,
  int64Schema,
  secondsSchema,
  uint32Schema,
  weiSchema,
} from "./schema.ts";

/** What the operator signs on delivering an answer: what it was, what it cost, whose data shaped it, who is paid. */
export type Receipt = {
  readonly channelId: Digest;
  /** The interval of the channel's cumulative amount that this answer spends, wei; the fee is `to − from`. */
  readonly from: bigint;
  readonly to: bigint;
  /** Digest of the release manifest. */
  readonly releaseId: Digest;
  /** Keccak-256 of the request body's bytes, as received. */
  readonly requestDigest: Digest;
  /** Keccak-256 of the answer's text as UTF-8, all streamed pieces joined. */
  readonly responseDigest: Digest;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Keccak-256 of the projected query, k big-endian int16; of no bytes when the payer opted out. */
  readonly queryDigest: Digest;
  /** Keccak-256 of the listed contributors, 12 bytes each (`encodeScores`). */
  readonly scoresDigest: Digest;
  /** The index row of the highest null score, the lowest such row. */
  readonly thresholdRow: number;
  readonly threshold: bigint;
  /** Keccak-256 of the ABI-encoded payments (`splitDigest`). */
  readonly splitDigest: Digest;
  /** Seconds since the epoch; the fee split in force then applies. */
  readonly issuedAt: bigint;
};

export const receiptTypes = {
  Receipt: [
    { name: "channelId", type: "bytes32" },
    { name: "from", type: "uint256" },
    { name: "to", type: "uint256" },
    { name: "releaseId", type: "bytes32" },
    { name: "requestDigest", type: "bytes32" },
    { name: "responseDigest", type: "bytes32" },
    { name: "promptTokens", type: "uint32" },
    { name: "completionTokens", type: "uint32" },
    { name: "queryDigest", type: "bytes32" },
    { name: "scoresDigest", type: "bytes32" },
    { name: "thresholdRow", type: "uint32" },
    { name: "threshold", type: "int64" },
    { name: "splitDigest", type: "bytes32" },
    { name: "issuedAt", type: "uint64" },
  ],
} as const;

/** @returns the EIP-712 struct hash: the receipt's id and its leaf's payload. */
export function hashReceipt(receipt: Receipt): Digest {
  return hashStruct({ types: receiptTypes, primaryType: "Receipt", data: receipt });
}

/** @returns the digest that is signed in this domain. */
export function receiptDigest(domain: Domain, receipt: Receipt): Digest {
  return typedDataDigest(typedData(domain, receipt));
}

export function signReceipt(domain: Domain, receipt: Receipt, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, receipt), signer);
}

/** @returns who signed, to be compared with the channel's payee */
export function recoverReceipt(domain: Domain, receipt: Receipt, signature: Hex): Promise<Address> {
  return recoverTypedData(typedData(domain, receipt), signature);
}

function typedData(domain: Domain, receipt: Receipt): TypedData {
  return { domain, types: receiptTypes, primaryType: "Receipt", message: receipt };
}

/** A receipt's JSON form: amounts and the threshold as decimal strings. `z.decode` gives the struct, `z.encode` the JSON. */
export const receiptSchema = z.strictObject({
  channelId: digestSchema,
  from: weiSchema,
  to: weiSchema,
  releaseId: digestSchema,
  requestDigest: digestSchema,
  responseDigest: digestSchema,
  promptTokens: uint32Schema,
  completionTokens: uint32Schema,
  queryDigest: digestSchema,
  scoresDigest: digestSchema,
  thresholdRow: uint32Schema,
  threshold: int64Schema,
  splitDigest: digestSchema,
  issuedAt: secondsSchema,
});

const bps = z.int().min(0).max(10_000);

/**
 * A receipt with everything its digests stand for, so that anyone can check it offline. The `terms` are what the chain
 * said when it was issued: an auditor who has a chain compares them, one who has none sees what was assumed.
 */
export const receiptBundleSchema = z.strictObject({
  receipt: receiptSchema,
  /** The operator's, over the receipt. */
  signature: bytesSchema(65, 65),
  /** q: k big-endian int16, or no bytes when the payer opted out of attribution. */
  query: bytesSchema(0, 2_048),
  scores: z.array(z.strictObject({ row: uint32Schema, score: z.int() })).max(256),
  payments: z.array(z.strictObject({ payee: addressSchema, amount: weiSchema })).max(4_096),
  terms: z.strictObject({
    split: z.strictObject({
      operator: bps,
      treasury: bps,
      developer: bps,
      stakers: bps,
      data: bps,
      owners: bps,
    }),
    payees: z.strictObject({
      operator: addressSchema,
      treasury: addressSchema,
      developer: addressSchema,
      stakers: addressSchema,
    }),
    /** One per Datanet version of the release, in the manifest's order. */
    datanets: z
      .array(z.strictObject({ owner: addressSchema, pool: addressSchema }))
      .min(1)
      .max(1_024),
  }),
});

/** An opened receipt, decoded. */
export type ReceiptBundle = z.output<typeof receiptBundleSchema>;

/** An opened receipt as JSON. */
export type ReceiptBundleJson = z.input<typeof receiptBundleSchema>;

/** @returns the projected query's bytes. */
export function queryBytes(bundle: Pick<ReceiptBundle, "query">): Uint8Array {
  return hexToBytes(bundle.query);
}
