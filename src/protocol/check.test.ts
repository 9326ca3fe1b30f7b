import assert from "node:assert/strict";
import { test } from "node:test";
import { privateKeyToAccount } from "viem/accounts";
import { z } from "zod";
import type {
  Address,
  CheckContext,
  CheckName,
  IndexRow,
  Manifest,
  Receipt,
  ReceiptBundle,
} from "./index.ts";
import {
  answerPrice,
  bytesDigest,
  checkReceipt,
  decodeRow,
  domain,
  encodeRow,
  genesisSplit,
  indexTree,
  manifestSchema,
  nothingFailed,
  payout,
  positionalProof,
  queryDigest,
  receiptBundleSchema,
  releaseId,
  score,
  scoresDigest,
  signReceipt,
  splitDigest,
  textDigest,
  toHex,
  zeroAddress,
} from "./index.ts";

const operator = privateKeyToAccount(textDigest("operator"));
const at = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;
const inLedger = domain(161_612, at(0xaa));
const request = new TextEncoder().encode('{"model":"valley-1"}');
const response = "Maren Holt keeps the mill.";

const values = [
  [9, 1, 0, 0],
  [-2, 8, 0, 0],
  [1, 0, 7, 0],
  [0, 0, 0, 3],
  [1, 1, 1, -3],
];
const rows: IndexRow[] = values.map((value, row) => ({
  row,
  payee: row < 3 ? at(100 + row) : zeroAddress,
  bytes: encodeRow(value),
}));
const tree = indexTree(rows);

const manifest: Manifest = manifestSchema.parse({
  schema: "openledger/release/1",
  base: {
    name: "openledger-tiny",
    weightsDigest: textDigest("weights"),
    tokenizerDigest: textDigest("tokenizer"),
    configDigest: textDigest("config"),
  },
  datanets: [1, 2].map((id) => ({
    datanetId: `${id}`,
    version: 1,
    root: textDigest(`root ${id}`),
    count: 4 * id,
    license: "MIT",
    acceptedExamples: 3,
    consentsRoot: textDigest("consents"),
  })),
  recipe: { learningRate: "0.0001", epochs: 3 },
  seed: 1,
  threads: 2,
  engineVersion: "1",
  adapter: { digest: textDigest("adapter"), rank: 8, alpha: "16", modules: ["q_proj"] },
  lossCurveDigest: textDigest("loss"),
  evaluation: { heldOut: 20, loss: "1.25" },
  index: {
    method: "adam-fisher",
    lambda: "0.2",
    samples: 4,
    basisDigest: textDigest("basis"),
    scale: "0.000031",
    contributors: 3,
    examplesPerRow: 8,
    nullRows: 2,
    k: 4,
    root: tree.root,
    thresholdMillionths: 1_000_000,
    clustersDigest: textDigest("clusters"),
  },
  calibration: {},
  payoutRule: 2,
  parentRelease: null,
  price: { promptWeiPerToken: "1000", completionWeiPerToken: "3000" },
  developer: at(3),
  createdAtMs: 1,
});

const terms = {
  split: genesisSplit,
  payees: { operator: toHex(operator.address), treasury: at(2), developer: at(3), stakers: at(4) },
  datanets: [
    { owner: at(11), pool: at(21) },
    { owner: at(12), pool: at(22) },
  ],
};

