import { hexToBytes } from "viem/utils";
import { z } from "zod";
import { zeroAddress } from "./bytes.ts";
import { type Check, checkReceipt } from "./check.ts";
import { manifestSchema } from "./manifest.ts";
import { receiptBundleSchema } from "./receipt.ts";
import { type IndexRow, maxDimensions } from "./row.ts";
import { addressSchema, bytesSchema, uint32Schema } from "./schema.ts";

const tokenIds = z.array(z.int().min(0).max(0xff_ffff)).max(1 << 20);

/** A file's bytes in base64 (RFC 4648, section 4): tens of megabytes, too many for the patterns that hex is checked by. */
export const base64Schema = z
  .string()
  .max(2 ** 29)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, "expected base64");

/**
 * Everything it takes to check one receipt on another machine, in one file: the receipt opened, its release's manifest and pay index, and,
 * where their owner gave them, the request and the answer. With the answer's tokens and the release's files too, its query can be computed
 * again by whoever has the base model.
 */
export const auditSchema = z.strictObject({
  schema: z.literal("openledger/audit/1"),
  /** Where the receipt is signed for: the chain and its `AttributionLedger`. */
  domain: z.strictObject({ chainId: uint32Schema.min(1), verifyingContract: addressSchema }),
  bundle: receiptBundleSchema,
  manifest: manifestSchema,
  index: z.strictObject({
    /** Payees of the first rows; null rows follow. */
    contributors: z.array(addressSchema).max(1 << 20),
    /** 2k bytes each. */
    rows: z
      .array(bytesSchema(2, 2 * maxDimensions))
      .min(1)
      .max(1 << 20),
  }),
  /** The request body as it was sent. */
  request: bytesSchema(0, 1 << 24).optional(),
  /** The answer's text. */
  response: z
    .string()
    .max(1 << 24)
    .optional(),
  /** The answer as the model read and wrote it. */
  tokens: z.strictObject({ prompt: tokenIds, output: tokenIds }).optional(),
  /** The release's files that the manifest names by digest, and the adapter's `adapter_config.json`. */
  files: z
    .strictObject({ adapterConfig: base64Schema, adapter: base64Schema, basis: base64Schema })
    .optional(),
});

export type Audit = z.output<typeof auditSchema>;
export type AuditJson = z.input<typeof auditSchema>;

/**
 * Reads an audit file. Bytes that are no UTF-8 are refused, not replaced: two files that differ are not to read the same.
 *
 * @throws TypeError, SyntaxError
 */
export function parseAudit(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
}

/**
 * Re-derives every digest, score, threshold, split and signature of a receipt from its audit file alone.
 *
 * @throws ZodError when the file does not have the form of an audit
 */
export function verifyAudit(json: unknown): Promise<Check[]> {
  const { domain, bundle, manifest, index, request, response } = auditSchema.parse(json);
  const rows: IndexRow[] = index.rows.map((bytes, row) => ({
    row,
    payee: index.contributors[row] ?? zeroAddress,
    bytes: hexToBytes(bytes),
  }));
  return checkReceipt(bundle, {
    domain: { name: "OpenLedger", version: "1", ...domain },
    manifest,
    index: { rows },
    ...(request === undefined ? {} : { request: hexToBytes(request) }),
    ...(response === undefined ? {} : { response }),
  });
}
