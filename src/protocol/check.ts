import type { Address, Digest, Hex } from "./bytes.ts";
import { sameHex, toBytes, zeroAddress } from "./bytes.ts";
import { bytesDigest, textDigest } from "./digest.ts";
import type { Domain } from "./eip712.ts";
import type { Manifest } from "./manifest.ts";
import { answerPrice, releaseId } from "./manifest.ts";
import type { Influence, Payment } from "./payout.ts";
import { payout, splitDigest, thresholdOf } from "./payout.ts";
import { verifyPositional } from "./positional.ts";
import type { ReceiptBundle } from "./receipt.ts";
import { recoverReceipt } from "./receipt.ts";
import type { IndexRow, ScoreEntry } from "./row.ts";
import { decodeRow, indexPayload, indexTree, score, scoresDigest } from "./row.ts";

/**
 * What was compared. `unchecked` says that the material to check it was not given: it is neither proof nor disproof, and
 * whoever shows the result must show it too.
 */
export type Check = {
  readonly name: CheckName;
  readonly status: "passed" | "failed" | "unchecked";
  readonly expected: string;
  readonly actual: string;
};

export type CheckName =
  /** The manifest given is the release the receipt names. */
  | "release"
  /** The operator named in the terms signed exactly this receipt. */
  | "signature"
  /** The answer costs what the release asks for its tokens. */
  | "price"
  /** The request's and the answer's bytes, where given. */
  | "request"
  | "response"
  /** q is what the receipt committed to, and has the index's dimensions. */
  | "query"
  /** The rows given are those the release committed to. */
  | "index"
  /** The listed scores are what the receipt committed to, by ascending row. */
  | "scores-digest"
  /** Every listed score is the dot product of its row and q. */
  | "scores"
  /** The threshold is c times the highest null score. */
  | "threshold"
  /** Exactly the contributors above the threshold are listed. */
  | "omission"
  /** The payments are what the receipt committed to. */
  | "split-digest"
  /** The payments are those that section 5 gives for this fee, these scores and these terms. */
  | "payments";

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
};

/**
 * Checks everything about an answer that follows from public data, without a chain, an engine or trust in the operator.
 * What it cannot show: that q is the gradient of this answer, that the index was made as the manifest says, and that the
 * terms are what the chain said. Validators attest the first two; a chain answers the third.
 *
 * @returns one check per name in the order of `CheckName`; it throws only on input that is not of its type
 */
export async function checkReceipt(bundle: ReceiptBundle, context: CheckContext): Promise<Check[]> {
  const { receipt } = bundle;
  const { manifest } = context;
  const fee = receipt.to - receipt.from;
  const query = toBytes(bundle.query);
  const optedOut = query.length === 0;
  const index = readIndex(context, manifest);

  const release = equal("release", receipt.releaseId, releaseId(manifest));
  const signer = await signerOf(bundle, context.domain);
  const checks = [
    release,
    equal("signature", bundle.terms.payees.operator, signer),
    equal("price", answerPrice(manifest.price, receipt.promptTokens, receipt.completionTokens), fee),
    given("request", context.request, (bytes) => equal("request", receipt.requestDigest, bytesDigest(bytes))),
    given("response", context.response, (text) =>
      equal("response", receipt.responseDigest, textDigest(text)),
    ),
    checkQuery(receipt.queryDigest, query, manifest.index.k),
    index.check,
    attempt("scores-digest", () => equal("scores-digest", receipt.scoresDigest, scoresDigest(bundle.scores))),
    ...attempt3(() => checkInfluence(bundle, manifest, index, optedOut ? null : decodeRow(query))),
    attempt("split-digest", () => equal("split-digest", receipt.splitDigest, splitDigest(bundle.payments))),
    attempt("payments", () => checkPayments(bundle, manifest, index, fee, optedOut)),
  ];
  return checks;
}

/** @returns whether nothing failed; `unchecked` checks do not count against a receipt. */
export function nothingFailed(checks: readonly Check[]): boolean {
  return checks.every((check) => check.status !== "failed");
}

type Index = {
  readonly check: Check;
  /** By row; only rows that were given. */
  readonly rows: ReadonlyMap<number, IndexRow>;
  readonly whole: boolean;
};

