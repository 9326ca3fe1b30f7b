import { sameHex, toBytes, zeroAddress } from "./bytes.ts";
import type { Check, CheckContext, OpenedRow } from "./check.ts";
import { attempt, compare, unchecked } from "./check.ts";
import type { Manifest } from "./manifest.ts";
import type { Influence, Payment } from "./payout.ts";
import { cutOf, payout, thresholdOf } from "./payout.ts";
import { verifyPositional } from "./positional.ts";
import type { ReceiptBundle } from "./receipt.ts";
import type { IndexRow, ScoreEntry } from "./row.ts";
import { decodeRow, indexPayload, indexTree, score } from "./row.ts";

/**
 * The checks that need rows: index, scores, threshold, omission, payments. With the whole index the scores are recomputed
 * and believed by nobody. With only the named rows, the listed scores and the threshold are recomputed; that nobody was
 * left out stays unchecked.
 */
export function checkInfluence(bundle: ReceiptBundle, context: CheckContext): Check[] {
  const { manifest, index } = context;
  const indexCheck = "rows" in index ? checkWhole(index.rows, manifest) : checkOpened(index.opened, manifest);
  const query = toBytes(bundle.query);
  if (query.length === 0) return [indexCheck, ...optedOut(bundle), checkPayments(bundle, manifest, null)];
  if (indexCheck.status === "failed" || query.length !== 2 * manifest.index.k) {
    const reason =
      indexCheck.status === "failed" ? "the release's own index" : `a query of ${2 * manifest.index.k} bytes`;
    const rest = ["scores", "threshold", "omission", "payments"] as const;
    return [indexCheck, ...rest.map((name) => unchecked(name, reason))];
  }
  const q = decodeRow(query);
  return [
    indexCheck,
    ...("rows" in index
      ? byWhole(bundle, manifest, index.rows, q)
      : byOpened(bundle, manifest, index.opened, q)),
  ];
}

function checkWhole(rows: readonly IndexRow[], manifest: Manifest): Check {
  const { root, contributors, nullRows, k } = manifest.index;
  return attempt("index", () => {
    const tree = indexTree(rows);
    const nulls = tree.count - tree.contributors;
    return [
      `${root}, ${contributors} contributors, ${nullRows} null rows of ${2 * k} bytes`,
      `${tree.root}, ${tree.contributors} contributors, ${nulls} null rows of ${rows[0]?.bytes.length ?? 0} bytes`,
    ];
  });
}

function checkOpened(opened: readonly OpenedRow[], manifest: Manifest): Check {
  const { root, contributors, nullRows, k } = manifest.index;
  const commitment = { root, count: contributors + nullRows };
  return attempt("index", () => {
    const wrong = opened.find((row) => {
      const isNull = sameHex(row.payee, zeroAddress);
      return (
        isNull === row.row < contributors ||
        row.bytes.length !== 2 * k ||
        !verifyPositional(commitment, row.row, indexPayload(row), row.proof)
      );
    });
    const expected = `rows of ${2 * k} bytes under ${root}`;
    return [expected, wrong ? `row ${wrong.row}, which is not` : expected];
  });
}

function optedOut({ receipt, scores }: ReceiptBundle): Check[] {
  return [
    compare(
      "scores",
      "none: nothing is attributed",
      scores.length === 0 ? "none: nothing is attributed" : list(scores),
    ),
    compare("threshold", "row 0, 0", `row ${receipt.thresholdRow}, ${receipt.threshold}`),
    compare("omission", "none", scores.length === 0 ? "none" : list(scores)),
  ];
}

