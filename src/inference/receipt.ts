/** From a charged answer to its receipt: who is paid what, and what is signed. Pure but for the signature. */
import {
  bytesDigest,
  type Digest,
  hashReceipt,
  type Payout,
  payoutOf,
  queryDigest,
  type Receipt,
  type ReceiptBundle,
  type Signer,
  sameHex,
  scoresDigest,
  signReceipt,
  splitDigest,
  textDigest,
  toHex,
} from "../protocol/index.ts";
import type { ReceiptTerms, ServedRelease } from "./ports.ts";
import type { RequestRecord } from "./record.ts";

export type SignedReceipt = { readonly id: Digest; readonly bundle: ReceiptBundle };

/**
 * Divides the fee and signs. The same request, release and terms give the same receipt.
 *
 * @param request - in the state `charged`
 * @throws if the request is not ready for it, or the terms contradict the release
 */
export async function makeReceipt(
  request: RequestRecord,
  release: ServedRelease,
  terms: ReceiptTerms,
  operator: Signer & { readonly address: `0x${string}` },
): Promise<SignedReceipt> {
  const { answer, charge, query, promptTokens, completionTokens } = request;
  if (answer === null || charge === null || query === null || completionTokens === null)
    throw new Error(
      `Request ${request.id} is ${request.state}: a receipt needs its answer, scores and charge.`,
    );
  if (!sameHex(terms.payees.operator, operator.address))
    throw new Error(
      `The terms name the operator ${terms.payees.operator}; receipts are signed by ${operator.address} here.`,
    );
  const divided = divide(request, release, terms, charge.to - charge.from);
  const payments = divided.payments.map(({ payee, amount }) => ({ payee: toHex(payee), amount }));
  const receipt: Receipt = {
    channelId: request.channelId,
    from: charge.from,
    to: charge.to,
    releaseId: release.id,
    requestDigest: request.requestDigest,
    responseDigest: textDigest(answer.text),
    promptTokens,
    completionTokens,
    queryDigest: queryDigest(query),
    scoresDigest: scoresDigest(divided.scores),
    thresholdRow: divided.thresholdRow,
    threshold: divided.threshold,
    splitDigest: splitDigest(payments),
    issuedAt: terms.issuedAt,
  };
  const signature = await signReceipt(terms.domain, receipt, operator);
  const { operator: payee, treasury, developer, stakers } = terms.payees;
  return {
    id: hashReceipt(receipt),
    bundle: {
      receipt,
      signature,
      query: toHex(query),
      scores: divided.scores.map(({ row, score }) => ({ row, score })),
      payments,
      terms: {
        split: { ...terms.split },
        payees: {
          operator: toHex(payee),
          treasury: toHex(treasury),
          developer: toHex(developer),
          stakers: toHex(stakers),
        },
        datanets: terms.datanets.map(({ owner, pool }) => ({ owner: toHex(owner), pool: toHex(pool) })),
      },
    },
  };
}

function divide(request: RequestRecord, release: ServedRelease, terms: ReceiptTerms, fee: bigint): Payout {
  const { manifest, contributors } = release;
  if (terms.datanets.length !== manifest.datanets.length)
    throw new Error(
      `The terms name ${terms.datanets.length} Datanets, release ${release.id} was made from ${manifest.datanets.length}.`,
    );
  const datanets = manifest.datanets.map(({ count }, at) => ({
    ...(terms.datanets[at] as ReceiptTerms["datanets"][number]),
    acceptedExamples: count,
  }));
  const { split, payees } = terms;
  return payoutOf({ fee, split, payees, datanets }, request.listing, contributors);
}

/** The digest of a request's body, as it came. */
export const requestDigest = (body: Uint8Array): Digest => bytesDigest(body);
