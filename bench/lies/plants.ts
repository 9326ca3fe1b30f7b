/**
 * The lies of attesters, developers and validators. Each of an attester's is one step done falsely; what comes before and after it is what an honest attester does.
 *
 * A step that lies does so in the first answer in which it can: an answer that lists nobody has no score to falsify.
 */

import { assemble, commit, intervalsOf } from "../../src/protocol/fixtures/batch.ts";
import { assembleLoosely } from "../../src/protocol/fixtures/lies.ts";
import {
  type Address,
  type BatchContent,
  type CommittedBatch,
  type Influence,
  type OpenedReceipt,
  thresholdOf,
} from "../../src/protocol/index.ts";
import type { AnswerTwist } from "../../src/validators/fixtures/attester.ts";

/** How a lie is found and what decides about it: a proof on chain, the quorum's verdict, or the receipt's holder. */
export type Decided = "proof" | "quorum" | "holder" | "nothing";

export type Plant = {
  /** In words, for the table. */
  readonly says: string;
  readonly decided: Decided;
  readonly twist: AnswerTwist;
  /** Answers that are settled, of the three that are given; all unless given. */
  readonly settles?: number;
  readonly content: (receipts: readonly OpenedReceipt[]) => BatchContent;
  readonly committed: (content: BatchContent) => CommittedBatch;
};

const open = 10n ** 18n;
const honest: Plant = {
  says: "tells the truth",
  decided: "nothing",
  twist: {},
  content: (receipts) => assemble(receipts, []),
  committed: (content) => commit(content, intervalsOf(content)),
};
const loosely = (receipts: readonly OpenedReceipt[]) =>
  assembleLoosely({ receipts, journal: [], balances: [], previousBalances: [] }, receipts);

/** Whose score is above the threshold, the highest first. */
function listed({ scores, nullScores, thresholdMillionths }: Influence): number[] {
  const { threshold } = thresholdOf(nullScores, thresholdMillionths, 0);
  return Array.from(scores, (score, row) => ({ score, row }))
    .filter(({ score }) => BigInt(score) > threshold)
    .sort((a, b) => b.score - a.score)
    .map(({ row }) => row);
}

const replaced = <T>(list: ArrayLike<T>, at: number, one: T): T[] =>
  Array.from(list, (old, i) => (i === at ? one : old));

/** Lies in the first answer in which `change` can. */
function once<T>(change: (truth: T) => T | undefined): (truth: T) => T {
  let done = false;
  return (truth) => {
    const lie = done ? undefined : change(truth);
    done ||= lie !== undefined;
    return lie ?? truth;
  };
}

/** @param self the liar's own address */
export const plants = (self: Address): Readonly<Record<string, Plant>> => ({
  honest,
  score: {
    ...honest,
    says: "doubles the highest score of an answer",
    decided: "proof",
    twist: {
      influence: once((truth) => {
        const [row] = listed(truth);
        if (row === undefined) return undefined;
        return { ...truth, scores: replaced(truth.scores, row, 2 * (truth.scores[row] as number)) };
      }),
    },
  },
  omission: {
    ...honest,
    says: "leaves out the contributor with the highest score",
    decided: "proof",
    twist: {
      influence: once((truth) => {
        const [row] = listed(truth);
        if (row === undefined) return undefined;
        return { ...truth, scores: replaced(truth.scores, row, Number.MIN_SAFE_INTEGER) };
      }),
    },
  },
  threshold: {
    ...honest,
    says: "passes over the highest null row",
    decided: "proof",
    twist: {
      influence: once((truth) => {
        const { thresholdRow, threshold } = thresholdOf(truth.nullScores, truth.thresholdMillionths, 0);
        if (threshold === 0n) return undefined;
        return {
          ...truth,
          nullScores: replaced(truth.nullScores, thresholdRow, Number.MIN_SAFE_INTEGER),
        };
      }),
    },
  },
  split: {
    ...honest,
    says: "pays itself a contributor's part",
    decided: "proof",
    twist: {
      payments: once((truth) =>
        truth.map((one, i) => (i === truth.length - 1 ? { ...one, payee: self } : one)),
      ),
    },
  },
  gap: {
    ...honest,
    says: "takes a tenth of an OPEN for no answer, between two",
    decided: "proof",
    twist: { from: (truth, position) => (position === 1 ? truth + open / 10n : truth) },
    content: loosely,
  },
  overlap: {
    ...honest,
    says: "charges a milli-OPEN twice",
    decided: "proof",
    twist: { from: (truth, position) => (position === 1 ? truth - open / 1_000n : truth) },
    content: loosely,
  },
  sum: {
    ...honest,
    says: "adds an OPEN to its own sum in the journal",
    decided: "proof",
    content: (receipts) => {
      const truth = assemble(receipts, []);
      const last = truth.journal.findLastIndex(({ payee }) => payee === self);
      const own = truth.balances.findIndex(({ payee }) => payee === self);
      const { runningSum, ...line } = truth.journal[last]!;
      const { credit, cumulative, ...balance } = truth.balances[own]!;
      return {
        ...truth,
        journal: replaced(truth.journal, last, { ...line, runningSum: runningSum + open }),
        balances: replaced(truth.balances, own, {
          ...balance,
          credit: credit + open,
          cumulative: cumulative + open,
        }),
      };
    },
  },
  withheld: {
    ...honest,
    says: "signs a third receipt and never settles it",
    decided: "holder",
    settles: 2,
  },
  query: {
    ...honest,
    says: "gives the q of another answer",
    decided: "quorum",
    settles: 1,
    twist: { query: (all, i) => all[(i + 1) % all.length] as Int16Array },
  },
});

/** Bad validators, and what each does instead of judging. */
export const badValidators = {
  lazy: "calls every receipt right without looking",
  copying: "commits to what another has committed to",
  colludingA: "clears its friend, accuses an honest batch",
  colludingB: "votes with it",
} as const;
export type BadValidator = keyof typeof badValidators;

/** The lies of developers about their release's index, in words. */
export const indexLies = {
  inflated: "doubles its favourite's row in the index",
  nulls: "publishes a null row at a quarter of its length",
  merged: "leaves a row out as a copy that it is not",
} as const;
export type IndexLieName = keyof typeof indexLies;
