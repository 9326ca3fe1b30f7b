import { apportion } from "./apportion.ts";
import { sameHex, toBytes, toHex } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import type { Lie, ReceiptFacts, ReleaseFacts } from "./lies.ts";
import type { Payment } from "./payout.ts";
import { cutOf, maxPaidRows, payoutOf, payWeights, thresholdOf } from "./payout.ts";
import type { OpenedReceipt, PublishedBatch } from "./published.ts";
import { openReceipt } from "./published.ts";
import type { ScoreEntry } from "./row.ts";
import { decodeRow, decodeScores, score } from "./row.ts";

const noQuery = bytesDigest("0x");

/** The lies of one receipt against what the chain says of its release, its time and its payees. */
export function* receiptLies(batch: PublishedBatch, index: number, facts: ReceiptFacts): Generator<Lie> {
  const opened = batch.receipts[index]!;
  const { receipt } = opened;
  const { release, terms } = facts;
  const opening = () => openReceipt(batch, index);
  if (release === null || terms === null) {
    yield { kind: "release", receipt: opening() };
    return;
  }
  if (receipt.issuedAt < release.publishedAt || receipt.issuedAt > batch.committed.settledAt)
    yield { kind: "time", receipt: opening() };
  if (!facts.settleable) yield { kind: "attestation", receipt: opening() };
  const price =
    BigInt(receipt.promptTokens) * release.promptWeiPerToken +
    BigInt(receipt.completionTokens) * release.completionWeiPerToken;
  if (receipt.to - receipt.from !== price) yield { kind: "fee", receipt: opening(), expected: price };

  const list = decodeScores(opened.scores);
  const wrongScore = findWrongScore(opened, list, release, facts);
  if (wrongScore !== undefined) yield { kind: "score", receipt: opening(), ...wrongScore };
  const wrongThreshold = findWrongThreshold(opened, release, facts);
  if (wrongThreshold !== undefined) yield { kind: "threshold", receipt: opening(), ...wrongThreshold };
  const omitted = list === undefined ? undefined : findOmission(opened, list, release, facts);
  if (omitted !== undefined)
    yield { kind: "omission", receipt: opening(), contributor: omitted, row: facts.index!.open(omitted) };
  // A list or an interval that is wrong in itself divides nothing.
  if (list === undefined || wrongScore !== undefined || receipt.threshold < 0n || receipt.to <= receipt.from)
    return;
  const wrongPayment = findWrongPayment(opened, list, facts);
  if (wrongPayment !== undefined) yield { kind: "split", receipt: opening(), ...wrongPayment };
}

function findWrongScore(
  { receipt, query }: OpenedReceipt,
  list: readonly ScoreEntry[] | undefined,
  { contributors, k }: ReleaseFacts,
  { index }: ReceiptFacts,
) {
  if (list === undefined) return { position: 0, row: null };
  const bytes = toBytes(query);
  const q = bytes.length === 2 * k ? decodeRow(bytes) : undefined;
  const cut = cutOfList(list, receipt.threshold);
  for (const [position, entry] of list.entries()) {
    const plain =
      q === undefined ||
      entry.row >= contributors ||
      BigInt(entry.score) <= cut ||
      (position > 0 && entry.row <= list[position - 1]!.row);
    if (plain) return { position, row: null };
    if (index !== null && scoreOf(index, entry.row, q) !== entry.score)
      return { position, row: index.open(entry.row) };
  }
  return undefined;
}