/** An honest answer whose q is given; an empty q is one whose payer opted out. */
async function answer(
  q: number[],
  change: (bundle: ReceiptBundle) => void = () => {},
): Promise<ReceiptBundle> {
  const fee = answerPrice(manifest.price, 7, 5);
  const query = q.length === 0 ? new Uint8Array() : encodeRow(q);
  const all = values.map((row) => (q.length === 0 ? 0 : score(row, q)));
  const influence = {
    contributors: rows.slice(0, 3).map((row) => row.payee),
    scores: all.slice(0, 3),
    nullScores: all.slice(3),
    thresholdMillionths: 1_000_000,
  };
  const paid = payout({
    fee,
    split: terms.split,
    payees: terms.payees,
    datanets: terms.datanets.map((payees, i) => ({ ...payees, acceptedExamples: 4 * (i + 1) })),
    influence: q.length === 0 ? null : influence,
  });
  const payments = paid.payments.map(({ payee, amount }) => ({ payee, amount }));
  const receipt: Receipt = {
    channelId: textDigest("channel"),
    from: 5n,
    to: 5n + fee,
    releaseId: releaseId(manifest),
    requestDigest: bytesDigest(request),
    responseDigest: textDigest(response),
    promptTokens: 7,
    completionTokens: 5,
    queryDigest: queryDigest(query),
    scoresDigest: scoresDigest(paid.scores),
    thresholdRow: paid.thresholdRow,
    threshold: paid.threshold,
    splitDigest: splitDigest(payments),
    issuedAt: 1n,
  };
  const bundle = structuredClone({
    receipt,
    signature: "0x" as const,
    query: toHex(query),
    scores: [...paid.scores],
    payments,
    terms,
  }) as ReceiptBundle;
  change(bundle);
  bundle.receipt.scoresDigest = scoresDigest(bundle.scores);
  bundle.receipt.splitDigest = splitDigest(bundle.payments);
  bundle.signature = await signReceipt(inLedger, bundle.receipt, operator);
  return bundle;
}

const whole: CheckContext = { domain: inLedger, manifest, index: { rows }, request, response };
const named = (...positions: number[]): CheckContext => ({
  domain: inLedger,
  manifest,
  index: { opened: positions.map((row) => ({ ...rows[row]!, proof: positionalProof(tree, row) })) },
});

async function outcome(bundle: ReceiptBundle, context: CheckContext) {
  const checks = await checkReceipt(bundle, context);
  const of = (status: string) => checks.filter((check) => check.status === status).map((check) => check.name);
  return { failed: of("failed"), unchecked: of("unchecked"), fine: nothingFailed(checks) };
}

const fails = async (names: CheckName[], bundle: ReceiptBundle, context = whole) =>
  assert.deepEqual((await outcome(bundle, context)).failed, names);

// Scores 19, 4, 16, 6 (null), −1 (null): rows 0 and 2 are above T = 6.
const q = [2, 1, 2, 2];

test("an honest receipt passes every check", async () => {
  const bundle = await answer(q);
  assert.deepEqual(
    bundle.scores.map((entry) => entry.row),
    [0, 2],
  );
  assert.deepEqual(await outcome(bundle, whole), { failed: [], unchecked: ["terms"], fine: true });
});

test("terms that no payment shows are the chain's word: unchecked without it, compared with it", async () => {
  const bundle = await answer(q);
  const [unseen] = (await checkReceipt(bundle, whole)).filter(({ name }) => name === "terms");
  assert.equal(unseen?.expected, "the chain's word on the pool of Datanet 1, the pool of Datanet 2");
  assert.deepEqual(await outcome(bundle, { ...whole, terms }), { failed: [], unchecked: [], fine: true });
  const [one, two] = terms.datanets;
  const sold = { ...terms, datanets: [one!, { ...two!, pool: at(29) }] };
  await fails(["terms"], bundle, { ...whole, terms: sold });
});

test("the same from JSON and back", async () => {
  const bundle = await answer(q);
  const text = JSON.stringify(z.encode(receiptBundleSchema, bundle));
  assert.deepEqual(receiptBundleSchema.parse(JSON.parse(text)), bundle);
});

test("with only the named rows, omission is said to be unchecked", async () => {
  const bundle = await answer(q);
  assert.deepEqual(await outcome(bundle, named(0, 2, 3)), {
    failed: [],
    unchecked: ["request", "response", "omission", "terms"],
    fine: true,
  });
  assert.deepEqual((await outcome(bundle, named(0, 3))).unchecked.slice(2), [
    "scores",
    "threshold",
    "omission",
    "payments",
    "terms",
  ]);
});

test("an answer whose payer opted out pays the pools", async () => {
  const bundle = await answer([]);
  assert.deepEqual(await outcome(bundle, whole), { failed: [], unchecked: [], fine: true });
  assert.deepEqual(
    bundle.payments.slice(-2).map((payment) => payment.payee),
    [at(21), at(22)],
  );
  bundle.scores = [{ row: 0, score: 1 }];
  await fails(["scores-digest", "scores", "omission"], bundle);
});

