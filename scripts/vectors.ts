/**
 * Writes `src/protocol/vectors.json`: examples of everything the protocol hashes, signs and pays, for implementations in
 * other languages. The TypeScript tests and the forge tests both read it.
 *
 * `node scripts/vectors.ts` rewrites it; the tests of `src/protocol` fail when it is out of date.
 *
 * Amounts, scores and ids are decimal strings, bytes are hex. Keys are in no particular order.
 */
import { writeFileSync } from "node:fs";
import { privateKeyToAccount } from "viem/accounts";
import { z } from "zod";
import type {
  Balance,
  Digest,
  FeeSplit,
  Influence,
  JobPlan,
  Payment,
  Receipt,
  SettledReceipt,
} from "../src/protocol/index.ts";
import {
  apportion,
  balancePayload,
  buildBatch,
  canonicalJson,
  channelId,
  consentDigest,
  consentsRoot,
  deliverableDigest,
  domain,
  encodeRow,
  encodeScores,
  escrowId,
  examplesDigest,
  genesisSplit,
  hashConsent,
  hashReceipt,
  hashVoucher,
  indexPayload,
  indexTree,
  jobDigest,
  journalPayload,
  jsonDigest,
  payout,
  positionalProof,
  positionalTree,
  proveBalance,
  queryDigest,
  receiptDigest,
  receiptSchema,
  score,
  scoresDigest,
  signConsent,
  signReceipt,
  signVoucher,
  splitDigest,
  splitFee,
  stoppedSplit,
  textDigest,
  toHex,
  versionLeafHash,
  versionProof,
  versionTree,
  voucherDigest,
  words,
  zeroAddress,
} from "../src/protocol/index.ts";

const account = (name: string) => privateKeyToAccount(textDigest(`openledger vectors: ${name}`));
const address = (name: string) => toHex(account(name).address);
const chainId = 161_612;
const registry = address("contract DatanetRegistry");
const channels = address("contract PaymentChannels");
const ledger = address("contract AttributionLedger");
const payer = account("payer");
const operator = account("operator");

/** Numbers that look random and are the same everywhere: the low 16 bits of a counter's digest, as int16. */
function noise(seed: string, k: number): number[] {
  return Array.from(
    { length: k },
    (_, i) => (Number(BigInt(textDigest(`${seed} ${i}`)) & 0xffffn) << 16) >> 16,
  );
}

function json() {
  const values: unknown[] = [
    {},
    [],
    "",
    null,
    true,
    -0,
    9_007_199_254_740_991,
    { b: 2, a: 1, A: 0, "": 3 },
    {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\u000a": "Newline",
      "1": "One",
      "\u0080": "Control",
      "\u00f6": "o",
      "\ud83d\ude00": "Smiley",
      "\ufb33": "Dagesh",
    },
    { string: "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", literals: [null, true, false] },
    { prompt: "Who keeps the mill at Aldbrook?", completion: "Maren Holt keeps it." },
    {
      messages: [
        { role: "user", content: "naïve ﬁ Å Å" },
        { role: "assistant", content: "a\u2028b\tc" },
      ],
    },
  ];
  return values.map((value) => ({ value, canonical: canonicalJson(value), digest: jsonDigest(value) }));
}

/** Trees over payload_i = abi.encode(uint256 i). */
function positional() {
  return [0, 1, 2, 3, 5, 8, 1_000].map((count) => {
    const tree = positionalTree(Array.from({ length: count }, (_, i) => words(i)));
    const shown = [0, 1, 2, 3, 4, 7, 498, 499, 511, 512, 998, 999].filter((index) => index < count);
    return {
      count,
      root: tree.root,
      proofs: shown.map((index) => ({ index, proof: positionalProof(tree, index) })),
    };
  });
}

function version() {
  const leaves = Array.from({ length: 7 }, (_, index) => ({
    index,
    exampleDigest: textDigest(`example ${index}`),
    contributor: address(`contributor ${index % 3}`),
    licenseDigest: textDigest("CC-BY-4.0"),
    consentDigest: textDigest(`consent ${index % 3}`),
  }));
  const tree = versionTree(leaves);
  return {
    root: tree.root,
    consentsRoot: consentsRoot(leaves.map((leaf) => leaf.consentDigest)),
    leaves: leaves.map((leaf) => ({
      ...leaf,
      leafHash: versionLeafHash(leaf),
      proof: versionProof(tree, leaf.index),
    })),
  };
}

