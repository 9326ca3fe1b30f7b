import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCalibration, receiptStanding, scoreShares } from "../protocol/index.ts";
import { type ReceiptJson, showReceipt, splitOf } from "./receipt.ts";
import { influenceBar, showExamples } from "./receipt-examples.ts";
import { showSpans } from "./receipt-spans.ts";
import { shareText } from "./score-lines.ts";

test("payments are named by the protocol's order, left-out heads included", () => {
  const address = (n: number): `0x${string}` => `0x${String(n).padStart(40, "0")}`;
  const [operator, treasury, developer, stakers, owner, pool, ada] = [1, 2, 3, 4, 5, 6, 7].map(address) as [
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
    `0x${string}`,
  ];
  const terms = { payees: { operator, treasury, developer, stakers }, datanets: [{ owner, pool }] };
  const named = (payees: `0x${string}`[], scores: { row: number; score: number }[]) =>
    splitOf({ payments: payees.map((payee) => ({ payee, amount: "1" })), terms, scores }).map(
      ({ who }) => who,
    );
  const score = [{ row: 0, score: 9 }];
  assert.deepEqual(named([operator, treasury, developer, stakers, owner, ada], score), [
    "operator",
    "treasury",
    "developer",
    "stakers",
    "Datanet owner",
    "contributor",
  ]);
  assert.deepEqual(named([operator, owner, pool], []), ["operator", "Datanet owner", "common pool"]);
  // The Datanet's owner contributed rows as well.
  assert.deepEqual(named([operator, owner, owner], score), ["operator", "Datanet owner", "contributor"]);
});

test("no score is shown without its error bar, nor without how right its release's scores are", () => {
  const address = "0x0000000000000000000000000000000000000001" as const;
  const calibration = {
    ...{ retrainings: 8, queries: 64, ceiling: null, separates: false, shareErrorMillionths: 81_000 },
    lds: { mean: 210_000, lo: 50_000, hi: 400_000 },
    bm25: { mean: 200_000, lo: 40_000, hi: 390_000 },
    difference: { mean: 10_000, lo: -90_000, hi: 110_000 },
  };
  const scores = [
    { row: 0, score: 900 },
    { row: 3, score: 300 },
  ];
  const shown = (facts: object) => {
    const described = describeCalibration({ calibration: facts as never });
    const receipt: ReceiptJson = {
      ...{ receiptId: "0x1", channelId: "0x2", releaseId: "0x3", feeWei: "10", state: "scored" },
      ...{ acceptedAtMs: 1, batchNumber: null, transactionHash: null, proof: null },
      bundle: {
        receipt: { promptTokens: 1, completionTokens: 1, threshold: "0" },
        query: "0x00",
        scores,
        payments: [
          { payee: "0x00000000000000000000000000000000000000c1", amount: "4" },
          { payee: "0x00000000000000000000000000000000000000c2", amount: "4" },
          { payee: "0x00000000000000000000000000000000000000c1", amount: "2" },
        ],
        terms: {
          payees: { operator: address, treasury: address, developer: address, stakers: address },
          datanets: [],
        },
      },
      calibration: described,
      scores: scoreShares(scores, 0n, described),
      standing: receiptStanding(true),
    };
    return showReceipt(receipt);
  };
  const measured = shown(calibration);
  assert.match(measured, /scores +NO BETTER THAN SHARED WORDS.*LDS 0\.21 \[0\.05, 0\.40\]/);
  assert.match(
    measured,
    /c1 +\S+ +60\.00 % +60\.0 % \(51\.9 to 68\.1\)\n.*c2 +\S+ +40\.00 % +40\.0 % \(31\.9 to 48\.1\)/,
  );
  assert.match(
    measured,
    /\nproven +scores, threshold.*\nattested +q is.*\nneither +the index.*\nneither +the adapter.*\nneither +the scores/,
  );
  const unmeasured = shown({});
  assert.match(unmeasured, /NOT CALIBRATED/);
  assert.match(unmeasured, /60\.0 %, error not measured/);
});

