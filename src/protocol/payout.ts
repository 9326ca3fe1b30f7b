import { encodeAbiParameters } from "viem/utils";
import type { FeeSplit, Heads } from "./apportion.ts";
import { apportion, splitFee } from "./apportion.ts";
import type { Address, Digest } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import { ProtocolError } from "./error.ts";
import type { ScoreEntry } from "./row.ts";

/** The most rows one answer pays: the highest scores win, ties to the lower row. */
export const maxPaidRows = 256;

/** Thresholds are stated in millionths of the highest null score. */
export const millionths = 1_000_000n;

/** A row is paid for what its score has above this part of the answer's highest score. */
export const cutDivisor = 5n;

/** Under which head a payment falls; for people to read, not hashed. */
export type PaymentKind =
  | "operator"
  | "treasury"
  | "developer"
  | "stakers"
  | "owner"
  | "contributor"
  | "pool";

/** One payment of an answer. What is hashed is the ordered list of (payee, amount). */
export type Payment = { readonly payee: Address; readonly amount: bigint };

/** A payment and where it comes from: `at` is the contributor's row or the position of the Datanet. */
export type ExplainedPayment = Payment & { readonly kind: PaymentKind; readonly at?: number };

/** Who receives the four heads that are not data. */
export type HeadPayees = {
  /** The payee of the channel, who also signs the receipt and settles it. */
  readonly operator: Address;
  readonly treasury: Address;
  readonly developer: Address;
  readonly stakers: Address;
};

/** A Datanet version used by the release, in the manifest's order. */
export type DatanetPayee = {
  readonly owner: Address;
  /** The Datanet's common pool. */
  readonly pool: Address;
  /** Examples of the version, as the chain has them: the weight of its owner and its pool. */
  readonly acceptedExamples: number;
};

/** What the scores of one answer were. `null` stands for an answer whose payer opted out of attribution. */
export type Influence = {
  /** Payees of the contributor rows, by row: C of them. */
  readonly contributors: readonly Address[];
  /** S_c by row: C exact integers. */
  readonly scores: ArrayLike<number>;
  /** The null rows' scores, in row order: N > 0 exact integers. */
  readonly nullScores: ArrayLike<number>;
  /** c of the release in millionths: T = ⌊c · max(0, highest null score)⌋. */
  readonly thresholdMillionths: number;
};

/** Everything section 5 needs, and nothing it could look up. */
export type PayoutInput = {
  /** wei. */
  readonly fee: bigint;
  readonly split: FeeSplit;
  readonly payees: HeadPayees;
  readonly datanets: readonly DatanetPayee[];
  readonly influence: Influence | null;
};

/** Who is paid for an answer's influence, and the threshold that decided it: what of all scores a receipt keeps. */
export type Listing = {
  /** By ascending row, at most 256. */
  readonly scores: readonly ScoreEntry[];
  /** The index row of the highest null score, the lowest such row. */
  readonly thresholdRow: number;
  /** T. */
  readonly threshold: bigint;
};

/** How one fee is divided, with the lists the receipt commits to. */
export type Payout = {
  /** In the hashed order: operator, treasury, developer, stakers, owners, then contributors by row or pools; no zeros. */
  readonly payments: readonly ExplainedPayment[];
  /** The rows that are paid or would be if their part were not zero wei, ascending. */
  readonly scores: readonly ScoreEntry[];
  /** The index row of the highest null score, the lowest such row; 0 without attribution. */
  readonly thresholdRow: number;
  /** T; 0 without attribution. */
  readonly threshold: bigint;
  readonly heads: Heads;
};

/**
 * The threshold against chance: the highest score that data never trained on reached for this query, times c.
 *
 * @param contributors - C, the number of rows before the null rows
 * @returns T and the index row it came from
 */
export function thresholdOf(
  nullScores: ArrayLike<number>,
  thresholdMillionths: number,
  contributors: number,
): { readonly thresholdRow: number; readonly threshold: bigint } {
  if (nullScores.length === 0)
    throw new ProtocolError(
      "length",
      "A threshold needs at least one null score; the index holds no null rows.",
    );
  let highest = 0;
  for (let i = 1; i < nullScores.length; i++) if (nullScores[i]! > nullScores[highest]!) highest = i;
  const positive = BigInt(Math.max(0, nullScores[highest]!));
  return {
    thresholdRow: contributors + highest,
    threshold: (BigInt(thresholdMillionths) * positive) / millionths,
  };
}

/**
 * The cut: what a row's score must exceed to be paid, and what is taken off it when it is. It is the threshold or a fifth of the highest score,
 * whichever is higher, so it follows from the listed scores alone.
 *
 * @param scores of which the highest counts: all of an answer's, or the listed ones
 */