/** Everything recomputed from all rows. */
function byWhole(
  bundle: ReceiptBundle,
  manifest: Manifest,
  rows: readonly IndexRow[],
  q: Int16Array,
): Check[] {
  const { contributors, thresholdMillionths } = manifest.index;
  const all = rows.map((row) => score(decodeRow(row.bytes), q));
  const influence: Influence = {
    contributors: rows.slice(0, contributors).map((row) => row.payee),
    scores: all.slice(0, contributors),
    nullScores: all.slice(contributors),
    thresholdMillionths,
  };
  const { receipt, scores: listed } = bundle;
  const { thresholdRow, threshold } = thresholdOf(influence.nullScores, thresholdMillionths, contributors);
  return [
    compare("scores", list(listed.map(({ row }) => ({ row, score: all[row] ?? Number.NaN }))), list(listed)),
    compare(
      "threshold",
      `row ${thresholdRow}, ${threshold}`,
      `row ${receipt.thresholdRow}, ${receipt.threshold}`,
    ),
    attempt("omission", () => [
      rowList(payout(payoutInput(bundle, manifest, influence)).scores),
      rowList(listed),
    ]),
    checkPayments(bundle, manifest, influence),
  ];
}

/** The listed rows and the threshold row recomputed; the list's completeness is taken as it is, and said to be. */
function byOpened(
  bundle: ReceiptBundle,
  manifest: Manifest,
  opened: readonly OpenedRow[],
  q: Int16Array,
): Check[] {
  const { receipt, scores: listed } = bundle;
  const { contributors, thresholdMillionths } = manifest.index;
  const rows = new Map(opened.map((row) => [row.row, row]));
  const missing = [...listed.map(({ row }) => row), receipt.thresholdRow].find((row) => !rows.has(row));
  if (missing !== undefined) {
    const names = ["scores", "threshold", "omission", "payments"] as const;
    return names.map((name) => unchecked(name, `row ${missing} of the index`));
  }
  const scoreOf = (row: number) => score(decodeRow(rows.get(row)!.bytes), q);
  const exact = listed.map(({ row }) => ({ row, score: scoreOf(row) }));
  const nullScore = scoreOf(receipt.thresholdRow);
  const { threshold } = thresholdOf([nullScore], thresholdMillionths, receipt.thresholdRow);
  const expected =
    receipt.thresholdRow < contributors
      ? `a row from ${contributors} on`
      : `row ${receipt.thresholdRow}, ${threshold}`;
  const cut = cutOf(
    listed.map((entry) => entry.score),
    receipt.threshold,
  );
  const extra = listed.filter((entry) => entry.row >= contributors || entry.score <= cut);
  return [
    compare("scores", list(exact), list(listed)),
    compare("threshold", expected, `row ${receipt.thresholdRow}, ${receipt.threshold}`),
    extra.length > 0
      ? compare("omission", `only contributors above ${cut}`, list(extra))
      : unchecked("omission", "the rows of the whole index"),
    checkPayments(bundle, manifest, {
      contributors: listed.map(({ row }) => rows.get(row)!.payee),
      scores: exact.map((entry) => entry.score),
      nullScores: [nullScore],
      thresholdMillionths,
    }),
  ];
}

/** Section 5 once more, from the fee, the scores and the terms. */
function checkPayments(bundle: ReceiptBundle, manifest: Manifest, influence: Influence | null): Check {
  return attempt("payments", () => [
    payList(payout(payoutInput(bundle, manifest, influence)).payments),
    payList(bundle.payments),
  ]);
}

function payoutInput({ receipt, terms }: ReceiptBundle, manifest: Manifest, influence: Influence | null) {
  if (terms.datanets.length !== manifest.datanets.length)
    throw new Error(
      `the terms name ${terms.datanets.length} Datanets; the manifest names ${manifest.datanets.length}`,
    );
  const datanets = terms.datanets.map((payees, i) => ({
    ...payees,
    acceptedExamples: manifest.datanets[i]!.count,
  }));
  return { fee: receipt.to - receipt.from, split: terms.split, payees: terms.payees, datanets, influence };
}

function list(entries: readonly ScoreEntry[]): string {
  return entries.map(({ row, score }) => `${row}:${score}`).join(" ");
}

function rowList(entries: readonly ScoreEntry[]): string {
  return `rows ${entries.map(({ row }) => row).join(" ")}`;
}

function payList(payments: readonly Payment[]): string {
  return payments.map(({ payee, amount }) => `${payee.toLowerCase()}:${amount}`).join(" ");
}
