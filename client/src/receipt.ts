import { toBytes } from "viem/utils";
import {
  auditSchema,
  type Check,
  checkReceipt,
  type Digest,
  hashReceipt,
  type IndexRow,
  nothingFailed,
  sameHex,
  zeroAddress,
} from "../../src/protocol/index.ts";
import { type Network, type Receipt, receiptViewSchema, requestSchema } from "./answers.ts";
import { OpenLedgerError } from "./errors.ts";
import type { Http } from "./http.ts";

/** What the asker knows and nobody else needs to: with it the digests of request and answer are checked too. */
export type ReceiptEvidence = {
  /** The request's bytes as they were sent. */
  readonly request?: Uint8Array;
  /** The answer's text. */
  readonly text?: string;
};

export type VerifiedReceipt = {
  /** Whether nothing failed. Look at what is `unchecked` too. */
  readonly holds: boolean;
  readonly checks: readonly Check[];
};

export function readReceipt(http: Http, receiptId: Digest): Promise<Receipt> {
  return http.json(receiptViewSchema, `/v1/receipts/${receiptId}`);
}

/** Waits until an answer has its receipt: moments after its last token. @throws OpenLedgerError `no-receipt` */
export async function waitForReceipt(
  http: Http,
  requestId: string,
  { timeoutMs = 120_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Receipt> {
  const untilMs = Date.now() + timeoutMs;
  for (let waitMs = 25; ; waitMs = Math.min(1_000, waitMs * 2)) {
    const request = await http.json(requestSchema, `/v1/requests/${encodeURIComponent(requestId)}`, {
      signal,
    });
    if (request.receipt !== null) return readReceipt(http, request.receipt);
    const isOver = request.state === "failed" || request.state === "released";
    if (isOver || Date.now() + waitMs > untilMs)
      throw new OpenLedgerError(
        0,
        "no-receipt",
        `Request ${requestId} has no receipt ${isOver ? "and will have none" : `after ${timeoutMs} ms`}: it is ${request.state}${request.error === null ? "" : `, ${request.error}`}.`,
      );
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/**
 * Checks a receipt from its audit file, the release's manifest and whole pay index in it, without believing whoever sent it:
 * digests, price, scores, threshold, omissions, payments, and the signature of the network's operator.
 *
 * @param audit the file's JSON
 * @param expected who must have signed, and for which ledger; what the file says of itself proves nothing
 * @param receiptId the receipt that is meant
 * @throws ZodError when it is no audit file
 */
export async function verifyReceipt(
  audit: unknown,
  expected: Network,
  { receiptId, request, text }: ReceiptEvidence & { readonly receiptId?: Digest } = {},
): Promise<VerifiedReceipt> {
  const { bundle, manifest, index } = auditSchema.parse(audit);
  const rows: IndexRow[] = index.rows.map((bytes, row) => ({
    row,
    payee: index.contributors[row] ?? zeroAddress,
    bytes: toBytes(bytes),
  }));
  const { chainId, contracts, operator } = expected;
  const checks = await checkReceipt(bundle, {
    domain: { name: "OpenLedger", version: "1", chainId, verifyingContract: contracts.AttributionLedger },
    manifest,
    index: { rows },
    ...(request === undefined ? {} : { request }),
    ...(text === undefined ? {} : { response: text }),
  });
  const own: Check[] = [];
  if (!sameHex(bundle.terms.payees.operator, operator))
    own.push({
      name: "signature",
      status: "failed",
      expected: operator,
      actual: bundle.terms.payees.operator,
    });
  const id = hashReceipt(bundle.receipt);
  if (receiptId !== undefined && !sameHex(id, receiptId))
    own.push({ name: "signature", status: "failed", expected: receiptId, actual: id });
  const all = [...own, ...checks];
  return { holds: nothingFailed(all), checks: all };
}