export function cutOf(scores: Iterable<number>, threshold: bigint): bigint {
  let best = 0;
  for (const value of scores) if (value > best) best = value;
  const part = BigInt(best) / cutDivisor;
  return part > threshold ? part : threshold;
}

/**
 * The rows above the cut, at most 256: the highest scores, ties to the lower row.
 *
 * @returns them by ascending row
 */
export function aboveCut(scores: ArrayLike<number>, threshold: bigint): ScoreEntry[] {
  const cut = cutOf(Array.from(scores), threshold);
  const above: ScoreEntry[] = [];
  for (let row = 0; row < scores.length; row++)
    if (scores[row]! > cut) above.push({ row, score: scores[row]! });
  if (above.length <= maxPaidRows) return above;
  above.sort((a, b) => b.score - a.score || a.row - b.row);
  return above.slice(0, maxPaidRows).sort((a, b) => a.row - b.row);
}

/** What each listed score is paid by: what it has above the cut. */
export function payWeights(listed: readonly ScoreEntry[], threshold: bigint): bigint[] {
  const cut = cutOf(
    listed.map(({ score }) => score),
    threshold,
  );
  return listed.map(({ score }) => BigInt(score) - cut);
}

/**
 * Divides the fee of one answer among everyone it pays (docs/protocol.md, section 5).
 *
 * Rounding favours nobody: every division is by largest remainder, and the payments sum to the fee exactly.
 *
 * @throws ProtocolError if the input contradicts itself (lists of different length, no Datanet, heads off 10,000)
 */
export function payout(input: PayoutInput): Payout {
  const { influence } = input;
  return influence === null
    ? payoutOf(input, null, [])
    : payoutOf(input, listInfluence(influence), influence.contributors);
}

/**
 * The same from what a listing kept, without the scores it was made from.
 *
 * @param listing - null for an answer of which nothing is attributed
 * @param contributors - payees of the contributor rows, by row
 */
export function payoutOf(
  { fee, split, payees, datanets }: Omit<PayoutInput, "influence">,
  listing: Listing | null,
  contributors: readonly Address[],
): Payout {
  const heads = splitFee(fee, split);
  const examples = datanets.map((datanet) => BigInt(datanet.acceptedExamples));
  const { scores, thresholdRow, threshold } = listing ?? { scores: [], thresholdRow: 0, threshold: 0n };

  const payments: ExplainedPayment[] = [
    { kind: "operator", payee: payees.operator, amount: heads.operator },
    { kind: "treasury", payee: payees.treasury, amount: heads.treasury },
    { kind: "developer", payee: payees.developer, amount: heads.developer },
    { kind: "stakers", payee: payees.stakers, amount: heads.stakers },
  ];
  apportion(heads.owners, examples).forEach((amount, at) => {
    payments.push({ kind: "owner", payee: datanets[at]!.owner, amount, at });
  });
  if (scores.length > 0) {
    const parts = apportion(heads.influence, payWeights(scores, threshold));
    scores.forEach(({ row }, i) => {
      payments.push({ kind: "contributor", payee: contributors[row]!, amount: parts[i]!, at: row });
    });
  } else {
    apportion(heads.influence, examples).forEach((amount, at) => {
      payments.push({ kind: "pool", payee: datanets[at]!.pool, amount, at });
    });
  }

  const paid = payments.reduce((sum, payment) => sum + payment.amount, 0n);
  if (paid !== fee)
    throw new ProtocolError("sum", `The payments must sum to the fee, ${fee} wei; they sum to ${paid}.`);
  return {
    payments: payments.filter((payment) => payment.amount > 0n),
    scores,
    thresholdRow,
    threshold,
    heads,
  };
}

/** Who is above the cut. @throws ProtocolError if there are not as many scores as contributors, or no null score */
export function listInfluence(influence: Influence): Listing {
  const { contributors, scores, nullScores, thresholdMillionths } = influence;
  if (contributors.length !== scores.length)
    throw new ProtocolError(
      "length",
      `${contributors.length} contributors need as many scores; got ${scores.length}.`,
    );
  const { thresholdRow, threshold } = thresholdOf(nullScores, thresholdMillionths, contributors.length);
  return { scores: aboveCut(scores, threshold), thresholdRow, threshold };
}

/** @returns `keccak256(abi.encode((address payee, uint256 amount)[]))`, what a receipt commits to. */
export function splitDigest(payments: readonly Payment[]): Digest {
  const list = payments.map(({ payee, amount }) => ({ payee, amount }));
  return bytesDigest(
    encodeAbiParameters(
      [
        {
          type: "tuple[]",
          components: [
            { name: "payee", type: "address" },
            { name: "amount", type: "uint256" },
          ],
        },
      ],
      [list],
    ),
  );
}