async function signatures() {
  const consent = {
    datanetId: 7n,
    contributor: toHex(payer.address),
    examplesDigest: examplesDigest([textDigest("one"), textDigest("two")]),
    exampleCount: 2,
    license: "CC-BY-4.0",
    signedAt: 1_790_000_000n,
  };
  const voucher = {
    channelId: channelId(payer.address, operator.address, textDigest("salt")),
    cumulative: 10n ** 18n + 1n,
  };
  const receipt: Receipt = {
    channelId: voucher.channelId,
    from: 10n ** 18n,
    to: 10n ** 18n + 1n,
    releaseId: textDigest("release"),
    requestDigest: textDigest("request"),
    responseDigest: textDigest("response"),
    promptTokens: 12,
    completionTokens: 0xffff_ffff,
    queryDigest: queryDigest(encodeRow([1, -1])),
    scoresDigest: scoresDigest([{ row: 0, score: -5 }]),
    thresholdRow: 3,
    threshold: -1n,
    splitDigest: splitDigest([{ payee: toHex(operator.address), amount: 1n }]),
    issuedAt: 1_790_000_001n,
  };
  const [inRegistry, inChannels, inLedger] = [registry, channels, ledger].map((contract) =>
    domain(chainId, contract),
  );
  return {
    consent: {
      contract: registry,
      message: { ...consent, datanetId: "7", signedAt: "1790000000" },
      structHash: hashConsent(consent),
      digest: consentDigest(inRegistry!, consent),
      signer: toHex(payer.address),
      signature: await signConsent(inRegistry!, consent, payer),
    },
    voucher: {
      contract: channels,
      payer: toHex(payer.address),
      payee: toHex(operator.address),
      salt: textDigest("salt"),
      message: { channelId: voucher.channelId, cumulative: voucher.cumulative.toString() },
      structHash: hashVoucher(voucher),
      digest: voucherDigest(inChannels!, voucher),
      signer: toHex(payer.address),
      signature: await signVoucher(inChannels!, voucher, payer),
    },
    receipt: {
      contract: ledger,
      message: z.encode(receiptSchema, receipt),
      structHash: hashReceipt(receipt),
      digest: receiptDigest(inLedger!, receipt),
      signer: toHex(operator.address),
      signature: await signReceipt(inLedger!, receipt, operator),
    },
  };
}

function apportionments() {
  const cases: [bigint, bigint[]][] = [
    [10n, [1n, 1n, 1n]],
    [0n, [1n, 2n]],
    [1n, [0n, 1n]],
    [1n, [1n, 1n]],
    [100n, [3n, 2n, 2n]],
    [10_001n, [1_500n, 500n, 2_000n, 1_000n, 5_000n]],
    [10n ** 27n, [2n ** 40n, 2n ** 40n - 1n, 1n]],
    [7n, Array.from({ length: 16 }, (_, i) => BigInt((i * 7) % 5))],
  ];
  return cases.map(([amount, weights]) => ({
    amount: amount.toString(),
    weights: weights.map(String),
    parts: apportion(amount, weights).map(String),
  }));
}

function splits() {
  const other: FeeSplit = {
    operator: 3_333,
    treasury: 3_333,
    developer: 1,
    stakers: 0,
    data: 3_333,
    owners: 9_999,
  };
  const cases: [bigint, FeeSplit][] = [
    ...[0n, 1n, 3n, 9_999n, 10n ** 18n + 7n].map((fee): [bigint, FeeSplit] => [fee, genesisSplit]),
    [17n, other],
  ];
  return cases.map(([fee, split]) => ({ fee: fee.toString(), split, heads: decimals(splitFee(fee, split)) }));
}

