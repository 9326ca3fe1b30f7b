/** The lottery's arithmetic as `Verdicts` and docs/staking.md have it: hash chains, lots, commitments. */
import { concat, encodeAbiParameters, type Hex, hexToBigInt, keccak256 } from "viem";
import type { Address, Digest } from "../protocol/index.ts";

/** Stands for the receipt of an audit, and for the number of validators drawn in an accusation: everyone. */
export const everyReceipt = 0xffff_ffff;

/**
 * Preimages of a hash chain: x_n = keccak256(seed), x_i = keccak256(x_{i+1}), and the tip is keccak256(x₁). They are shown from x₁ on.
 *
 * @param seed 32 secret bytes
 * @param length n, draws the chain lasts for
 */
export function hashChain(
  seed: Hex,
  length: number,
): { readonly tip: Digest; preimage(number: number): Digest } {
  const links: Digest[] = [keccak256(seed)];
  while (links.length < length) links.push(keccak256(links.at(-1) as Digest));
  return {
    tip: keccak256(links.at(-1) as Digest),
    /** @param number from 1 */
    preimage(number) {
      const found = links[length - number];
      if (found === undefined)
        throw new RangeError(`This hash chain has ${length} links; ${number} was asked for.`);
      return found;
    },
  };
}

/** A draw, as far as a lot depends on it. */
export type LotteryTerms = {
  readonly receiptsRoot: Digest;
  /** The validator's stake and everyone's, wei. */
  readonly weight: bigint;
  readonly total: bigint;
  /** n: validators drawn in an audit. */
  readonly seatsDrawn: number;
  readonly receiptCount: number;
  /** The accused one, or {@link everyReceipt} in an audit. */
  readonly receipt: number;
};

/** @returns whether the preimage draws the validator, and the receipt it must check */
export function lotteryOf(preimage: Digest, terms: LotteryTerms): { drawn: boolean; receipt: number } {
  const lot = hexToBigInt(keccak256(concat([preimage, terms.receiptsRoot])));
  const drawn = (lot >> 128n) * terms.total < (terms.weight * BigInt(terms.seatsDrawn)) << 128n;
  const low = lot & ((1n << 128n) - 1n);
  const receipt = terms.receipt === everyReceipt ? Number(low % BigInt(terms.receiptCount)) : terms.receipt;
  return { drawn, receipt };
}

/** Names a batch for good. */
export const batchIdOf = (
  attester: Address,
  number: number,
  generation: number,
  receiptsRoot: Digest,
): Digest =>
  keccak256(
    encodeAbiParameters(
      [{ type: "address" }, { type: "uint32" }, { type: "uint32" }, { type: "bytes32" }],
      [attester, number, generation, receiptsRoot],
    ),
  );

export type Ballot = {
  readonly batchId: Digest;
  readonly receipt: number;
  readonly wrong: boolean;
  /** Digest of the gradient's projection. */
  readonly projection: Digest;
  readonly salt: Digest;
  readonly validator: Address;
};

/** What is committed to before anybody shows a verdict. It names the validator: nobody else can reveal it. */
export const commitmentOf = ({ batchId, receipt, wrong, projection, salt, validator }: Ballot): Digest =>
  keccak256(
    encodeAbiParameters(
      [
        { type: "bytes32" },
        { type: "uint32" },
        { type: "bool" },
        { type: "bytes32" },
        { type: "bytes32" },
        { type: "address" },
      ],
      [batchId, receipt, wrong, projection, salt, validator],
    ),
  );
