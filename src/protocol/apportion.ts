import { ProtocolError } from "./error.ts";

/** Basis points of a whole. */
export const wholeBps = 10_000;

/**
 * Divides an amount by integer weights, exactly, by largest remainder: every part gets ⌊amount · wᵢ / Σw⌋, and the wei
 * left over go one each to the parts with the largest `amount · wᵢ mod Σw`, ties to the lower position.
 *
 * Each part is within one wei of its exact share, and a larger weight never gets less.
 *
 * @param amount - wei, not negative
 * @param weights - not negative, at least one positive
 * @returns one part per weight; they sum to the amount
 * @throws ProtocolError `no-weight` if all weights are zero
 *
 * @example
 * apportion(10n, [1n, 1n, 1n]) // [4n, 3n, 3n]
 */
export function apportion(amount: bigint, weights: readonly bigint[]): bigint[] {
  if (amount < 0n) throw new ProtocolError("out-of-range", `An amount is not negative; got ${amount} wei.`);
  const negative = weights.find((weight) => weight < 0n);
  if (negative !== undefined)
    throw new ProtocolError("out-of-range", `Weights are not negative; got ${negative}.`);
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total === 0n)
    throw new ProtocolError(
      "no-weight",
      `${amount} wei cannot be divided: none of ${weights.length} weights is positive.`,
    );

  const parts = weights.map((weight) => (amount * weight) / total);
  const remainders = weights.map((weight) => (amount * weight) % total);
  const left = Number(amount - parts.reduce((sum, part) => sum + part, 0n));
  const byRemainder = remainders
    .map((_, position) => position)
    .sort((a, b) => (remainders[a]! > remainders[b]! ? -1 : remainders[a]! < remainders[b]! ? 1 : a - b));
  for (const position of byRemainder.slice(0, left)) parts[position]! += 1n;
  return parts;
}

/**
 * The five heads of a fee in basis points of the whole, summing to 10,000, and `owners`: the basis points of the data
 * head that go to the owners of the Datanets used.
 */
export type FeeSplit = {
  readonly operator: number;
  readonly treasury: number;
  readonly developer: number;
  readonly stakers: number;
  readonly data: number;
  readonly owners: number;
};

/** The split at genesis. Governance may change it within the bounds that `ProtocolParameters` sets. */
export const genesisSplit: FeeSplit = {
  operator: 1_500,
  treasury: 500,
  developer: 2_000,
  stakers: 1_000,
  data: 5_000,
  owners: 1_000,
};

/** The heads of one fee, wei. */
export type Heads = {
  readonly operator: bigint;
  readonly treasury: bigint;
  readonly developer: bigint;
  readonly stakers: bigint;
  /** What goes to the Datanets' owners; with `influence` it makes up the data head. */
  readonly owners: bigint;
  /** What goes to contributors, or to the common pools when nobody is above the threshold. */
  readonly influence: bigint;
};

/**
 * Splits a fee into its heads: `apportion` by basis points in the order operator, treasury, developer, stakers, data;
 * then `owners = ⌊data · ownersBps / 10,000⌋`, and influence is what remains of the data head.
 *
 * @param fee - wei
 * @throws ProtocolError `sum` if the heads do not sum to 10,000 basis points
 */
export function splitFee(fee: bigint, split: FeeSplit): Heads {
  const bps = [split.operator, split.treasury, split.developer, split.stakers, split.data];
  const sum = bps.reduce((a, b) => a + b, 0);
  if (sum !== wholeBps)
    throw new ProtocolError("sum", `The heads must sum to ${wholeBps} basis points; got ${sum}.`);
  if (split.owners < 0 || split.owners > wholeBps)
    throw new ProtocolError(
      "out-of-range",
      `The owners' part is 0 to ${wholeBps} basis points; got ${split.owners}.`,
    );
  const [operator, treasury, developer, stakers, data] = apportion(fee, bps.map(BigInt)) as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const owners = (data * BigInt(split.owners)) / BigInt(wholeBps);
  return { operator, treasury, developer, stakers, owners, influence: data - owners };
}