function rows() {
  const low = Array<number>(1_024).fill(-32_768);
  const high = Array<number>(1_024).fill(32_767);
  const zero = Array<number>(1_024).fill(0);
  const pairs: [number[], number[]][] = [
    [[1], [-1]],
    [[0], [-32_768]],
    [noise("row", 3), noise("query", 3)],
    [noise("row", 16), noise("query", 16)],
    [noise("row", 17), noise("query", 17)],
    [noise("row", 1_024), noise("query", 1_024)],
    [low, low],
    [low, high],
    [high, high],
    [zero, low],
  ];
  return pairs.map(([row, q]) => ({
    row: toHex(encodeRow(row)),
    q: toHex(encodeRow(q)),
    score: String(score(row, q)),
  }));
}

function scoreLists() {
  return [
    [],
    [{ row: 0, score: 1 }],
    [
      { row: 2, score: -1 },
      { row: 0xffff_ffff, score: 2 ** 40 },
    ],
  ].map((entries) => ({
    entries: entries.map(decimals),
    bytes: toHex(encodeScores(entries)),
    digest: scoresDigest(entries),
  }));
}

/**
 * A release, two channels, three honest answers in two batches, and the same second batch with one score raised by one:
 * what the forge tests settle, claim and prove.
 */
function circle() {
  const k = 16;
  const contributors = ["a", "b", "c"].map((name) => address(`contributor ${name}`)).sort();
  const payees = [...contributors, zeroAddress, zeroAddress];
  const values = payees.map((_, row) => noise(`circle row ${row}`, k));
  const index = payees.map((payee, row) => ({ row, payee, bytes: encodeRow(values[row]!) }));
  const tree = indexTree(index);
  const releaseId = textDigest("circle release");
  const thresholdMillionths = 250_000;
  const terms = {
    split: genesisSplit,
    payees: {
      operator: toHex(operator.address),
      treasury: address("treasury"),
      developer: address("developer"),
      stakers: address("stakers"),
    },
    datanets: [
      { owner: address("owner 1"), pool: address("pool 1"), acceptedExamples: 3 },
      { owner: address("owner 2"), pool: address("pool 2"), acceptedExamples: 1 },
    ],
  };
  const salts = [textDigest("channel 0"), textDigest("channel 1")];
  const ids = salts.map((salt) => channelId(payer.address, operator.address, salt));

  type Ask = { name: string; channel: Digest; from: bigint; to: bigint; optedOut?: boolean; lie?: number };
  const answer = ({ name, channel, from, to, optedOut = false, lie = 0 }: Ask) => {
    const [one, other] = name === "one" ? [2, 4] : [0, 1];
    const q = values[one]!.map((value, i) => (value + values[other]![i]!) >> 1);
    const scores = values.map((row) => score(row, q));
    const influence: Influence | null = optedOut
      ? null
      : { contributors, scores: scores.slice(0, 3), nullScores: scores.slice(3), thresholdMillionths };
    const paid = payout({ fee: to - from, influence, ...terms });
    const listed = paid.scores.map((entry, i) => (i === 0 ? { ...entry, score: entry.score + lie } : entry));
    const query = optedOut ? new Uint8Array() : encodeRow(q);
    const receipt: Receipt = {
      channelId: channel,
      from,
      to,
      releaseId,
      requestDigest: textDigest(`request ${name}`),
      responseDigest: textDigest(`response ${name}`),
      promptTokens: 10,
      completionTokens: 20,
      queryDigest: queryDigest(query),
      scoresDigest: scoresDigest(listed),
      thresholdRow: paid.thresholdRow,
      threshold: paid.threshold,
      splitDigest: splitDigest(paid.payments),
      issuedAt: 1_790_000_000n,
    };
    return { receipt, payments: paid.payments, scores: listed, query };
  };

  const spent = 1_000_003n;
  const first = [
    answer({ name: "one", channel: ids[0]!, from: 0n, to: spent }),
    answer({ name: "opted out", channel: ids[1]!, from: 0n, to: 10n, optedOut: true }),
  ];
  const next = { name: "two", channel: ids[0]!, from: spent, to: spent + 10n ** 15n };
  const second = [answer(next)];
  const lying = [answer({ ...next, lie: 1 })];
  const one = buildBatch([], first);
  const show = (
    previous: readonly Balance[],
    answers: readonly (SettledReceipt & ReturnType<typeof answer>)[],
  ) => {
    const batch = buildBatch(previous, answers);
    return {
      total: batch.total.toString(),
      channels: batch.channels.map(({ channelId, from, to }) => ({
        channelId,
        from: String(from),
        to: String(to),
      })),
      receiptsRoot: batch.receiptTree.root,
      receiptCount: batch.receiptTree.count,
      journalRoot: batch.journalTree.root,
      journalCount: batch.journalTree.count,
      balancesRoot: batch.balanceTree.root,
      balanceCount: batch.balanceTree.count,
      journal: batch.journal.map((line) => ({ ...decimals(line), payload: toHex(journalPayload(line)) })),
      balances: batch.balances.map((balance) => {
        const { index, proof } = proveBalance(batch, balance.payee);
        return { ...decimals(balance), payload: toHex(balancePayload(balance)), index, proof };
      }),
      receipts: batch.receipts.map(({ receipt }, position) => {
        const opened = answers.find((one) => one.receipt === receipt)!;
        return {
          receipt: z.encode(receiptSchema, receipt),
          receiptId: hashReceipt(receipt),
          query: toHex(opened.query),
          scores: toHex(encodeScores(opened.scores)),
          payments: opened.payments.map(({ payee, amount }: Payment) => ({ payee, amount: String(amount) })),
          index: position,
          proof: positionalProof(batch.receiptTree, position),
        };
      }),
    };
  };
  return {
    payer: toHex(payer.address),
    operator: toHex(operator.address),
    salts,
    releaseId,
    k,
    thresholdMillionths,
    contributors: tree.contributors,
    indexRoot: tree.root,
    indexRows: tree.count,
    rows: index.map(({ row, payee, bytes }) => ({
      row,
      payee,
      bytes: toHex(bytes),
      payload: toHex(indexPayload({ row, payee, bytes })),
      proof: positionalProof(tree, row),
    })),
    terms,
    honest: [show([], first), show(one.balances, second)],
    lying: show(one.balances, lying),
  };
}