function readIndex(context: CheckContext, manifest: Manifest): Index {
  const { root, contributors, nullRows } = manifest.index;
  const count = contributors + nullRows;
  if ("rows" in context.index) {
    const { rows } = context.index;
    const check = attempt("index", () => {
      const tree = indexTree(rows);
      return equal(
        "index",
        `${root}, ${contributors} contributors, ${nullRows} null rows`,
        `${tree.root}, ${tree.contributors} contributors, ${tree.count - tree.contributors} null rows`,
      );
    });
    return { check, rows: new Map(rows.map((row) => [row.row, row])), whole: true };
  }
  const { opened } = context.index;
  const wrong = opened.find((row) => {
    const kind = row.row < contributors ? row.payee !== zeroAddress : sameHex(row.payee, zeroAddress);
    return !kind || !verifyPositional({ root, count }, row.row, indexPayload(row), row.proof);
  });
  const check = equal(
    "index",
    `rows under ${root}`,
    wrong === undefined ? `rows under ${root}` : `row ${wrong.row} is not`,
  );
  return { check, rows: new Map(opened.map((row) => [row.row, row])), whole: false };
}

function checkQuery(digest: Digest, query: Uint8Array, k: number): Check {
  const length = query.length === 0 ? 0 : 2 * k;
  return equal("query", `${digest}, ${length} bytes`, `${bytesDigest(query)}, ${query.length} bytes`);
}

/** Scores, threshold and omission: recomputed from rows and q. */
function checkInfluence(
  bundle: ReceiptBundle,
  manifest: Manifest,
  index: Index,
  q: Int16Array | null,
): Check[] {
  const { receipt, scores: listed } = bundle;
  if (q === null) {
    return [
      equal(
        "scores",
        "no listed score: the payer opted out",
        listed.length === 0 ? "no listed score: the payer opted out" : list(listed),
      ),
      equal("threshold", "row 0, 0", `row ${receipt.thresholdRow}, ${receipt.threshold}`),
      equal("omission", "", list(listed)),
    ];
  }
  const { contributors, nullRows, thresholdMillionths } = manifest.index;
  const missing = [...listed.map((entry) => entry.row), receipt.thresholdRow].filter(
    (row) => !index.rows.has(row),
  );
  if (missing.length > 0) {
    const note = `row ${missing[0]} of the index`;
    return (["scores", "threshold", "omission"] as const).map((name) => unchecked(name, note));
  }
  const scoreOf = (row: number) => score(decodeRow(index.rows.get(row)!.bytes), q);
  const scores = equal("scores", list(listed), list(listed.map(({ row }) => ({ row, score: scoreOf(row) }))));
  if (!index.whole) {
    const nullScore = scoreOf(receipt.thresholdRow);
    const { threshold } = thresholdOf([nullScore], thresholdMillionths, receipt.thresholdRow);
    const claimed = `row ${receipt.thresholdRow}, ${receipt.threshold}`;
    const isNull = receipt.thresholdRow >= contributors;
    const below = listed.find((entry) => entry.score <= receipt.threshold);
    return [
      scores,
      equal(
        "threshold",
        isNull ? `row ${receipt.thresholdRow}, ${threshold}` : `a row from ${contributors} on`,
        claimed,
      ),
      below === undefined
        ? unchecked("omission", "the rows of the whole index")
        : equal("omission", `scores above ${receipt.threshold}`, list([below])),
    ];
  }
  const nullScores = Array.from({ length: nullRows }, (_, i) => scoreOf(contributors + i));
  const { thresholdRow, threshold } = thresholdOf(nullScores, thresholdMillionths, contributors);
  const expected = payout({
    ...payoutTerms(bundle, manifest),
    fee: receipt.to - receipt.from,
    influence: wholeInfluence(index, manifest, q),
  });
  return [
    scores,
    equal(
      "threshold",
      `row ${thresholdRow}, ${threshold}`,
      `row ${receipt.thresholdRow}, ${receipt.threshold}`,
    ),
    equal("omission", list(expected.scores), list(listed)),
  ];
}