test("a raised score fails, by the whole index and by the named rows", async () => {
  const bundle = await answer(q, (b) => {
    b.scores[0]!.score += 1;
  });
  await fails(["scores"], bundle);
  await fails(["scores"], bundle, named(0, 2, 3));
});

test("a left-out contributor fails, and only the whole index shows it", async () => {
  const bundle = await answer(q, (b) => {
    b.scores.pop();
  });
  await fails(["omission"], bundle);
  await fails(["payments"], bundle, named(0, 3));
});

test("a wrong threshold fails in every direction", async () => {
  const raised = await answer(q, (b) => {
    b.receipt.threshold += 1n;
  });
  await fails(["threshold"], raised);
  await fails(["threshold"], raised, named(0, 2, 3));
  const lower = await answer(q, (b) => {
    b.receipt.thresholdRow = 4;
    b.receipt.threshold = 0n;
  });
  await fails(["threshold"], lower);
  // Without the other null rows only the payments show it: they were divided by the right one.
  await fails(["payments"], lower, named(0, 2, 4));
  const contributor = await answer(q, (b) => {
    b.receipt.thresholdRow = 1;
  });
  await fails(["threshold", "payments"], contributor, named(0, 1, 2));
});

test("a moved wei fails", async () => {
  const bundle = await answer(q, (b) => {
    b.payments[0]!.amount += 1n;
    b.payments[1]!.amount -= 1n;
  });
  await fails(["payments"], bundle);
  await fails(["payments"], bundle, named(0, 2, 3));
});

test("another developer, price, release, request or response fails", async () => {
  const bundle = await answer(q, (b) => {
    b.terms.payees.developer = at(99);
  });
  await fails(["payments"], bundle);
  const dearer = await answer(q, (b) => {
    b.receipt.to += 1n;
  });
  await fails(["price", "payments"], dearer);
  const honest = await answer(q);
  await fails(["release"], honest, { ...whole, manifest: { ...manifest, seed: 2 } });
  await fails(["request", "response"], honest, { ...whole, request: new Uint8Array(), response: "no" });
});

test("another signer or domain fails, and so does no signature", async () => {
  const bundle = await answer(q);
  await fails(["signature"], bundle, { ...whole, domain: domain(1, at(0xaa)) });
  await fails(["signature"], { ...bundle, signature: "0x00" });
});

test("another index fails, and then nothing is said about scores", async () => {
  const bundle = await answer(q);
  const other = rows.map((row) => (row.row === 4 ? { ...row, bytes: encodeRow([0, 0, 0, 0]) } : row));
  const result = await outcome(bundle, { ...whole, index: { rows: other } });
  assert.deepEqual(result, {
    failed: ["index"],
    unchecked: ["scores", "threshold", "omission", "payments", "terms"],
    fine: false,
  });
  const context = named(0, 2, 3);
  assert.ok("opened" in context.index);
  const moved = {
    ...context,
    index: { opened: context.index.opened.map((row) => ({ ...row, payee: at(100) })) },
  };
  assert.deepEqual((await outcome(bundle, moved)).failed, ["index"]);
});

test("another query fails", async () => {
  const bundle = await answer(q);
  await fails(["query", "scores", "threshold", "omission", "payments"], {
    ...bundle,
    query: toHex(encodeRow([...decodeRow(encodeRow(q))].map((value) => value + 1))),
  });
  assert.deepEqual((await outcome({ ...bundle, query: "0x0001" }, whole)).failed, ["query"]);
});

test("the manifest's schema takes only integers and text, and nothing unknown", () => {
  const refuse = (change: object) =>
    assert.equal(manifestSchema.safeParse({ ...manifest, ...change }).success, false);
  refuse({ recipe: { learningRate: 0.1 } });
  refuse({ more: 1 });
  refuse({ developer: at(3).replace("0x", "0X") });
  refuse({ datanets: [] });
  refuse({ price: { ...manifest.price, promptWeiPerToken: "01" } });
  refuse({ index: { ...manifest.index, k: 1_025 } });
  assert.notEqual(releaseId(manifest), releaseId({ ...manifest, seed: 2 }));
});