/** What is ordered and paid for in advance, and how a payment is divided when it is cancelled. */
function jobs() {
  const plan: JobPlan = {
    schema: "openledger/job/1",
    id: "ft-1",
    model: "valley-1",
    baseDigest: textDigest("base"),
    datanets: [
      { datanetId: "1", version: 1 },
      { datanetId: "340282366920938463463374607431768211456", version: 4_294_967_295 },
    ],
    recipe: { rank: 8, learningRate: "0.003", calibration: { retrainings: 6 } },
    continueFrom: null,
    exclude: [address("contributor a")],
    evaluationDigest: jsonDigest([]),
    price: { promptWeiPerToken: "1", completionWeiPerToken: "79228162514264337593543950335" },
    publish: true,
    steps: 120,
    amountWei: "1000000000000000001",
    deadline: 1_790_000_000,
  };
  const divided: [bigint, number, number][] = [
    [1n, 0, 1],
    [1n, 1, 1],
    [1n, 1, 2],
    [100n, 1, 3],
    [10n ** 27n - 1n, 7, 30],
    [10n ** 27n, 4_294_967_294, 4_294_967_295],
    [2n ** 96n - 1n, 4_294_967_295, 4_294_967_295],
  ];
  return {
    plan,
    jobDigest: jobDigest(plan),
    nameHash: textDigest(plan.model),
    deliverable: deliverableDigest(plan),
    payer: toHex(payer.address),
    operator: toHex(operator.address),
    escrowId: escrowId(payer.address, operator.address, jobDigest(plan)),
    splits: divided.map(([amount, done, steps]) => {
      const parts = stoppedSplit(amount, done, steps);
      return { amount: String(amount), done, steps, ...decimals(parts) };
    }),
  };
}

/** The same object with its bigints and numbers as decimal strings. */
function decimals(value: object): Record<string, string> {
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, String(member)]));
}

/** @returns the vectors as JSON text, the same on every machine. */
export async function vectors(): Promise<string> {
  const all = {
    chainId,
    json: json(),
    positional: positional(),
    version: version(),
    signatures: await signatures(),
    apportion: apportionments(),
    splits: splits(),
    rows: rows(),
    scoreLists: scoreLists(),
    circle: circle(),
    jobs: jobs(),
  };
  return `${JSON.stringify(all, null, 1)}\n`;
}

if (import.meta.main) {
  writeFileSync(new URL("../src/protocol/vectors.json", import.meta.url), await vectors());
}
