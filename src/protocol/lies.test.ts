import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { assemble, commit, contentOf, facts, setting } from "./fixtures/batch.ts";
import { listLiesPlanted, receiptLiesPlanted, replaced, without } from "./fixtures/lies.ts";
import {
  type BalanceOpening,
  type BatchContent,
  type CommittedBatch,
  findLies,
  hashReceipt,
  type Lie,
  type LineOpening,
  openBatch,
  type ReceiptFacts,
  type ReceiptOpening,
  toBytes,
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
          // A threshold that is moved may leave out, or let in, who lies between the two.
          const allowed = kind === "threshold" ? ["threshold", "omission", "score"] : [kind];
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
    const lies = liesOf(content, commit(content), { release: null, terms: null, index: null });
    assert.deepEqual(kindsOf(lies), ["release"]);
  });

  test("without the index at hand scores stay unchecked, and what is plain is still found", () => {
    const judged = { ...facts, index: null };
    assert.deepEqual(liesOf(contentOf(2, 1, { scoreLie: 1 }), undefined, judged), []);
    const fee = contentOf(2, 1, { feeLie: 5n });
    assert.deepEqual(kindsOf(liesOf(fee, commit(fee), judged)), ["fee"]);
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
