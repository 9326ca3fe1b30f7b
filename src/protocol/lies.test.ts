import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  answer,
  assemble,
  at,
  type Changes,
  channels,
  commit,
  contentOf,
  contributors,
  facts,
  index,
  intervalsOf,
  publishedAt,
  settledAt,
} from "./fixtures/batch.ts";
import {
  type Balance,
  type BalanceOpening,
  type BatchContent,
  type CommittedBatch,
  decodeRow,
  findLies,
  hashReceipt,
  type JournalLine,
  type Lie,
  type LieKind,
  type LineOpening,
  openBatch,
  type ReceiptFacts,
  type ReceiptOpening,
  score,
  textDigest,
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

/** Sums and balances as they follow from these lines, however false they are. */
function follow(content: BatchContent, journal: readonly JournalLine[]): BatchContent {
  const sums = new Map<string, bigint>();
  const lines = journal.map((line, i) => {
    const before = i > 0 && journal[i - 1]!.payee === line.payee ? sums.get(line.payee)! : 0n;
    sums.set(line.payee, before + line.amount);
    return { ...line, runningSum: before + line.amount };
  });
  const balances = content.balances.map(({ payee, credit, cumulative }) => {
    const next = sums.get(payee) ?? 0n;
    return { payee, credit: next, cumulative: cumulative - credit + next };
  });
  return { ...content, journal: lines, balances };
}

const without = <T>(list: readonly T[], i: number): T[] => list.filter((_, at) => at !== i);
const replaced = <T>(list: readonly T[], i: number, one: T): T[] =>
  list.map((old, at) => (at === i ? one : old));
const swapped = <T>(list: readonly T[], i: number): T[] =>
  list.map((old, at) => (at === i ? list[i + 1]! : at === i + 1 ? list[i]! : old));

test("an honest batch has no lie", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      assert.deepEqual(liesOf(contentOf(seed)), []);
    }),
    { numRuns: 20 },
  );
});

/** What is planted, and the only lies that may be found then. */
const receiptLies: readonly (readonly [
  string,
  LieKind,
  Changes | ((content: BatchContent, n: number) => Changes),
])[] = [
  ["a score one too high", "score", { scoreLie: 1 }],
  ["a score one too low", "score", { scoreLie: -1 }],
  [
    "a threshold one too low",
    "threshold",
    (content, n) => ({ receipt: { threshold: content.receipts[n]!.receipt.threshold - 1n } }),
  ],
  ["a threshold named for a contributor", "threshold", { receipt: { thresholdRow: 0 } }],
  [
    "a threshold from a lower null row",
    "threshold",
    (content, n) => {
      const { receipt, query } = content.receipts[n]!;
      const q = decodeRow(toBytes(query));
      const lower = index.slice(contributors.length).find(({ row }) => row !== receipt.thresholdRow)!;
      const exact = BigInt(Math.max(0, score(decodeRow(lower.bytes), q)));
      return { receipt: { thresholdRow: lower.row, threshold: (exact * 250_000n) / 1_000_000n } };
    },
  ],
  [
    "a wei moved between two payments",
    "split",
    {
      payments: (list) =>
        list.map((one, i) => ({ ...one, amount: one.amount + (i === 0 ? 1n : i === 1 ? -1n : 0n) })),
    },
  ],
  ["a payee replaced", "split", { payments: (list) => replaced(list, 2, { ...list[2]!, payee: at(99) }) }],
  ["two payments in another order", "split", { payments: (list) => swapped(list, 0) }],
  [
    "a contributor's money sent elsewhere",
    "split",
    { payments: (list) => replaced(list, list.length - 1, { ...list.at(-1)!, payee: at(99) }) },
  ],
  ["a fee one wei too high", "fee", { feeLie: 1n }],
  ["issued before the release", "time", { receipt: { issuedAt: publishedAt - 1n } }],
  ["issued after it was settled", "time", { receipt: { issuedAt: settledAt + 1n } }],
];

