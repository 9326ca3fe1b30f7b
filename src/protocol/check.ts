import type { Digest, Hex } from "./bytes.ts";
import { toBytes } from "./bytes.ts";
import { checkInfluence } from "./check-influence.ts";
import { type ChainTerms, checkTerms } from "./check-terms.ts";
import { bytesDigest, textDigest } from "./digest.ts";
import type { Domain } from "./eip712.ts";
import type { Manifest } from "./manifest.ts";
import { answerPrice, releaseId } from "./manifest.ts";
import { splitDigest } from "./payout.ts";
import type { ReceiptBundle } from "./receipt.ts";
import { recoverReceipt } from "./receipt.ts";
import type { IndexRow } from "./row.ts";
import { scoresDigest } from "./row.ts";

/** What can be checked about a receipt, in the order in which it is reported. */
export type CheckName =
  /** The manifest given is the release that the receipt names. */
  | "release"
  /** The operator named in the terms signed exactly this receipt. */
  | "signature"
  /** The answer costs what the release asks for its tokens. */
  | "price"
  /** The request's bytes are those that were hashed. */
  | "request"
  /** The answer's text is the one that was hashed. */
  | "response"
  /** q is what was hashed, and has the index's dimensions. */
  | "query"
  /** The listed scores are what was hashed, by ascending row. */
  | "scores-digest"
  /** The payments are what was hashed. */
  | "split-digest"
  /** The rows given are those the release committed to. */
  | "index"
  /** Every listed score is the dot product of its row and q. */
  | "scores"
  /** The threshold is c times the highest null score. */
  | "threshold"
  /** Exactly the contributors above the threshold are listed. */
  | "omission"
  /** The payments are those that section 5 gives for this fee, these scores and these terms. */
  | "payments"
  /** The terms are the chain's word; what of them no payment shows stays unchecked without a chain. */
  | "terms";

/**
 * What was compared. `unchecked` says that the material for it was not given (`expected` names it): it is neither proof
 * nor disproof, and whoever shows the result must show it too.
 */
export type Check = {
  readonly name: CheckName;
  readonly status: "passed" | "failed" | "unchecked";
  readonly expected: string;
  readonly actual: string;
};

/** A row with its way to the index root, for a verifier that does not hold the whole index. */
export type OpenedRow = IndexRow & { readonly proof: readonly Digest[] };

/** What a receipt is checked against. */
export type CheckContext = {
  /** Of the `AttributionLedger` where the receipt will be settled. */
  readonly domain: Domain;
  readonly manifest: Manifest;
  /** The whole pay index (then nothing about scores stays unchecked), or only the rows the receipt names, opened. */
  readonly index: { readonly rows: readonly IndexRow[] } | { readonly opened: readonly OpenedRow[] };
  /** The request body as it was sent. */
  readonly request?: Uint8Array;
  /** The answer's text, all streamed pieces joined. */
  readonly response?: string;
  /** What the chain says of split and payees at `issuedAt`, where there is a chain to ask. */
  readonly terms?: ChainTerms;
};

/**
 * Checks everything about an answer that follows from public data, without a chain, an engine or trust in the operator.
 *
 * What it cannot show: that q is the gradient of this answer, that the index was made as the manifest says, and, without a
 * chain, that the terms are what the chain said. Validators attest the first two; `terms` says what is left of the third.
 *
 * @returns one check per `CheckName`, in that order; a bundle that contradicts itself fails, it does not throw
 */
export async function checkReceipt(bundle: ReceiptBundle, context: CheckContext): Promise<Check[]> {
  const { receipt } = bundle;
  const { manifest } = context;
  const query = toBytes(bundle.query);
  const queryLength = query.length === 0 ? 0 : 2 * manifest.index.k;
  return [
    attempt("release", () => [receipt.releaseId, releaseId(manifest)]),
    await checkSignature(bundle, context.domain),
    attempt("price", () => [
      answerPrice(manifest.price, receipt.promptTokens, receipt.completionTokens),
      receipt.to - receipt.from,
    ]),
    given("request", context.request, (bytes) => [receipt.requestDigest, bytesDigest(bytes)]),
    given("response", context.response, (text) => [receipt.responseDigest, textDigest(text)]),
    compare(
      "query",
      `${receipt.queryDigest}, ${queryLength} bytes`,
      `${bytesDigest(query)}, ${query.length} bytes`,
    ),
    attempt("scores-digest", () => [receipt.scoresDigest, scoresDigest(bundle.scores)]),
    attempt("split-digest", () => [receipt.splitDigest, splitDigest(bundle.payments)]),
    ...checkInfluence(bundle, context),
    checkTerms(bundle, manifest, context.terms),
  ];
}

/** @returns whether nothing failed. What was not checked does not count against a receipt: show it. */
export function nothingFailed(checks: readonly Check[]): boolean {
  return checks.every((check) => check.status !== "failed");
}

type Comparable = Hex | string | bigint;

/** A check that passed if both say the same; hex may differ in case. */
export function compare(name: CheckName, expected: Comparable, actual: Comparable): Check {
  const [wanted, got] = [String(expected), String(actual)];
  const status = wanted.toLowerCase() === got.toLowerCase() ? "passed" : "failed";
  return { name, status, expected: wanted, actual: got };
}

/** A check for which `needed` was not given. */
export function unchecked(name: CheckName, needed: string): Check {
  return { name, status: "unchecked", expected: needed, actual: "not given" };
}

/** Compares what `values` returns; if it throws, the check failed and the reason is the actual value. */
export function attempt(name: CheckName, values: () => readonly [Comparable, Comparable]): Check {
  try {
    return compare(name, ...values());
  } catch (error) {
    return {
      name,
      status: "failed",
      expected: "a value that can be checked",
      actual: (error as Error).message,
    };
  }
}

function given<T>(
  name: CheckName,
  value: T | undefined,
  values: (value: T) => [Comparable, Comparable],
): Check {
  return value === undefined ? unchecked(name, `the ${name}`) : attempt(name, () => values(value));
}

async function checkSignature(bundle: ReceiptBundle, domain: Domain): Promise<Check> {
  const { operator } = bundle.terms.payees;
  try {
    return compare("signature", operator, await recoverReceipt(domain, bundle.receipt, bundle.signature));
  } catch (error) {
    return { name: "signature", status: "failed", expected: operator, actual: (error as Error).message };
  }
}