/** Section 5 once more, from the fee and the scores. With the whole index the scores are recomputed, not believed. */
function checkPayments(
  bundle: ReceiptBundle,
  manifest: Manifest,
  index: Index,
  fee: bigint,
  optedOut: boolean,
): Check {
  const { terms, scores: listed, receipt } = bundle;
  if (terms.payees.developer !== manifest.developer)
    return equal("payments", `developer ${manifest.developer}`, `developer ${terms.payees.developer}`);
  const missing = listed.find((entry) => !index.rows.has(entry.row));
  if (missing !== undefined) return unchecked("payments", `row ${missing.row} of the index`);
  let influence: Influence | null = null;
  if (!optedOut && index.whole) influence = wholeInfluence(index, manifest, decodeRow(toBytes(bundle.query)));
  else if (!optedOut) {
    // The listed rows stand for all: "scores", "threshold" and "omission" judge the list itself.
    influence = {
      contributors: listed.map((entry) => index.rows.get(entry.row)!.payee),
      scores: listed.map((entry) => entry.score),
      nullScores: [Number(receipt.threshold)],
      thresholdMillionths: 1_000_000,
    };
  }
  const expected = payout({ ...payoutTerms(bundle, manifest), fee, influence });
  return equal("payments", payList(expected.payments), payList(bundle.payments));
}

function wholeInfluence(index: Index, manifest: Manifest, q: Int16Array): Influence {
  const { contributors, nullRows, thresholdMillionths } = manifest.index;
  const scoreOf = (_: unknown, row: number) => score(decodeRow(index.rows.get(row)!.bytes), q);
  const all = Array.from({ length: contributors + nullRows }, scoreOf);
  return {
    contributors: Array.from({ length: contributors }, (_, row) => index.rows.get(row)!.payee),
    scores: all.slice(0, contributors),
    nullScores: all.slice(contributors),
    thresholdMillionths,
  };
}

function payoutTerms({ terms }: ReceiptBundle, manifest: Manifest) {
  const { split, payees } = terms;
  const datanets = manifest.datanets.map(({ acceptedExamples }, i) => {
    const { owner, pool } = terms.datanets[i] ?? missingDatanet(i);
    return { owner, pool, acceptedExamples };
  });
  return { split, payees, datanets };
}

function missingDatanet(i: number): never {
  throw new Error(`the terms name no owner for Datanet ${i} of the manifest`);
}

async function signerOf(bundle: ReceiptBundle, domain: Domain): Promise<Address | string> {
  try {
    return await recoverReceipt(domain, bundle.receipt, bundle.signature);
  } catch (error) {
    return (error as Error).message;
  }
}

function equal(name: CheckName, expected: Hex | string | bigint, actual: Hex | string | bigint): Check {
  const [wanted, got] = [String(expected).toLowerCase(), String(actual).toLowerCase()];
  return {
    name,
    status: wanted === got ? "passed" : "failed",
    expected: String(expected),
    actual: String(actual),
  };
}

function unchecked(name: CheckName, needed: string): Check {
  return { name, status: "unchecked", expected: needed, actual: "not given" };
}

function given<T>(name: CheckName, value: T | undefined, check: (value: T) => Check): Check {
  return value === undefined ? unchecked(name, `the ${name}`) : check(value);
}

/** A bundle that contradicts itself fails its check; the reason is the actual value. */
function attempt(name: CheckName, check: () => Check): Check {
  try {
    return check();
  } catch (error) {
    return {
      name,
      status: "failed",
      expected: "a value that can be checked",
      actual: (error as Error).message,
    };
  }
}

function attempt3(check: () => Check[]): Check[] {
  try {
    return check();
  } catch (error) {
    const actual = (error as Error).message;
    return (["scores", "threshold", "omission"] as const).map((name) =>
      attempt(name, () => {
        throw new Error(actual);
      }),
    );
  }
}

function list(entries: readonly ScoreEntry[]): string {
  return entries.map(({ row, score }) => `${row}:${score}`).join(" ");
}

function payList(payments: readonly Payment[]): string {
  return payments.map(({ payee, amount }) => `${payee.toLowerCase()}:${amount}`).join(" ");
}
