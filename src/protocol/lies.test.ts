import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { assemble, commit, contentOf, facts, index, k, setting } from "./fixtures/batch.ts";
import { listLiesPlanted, receiptLiesPlanted, replaced, without } from "./fixtures/lies.ts";
import {
  type BalanceOpening,
  type BatchContent,
  type CommittedBatch,
  decodeScores,
  findLies,
  hashReceipt,
  indexPayload,
  type Lie,
  type LineOpening,
  openBatch,
  positionalTree,
  type ReceiptFacts,
  type ReceiptOpening,
  toBytes,
  toHex,
  verifyBalanceLeaf,
  verifyJournalLeaf,
  verifyReceiptLeaf,
} from "./index.ts";

const seeds = fc.nat(10_000);
const positions = fc.nat(10_000);

function liesOf(content: BatchContent, committed = commit(content), judged: ReceiptFacts = facts): Lie[] {
  const { batch, withheld } = openBatch(committed, content);
  assert.deepEqual(withheld, []);
  const lies = [...findLies(batch, () => judged)];
  for (const lie of lies) checkOpenings(lie, committed);
  return lies;
}

const kindsOf = (lies: readonly Lie[]) => [...new Set(lies.map(({ kind }) => kind))];

/** Whatever a lie opens is in the list that was committed. */
function checkOpenings(lie: unknown, committed: CommittedBatch): void {
  if (lie === null || typeof lie !== "object") return;
  if ("proof" in lie && !("bytes" in lie)) {
    const opening = lie as ReceiptOpening | LineOpening | BalanceOpening;
    const lists = ["balances", "previousBalances"] as const;
    assert.ok(
      "receipt" in opening
        ? verifyReceiptLeaf(committed.receipts, hashReceipt(opening.receipt), opening)
        : "line" in opening
          ? verifyJournalLeaf(committed.journal, opening.line, opening)
          : lists.some((list) => verifyBalanceLeaf(committed[list], opening.balance, opening)),
    );
  }
  for (const value of Object.values(lie)) checkOpenings(value, committed);
}

test("an honest batch has no lie", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      assert.deepEqual(liesOf(contentOf(seed)), []);
    }),
    { numRuns: 20 },
  );
});

describe("one lie planted in a receipt is found, and nothing else", () => {
  for (const [what, kind, planted] of receiptLiesPlanted)
    test(what, () => {
      fc.assert(
        fc.property(seeds, fc.nat(8), (seed, n) => {
          // Answers that are changed are never ones that opted out, so that every list is there.
          const honest = contentOf(seed, n, {});
          const changes = typeof planted === "function" ? planted(honest, n) : planted;
          const content = contentOf(seed, n, changes);
          const changed = content.receipts[n]!.receipt;
          fc.pre(kind !== "threshold" || changed.threshold >= 0n);
          const lies = liesOf(content);
          assert.ok(lies.length > 0, "it is found");
          // A threshold that is moved may leave out, or let in, who lies between the two, and divides otherwise.
          const allowed = kind === "threshold" ? ["threshold", "omission", "score", "split"] : [kind];
          assert.ok(lies.some((lie) => lie.kind === kind));
          assert.deepEqual(
            kindsOf(lies).filter((found) => !allowed.includes(found)),
            [],
          );
          for (const lie of lies) assert.equal("receipt" in lie && lie.receipt?.index, n);
        }),
        { numRuns: 10 },
      );
    });

  test("a contributor left out", () => {
    fc.assert(
      fc.property(seeds, fc.nat(8), positions, (seed, n, which) => {
        const honest = contentOf(seed, n, {});
        const listed = toBytes(honest.receipts[n]!.scores).length / 12;
        fc.pre(listed > 1);
        const row = new DataView(toBytes(honest.receipts[n]!.scores).buffer).getUint32(12 * (which % listed));
        const lies = liesOf(contentOf(seed, n, { omit: [row] }));
        assert.deepEqual(
          lies.map((lie) => [lie.kind, lie.kind === "omission" && lie.contributor]),
          [["omission", row]],
        );
      }),
      { numRuns: 10 },
    );
  });

  test("a release that was never published", () => {
    const content = contentOf(1);
    const nothing = { release: null, terms: null, index: null, settleable: true };
    assert.deepEqual(kindsOf(liesOf(content, commit(content), nothing)), ["release"]);
  });

  test("a release that was not attested when the batch was settled", () => {
    const content = contentOf(1);
    const lies = liesOf(content, commit(content), { ...facts, settleable: false });
    assert.deepEqual([...new Set(kindsOf(lies))], ["attestation"]);
  });

  test("without the index at hand scores stay unchecked, and what is plain is still found", () => {
    const judged = { ...facts, index: null };
    assert.deepEqual(liesOf(contentOf(2, 1, { scoreLie: 1 }), undefined, judged), []);
    const fee = contentOf(2, 1, { feeLie: 5n });
    assert.deepEqual(kindsOf(liesOf(fee, commit(fee), judged)), ["fee"]);
  });
});