describe("one lie planted in a receipt is found, and nothing else", () => {
  for (const [what, kind, planted] of receiptLies)
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
  const planted: readonly (readonly [
    string,
    LieKind,
    (honest: BatchContent, n: number) => BatchContent | readonly [BatchContent, CommittedBatch],
  ])[] = [
    [
      "a receipt left out",
      "tiling",
      (honest, n) => {
        const content = assembleLoosely(honest, without(honest.receipts, n % honest.receipts.length));
        return [content, commit(content, intervalsOf(honest))];
      },
    ],
    [
      "a channel without receipts",
      "tiling",
      (honest, n) => {
        const channel = channels[n % channels.length];
        const content = assembleLoosely(
          honest,
          honest.receipts.filter(({ receipt }) => receipt.channelId !== channel),
        );
        return [content, commit(content, intervalsOf(honest))];
      },
    ],
    [
      "two receipts of a channel swapped",
      "tiling",
      (honest, n) => {
        const i = 3 * (n % 3) + ((n >> 2) % 2);
        const content = assembleLoosely(honest, swapped(honest.receipts, i));
        return [content, commit(content, intervalsOf(honest))];
      },
    ],
    [
      "a receipt twice",
      "tiling",
      (honest, n) => {
        const i = n % honest.receipts.length;
        const content = assembleLoosely(
          honest,
          honest.receipts.flatMap((one, at) => (at === i ? [one, one] : [one])),
        );
        return [content, commit(content, intervalsOf(honest))];
      },
    ],
    [
      "a receipt of a channel that the batch does not settle",
      "tiling",
      (honest, n) => {
        const stray = answer(textDigest(`stray ${n}`), 0n, "stray", [0, 1]);
        const receipts = [...honest.receipts, stray].sort((a, b) =>
          a.receipt.channelId < b.receipt.channelId ? -1 : 1,
        );
        const content = assembleLoosely(honest, receipts);
        return [content, commit(content, intervalsOf(honest))];
      },
    ],
    [
      "two lines swapped",
      "journal-order",
      (honest, n) => {
        const i = honest.journal.findIndex(
          (line, at) =>
            at >= n % (honest.journal.length - 20) && honest.journal[at + 1]?.payee === line.payee,
        );
        return follow(honest, swapped(honest.journal, i));
      },
    ],
    [
      "a running sum one too high",
      "journal-sum",
      (honest, n) => {
        const last = honest.journal.filter((line, i) => honest.journal[i + 1]?.payee !== line.payee);
        const { payee } = last[n % last.length]!;
        const journal = honest.journal.map((line, i) =>
          line.payee === payee && honest.journal[i + 1]?.payee !== payee
            ? { ...line, runningSum: line.runningSum + 1n }
            : line,
        );
        const balances = honest.balances.map((one) =>
          one.payee === payee ? { ...one, credit: one.credit + 1n, cumulative: one.cumulative + 1n } : one,
        );
        return { ...honest, journal, balances };
      },
    ],
    [
      "a line of another amount",
      "journal-line",
      (honest, n) => {
        const i = n % honest.journal.length;
        return follow(
          honest,
          replaced(honest.journal, i, { ...honest.journal[i]!, amount: honest.journal[i]!.amount + 1n }),
        );
      },
    ],
    [
      "a line for a receipt that is not there",
      "journal-line",
      (honest, n) => {
        const last = honest.journal.at(-1)!;
        return follow(honest, [...honest.journal, { ...last, receiptIndex: 1_000 + n }]);
      },
    ],
    [
      "a payment without a line",
      "journal-payment",
      (honest, n) => {
        const counts = new Map<string, number>();
        for (const { payee } of honest.journal) counts.set(payee, (counts.get(payee) ?? 0) + 1);
        const i = honest.journal.findIndex(
          ({ payee }, at) => at >= n % honest.journal.length && counts.get(payee)! > 1,
        );
        return follow(honest, without(honest.journal, i === -1 ? 0 : i));
      },
    ],
    [
      "two balances swapped",
      "balance-order",
      (honest, n) => ({ ...honest, balances: swapped(honest.balances, n % (honest.balances.length - 1)) }),
    ],
    [
      "a credit that the journal does not give",
      "balance-credit",
      (honest, n) => {
        const i = n % honest.balances.length;
        const { payee, credit, cumulative } = honest.balances[i]!;
        return {
          ...honest,
          balances: replaced<Balance>(honest.balances, i, {
            payee,
            credit: credit + 1n,
            cumulative: cumulative + 1n,
          }),
        };
      },
    ],
    [
      "a credit to somebody the journal does not name",
      "balance-credit",
      (honest, n) => {
        const stranger = { payee: at(1_000 + n), credit: 3n, cumulative: 3n };
        return { ...honest, balances: [...honest.balances, stranger] };
      },
    ],
    [
      "a cumulative amount that does not follow",
      "balance-cumulative",
      (honest, n) => {
        const i = n % honest.balances.length;
        return {
          ...honest,
          balances: replaced(honest.balances, i, {
            ...honest.balances[i]!,
            cumulative: honest.balances[i]!.cumulative + 1n,
          }),
        };
      },
    ],
    [
      "a balance left out",
      "balance-missing",
      (honest, n) => ({ ...honest, balances: without(honest.balances, n % honest.balances.length) }),
    ],
  ];
  for (const [what, kind, plant] of planted)
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

/** Journal and balances that follow from receipts which do not tile. */
function assembleLoosely(honest: BatchContent, receipts: BatchContent["receipts"]): BatchContent {
  const compare = (a: JournalLine, b: JournalLine) => (a.payee < b.payee ? -1 : a.payee > b.payee ? 1 : 0);
  const lines = receipts
    .flatMap(({ payments }, receiptIndex) =>
      payments.map(({ payee, amount }, paymentIndex) => ({
        payee: toHex(payee),
        receiptIndex,
        paymentIndex,
        amount,
        runningSum: 0n,
      })),
    )
    .sort(compare);
  const before = new Map(honest.previousBalances.map(({ payee, cumulative }) => [payee, cumulative]));
  const payees = [...new Set([...before.keys(), ...lines.map(({ payee }) => payee)])].sort();
  const balances = payees.map((payee) => ({ payee, credit: 0n, cumulative: before.get(payee) ?? 0n }));
  return follow({ ...honest, receipts, balances }, lines);
}

test("what is not as committed is said to be withheld", () => {
  const honest = contentOf(3);
  const committed = commit(honest);
  const { withheld } = openBatch(committed, {
    ...honest,
    receipts: replaced(honest.receipts, 1, { ...honest.receipts[1]!, scores: "0x" }),
    journal: without(honest.journal, 0),
  });
  assert.deepEqual(withheld, [{ list: "journal" }, { list: "receipt", index: 1, digest: "scores" }]);
  assert.deepEqual(openBatch(committed, assemble(honest.receipts)).withheld, []);
});