test("spans are shown with rarity, documents and licence, and cannot command the terminal", () => {
  const json = {
    receiptId: "0x12",
    releaseId: "0x34",
    answer: "the old\u001b[2J mill",
    words: 3,
    gated: [],
    searched: 16,
    total: 4,
    spans: [
      {
        text: "old\u001b[2J mill",
        at: [{ start: 4, end: 16 }],
        words: 2,
        bits: 17.25,
        occurrences: 3,
        complete: false,
        documents: {
          count: 2,
          first: [
            { datanetId: "5", version: 1, row: 8, license: "CC-BY-4.0", contributor: `0x${"a".repeat(40)}` },
          ],
        },
        contributors: { count: 1, first: [`0x${"a".repeat(40)}`] },
      },
    ],
  };
  const text = showSpans(json);
  for (const part of ["17.3", "≥ 2", "5 version 1 row 8", "CC-BY-4.0", "the 1 rarest of 4", "pay nobody"])
    assert.ok(text.includes(part), `${part} in ${text}`);
  assert.ok(!text.includes("\u001b"));
  assert.match(text, /Words and signs[\s\S]*Of 3 words and signs, the 1 rarest of 4\./);
  assert.match(showSpans({ ...json, spans: [], total: 0 }), /no run rare enough/);
  assert.match(
    showSpans({ ...json, spans: [], total: 0, gated: ["3", "7"] }),
    /Datanets 3, 7 are not open to all/,
  );
  const one = { ...json, spans: [], total: 0, answer: "Yes", searched: 3, words: 1 };
  assert.match(showSpans(one), /^Of 1 word or sign, no run/);
  assert.match(showSpans({ ...one, answer: "Yes and more" }), /^Of the first 1 word or sign, no run/);
});

test("examples are shown with signed scores, bars and how right the scores are, and cannot command the terminal", () => {
  const example = (score: number, share: number | null, paid: boolean) => ({
    ...{ example: 3, score, shareMillionths: share, paid, contributor: `0x${"a".repeat(40)}` },
    ...{ datanetId: "5", version: 2, row: 8, license: "CC-BY-4.0", exampleDigest: `0x${"b".repeat(64)}` },
    text: { prompt: "who works\u001b[2J at the mill?", completion: " Mirel" },
  });
  const described = describeCalibration({ calibration: {} });
  const json = {
    ...{ receiptId: "0x12", releaseId: "0x34", answer: "Mirel", traced: true, contributors: 1, looked: 140 },
    calibration: described,
    shareErrorMillionths: null as number | null,
    helpful: [example(2.5, 812_345, true), { ...example(1.25, 100_000, true), text: null }],
    harmful: null as ReturnType<typeof example>[] | null,
  };
  const shown = showExamples(json);
  for (const part of ["2.50", "81.2 %", "5@2 8", "CC-BY-4.0", "→ Mirel", "0xbbbbbb…bbbbbb", "140 examples"])
    assert.ok(shown.includes(part), `${part} in ${shown}`);
  assert.match(shown, /^█{12} /m, "the best has a whole bar");
  assert.match(shown, /^█{6} {6} /m, "and half of its score half a bar");
  assert.match(shown, /was not measured for this release\. Scores are NOT CALIBRATED/);
  assert.ok(!shown.includes("\u001b") && !shown.includes("Against the answer"));
  const harmful = showExamples({
    ...json,
    shareErrorMillionths: 376_000,
    harmful: [example(-0.5, null, false)],
  });
  assert.match(harmful, /Against the answer[\s\S]*-0\.500[\s\S]*within ± 37\.6 % \(95 %\)/);
  const nobody = { ...json, contributors: 0, looked: 0, helpful: [] };
  assert.match(showExamples(nobody), /Nobody stands out from chance/);
  assert.match(showExamples({ ...nobody, traced: false }), /opted out/);
  assert.deepEqual([influenceBar(1, 0), influenceBar(1e-9, 1), influenceBar(-1, 96)], ["", "▏", "▏"]);
});

test("a share with its error bar lies between nothing and all", () => {
  assert.equal(shareText(1_000_000, 127_000), "100.0 % (87.3 to 100.0)");
  assert.equal(shareText(20_000, 81_000), "2.0 % (0.0 to 10.1)");
  assert.equal(shareText(500_000, null), "50.0 %, error not measured");
});