function findWrongThreshold(
  { receipt, query }: OpenedReceipt,
  { contributors, rows, k, thresholdMillionths }: ReleaseFacts,
  { index }: ReceiptFacts,
) {
  const { threshold, thresholdRow } = receipt;
  if (receipt.queryDigest === noQuery)
    return threshold !== 0n || thresholdRow !== 0 ? { nullRow: 0, row: null } : undefined;
  if (threshold < 0n || thresholdRow < contributors || thresholdRow >= rows)
    return { nullRow: thresholdRow, row: null };
  const bytes = toBytes(query);
  if (bytes.length !== 2 * k) return { nullRow: thresholdRow, row: null };
  if (index === null) return undefined;
  const q = decodeRow(bytes);
  for (let row = contributors; row < rows; row++) {
    const nullScore = scoreOf(index, row, q);
    const named = row === thresholdRow;
    const exact =
      nullScore === undefined ? undefined : thresholdOf([nullScore], thresholdMillionths, row).threshold;
    if (exact === undefined ? named : named ? exact !== threshold : exact > threshold)
      return { nullRow: row, row: index.open(row) };
  }
  return undefined;
}

function findOmission(
  { receipt, query }: OpenedReceipt,
  list: readonly ScoreEntry[],
  { contributors, k }: ReleaseFacts,
  { index }: ReceiptFacts,
): number | undefined {
  const bytes = toBytes(query);
  if (index === null || bytes.length !== 2 * k) return undefined;
  const q = decodeRow(bytes);
  const listed = new Set(list.map(({ row }) => row));
  const cut = cutOfList(list, receipt.threshold);
  for (let row = 0; row < contributors; row++) {
    if (listed.has(row)) continue;
    const exact = scoreOf(index, row, q);
    if (exact === undefined || BigInt(exact) <= cut) continue;
    const comesBefore = (other: ScoreEntry) =>
      exact > other.score || (exact === other.score && row < other.row);
    if (list.length < maxPaidRows || list.some(comesBefore)) return row;
  }
  return undefined;
}

const cutOfList = (list: readonly ScoreEntry[], threshold: bigint): bigint =>
  cutOf(
    list.map(({ score }) => score),
    threshold,
  );

/**
 * As the chain takes it: a row that is not k integers long has no score. To name one is a lie, to leave it out is none, and what else is
 * wrong with a receipt is found all the same.
 */
function scoreOf(
  { rows }: NonNullable<ReceiptFacts["index"]>,
  row: number,
  q: Int16Array,
): number | undefined {
  const bytes = rows[row]?.bytes;
  return bytes?.length === 2 * q.length ? score(decodeRow(bytes), q) : undefined;
}

/** The first payment that is not what section 5 gives for the fee, the listed scores and what the chain says. */
function findWrongPayment(
  { receipt, payments }: OpenedReceipt,
  list: readonly ScoreEntry[],
  { terms, index }: ReceiptFacts,
) {
  if (list.length > 0 && index === null) return undefined;
  const { split, payees, datanets } = terms!;
  const fee = receipt.to - receipt.from;
  // The scores are taken as listed, because they are proven apart.
  const listing = { scores: list, thresholdRow: receipt.thresholdRow, threshold: receipt.threshold };
  const contributors = index?.rows.map(({ payee }) => payee) ?? [];
  const { payments: paid, heads } = payoutOf({ fee, split, payees, datanets }, listing, contributors);
  const position = firstDifference(paid, payments);
  if (position === undefined) return undefined;
  const expected = paid[position];
  const payment = expected === undefined ? null : { payee: toHex(expected.payee), amount: expected.amount };
  const examples = datanets.map((datanet) => BigInt(datanet.acceptedExamples));
  const weights = list.length === 0 ? examples : payWeights(list, receipt.threshold);
  const { operator, treasury, developer, stakers } = heads;
  const parts = {
    heads: [operator, treasury, developer, stakers, heads.owners + heads.influence],
    owners: apportion(heads.owners, examples),
    influence: apportion(heads.influence, weights),
  };
  const row = expected?.kind === "contributor" ? index!.open(expected.at!) : null;
  return { position, expected: payment, parts, row };
}

function firstDifference(expected: readonly Payment[], given: readonly Payment[]): number | undefined {
  const length = Math.max(expected.length, given.length);
  for (let position = 0; position < length; position++) {
    const [one, other] = [expected[position], given[position]];
    const same = one !== undefined && other !== undefined && one.amount === other.amount;
    if (!same || !sameHex(one.payee, other.payee)) return position;
  }
  return undefined;
}