/** What the chain says when one row of the index is not k integers long: any row can lie under a root. */
function misshapen(row: number, bytes: Uint8Array): ReceiptFacts {
  const rows = index.map((one) => (one.row === row ? { ...one, bytes } : one));
  const { root } = positionalTree(rows.map(indexPayload));
  const open = (at: number) => ({ ...facts.index!.open(at), bytes: toHex(rows[at]!.bytes) });
  return { ...facts, release: { ...facts.release!, root }, index: { rows, open } };
}

describe("a row that is not k integers long hides nothing", () => {
  const shapes = fc
    .constantFrom(0, 1, 2 * k - 1, 2 * k + 1, 2 * k + 2, 2_050)
    .map((length) => new Uint8Array(length).fill(7));

  test("whoever names it lies, and nobody else does", () => {
    fc.assert(
      fc.property(seeds, fc.nat(8), fc.nat(index.length - 1), shapes, (seed, n, row, bytes) => {
        const content = contentOf(seed, n, {});
        const lies = liesOf(content, commit(content), misshapen(row, bytes));
        const naming = content.receipts.flatMap(({ receipt, scores, query }, at) => {
          if (query === "0x") return [];
          if (receipt.thresholdRow === row) return [["threshold", at]];
          return decodeScores(scores)?.some((entry) => entry.row === row) ? [["score", at]] : [];
        });
        assert.deepEqual(
          lies.map((lie) => [lie.kind, "receipt" in lie && lie.receipt?.index]),
          naming,
        );
        for (const lie of lies) assert.ok("row" in lie && lie.row?.row === row);
      }),
      { numRuns: 40 },
    );
  });

  test("another lie of the same receipt, or of the next, is still found", () => {
    fc.assert(
      fc.property(seeds, fc.nat(8), fc.nat(index.length - 1), shapes, (seed, n, row, bytes) => {
        const content = contentOf(seed, n, { feeLie: 5n });
        const lies = liesOf(content, commit(content), misshapen(row, bytes));
        assert.ok(lies.some((lie) => lie.kind === "fee" && lie.receipt.index === n));
      }),
      { numRuns: 40 },
    );
  });

  test("an index of fewer rows than the release committed to does not stop the search", () => {
    const content = contentOf(2, 1, { feeLie: 5n });
    const judged = { ...facts, index: { ...facts.index!, rows: index.slice(0, 1) } };
    assert.ok(liesOf(content, commit(content), judged).some(({ kind }) => kind === "fee"));
  });
});

describe("one lie planted in a list is found, and nothing else", () => {
  for (const [what, kind, plant] of listLiesPlanted)
    test(what, () => {
      fc.assert(
        fc.property(seeds, positions, (seed, n) => {
          const made = plant(contentOf(seed), n);
          const [content, committed] = "receipts" in made ? [made, commit(made)] : made;
          assert.deepEqual(kindsOf(liesOf(content, committed)), [kind]);
        }),
        { numRuns: 10 },
      );
    });
});

test("what is not as committed is said to be withheld", () => {
  const honest = contentOf(3);
  const committed = commit(honest);
  const { withheld } = openBatch(committed, {
    ...honest,
    receipts: replaced(honest.receipts, 1, { ...honest.receipts[1]!, scores: "0x" }),
    journal: without(honest.journal, 0),
  });
  assert.deepEqual(withheld, [{ list: "journal" }, { list: "receipt", index: 1, digest: "scores" }]);
  assert.deepEqual(openBatch(committed, assemble(honest.receipts, setting.previousBalances)).withheld, []);
});
