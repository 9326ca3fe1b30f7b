/** A validator's place: a pool with its own stake, and a seat with a hash chain that nobody else has seen. */
import { randomBytes } from "node:crypto";
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { type Digest, sameHex, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { ValidatorError } from "./errors.ts";
import { hashChain } from "./lottery.ts";
import { listChains, storeChain } from "./tables.ts";
import { readSeat } from "./verdicts.ts";

export type SeatParts = {
  readonly database: Database;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "Verdicts" | "OpenStaking">;
  /** Draws a chain lasts for. */
  readonly chainLength: number;
};

/** A chain is replaced, when nothing is owed, while it still has this many links. */
const linksLeft = 16;

/** The seat, and the preimages to answer with. */
export type Seat = {
  /** The preimage of a draw, by its place in the validator's order. @throws ValidatorError `unfit` beyond the chain's end */
  preimage(sequence: number): Digest;
};

/**
 * Takes a seat, or goes on with the one there is. The chain's seed is kept before its tip is registered: a crash between the two leaves a
 * seed too many, never a seat that nobody can answer for.
 *
 * @returns undefined while the pool's stake does not earn yet: no seat can be taken before the next epoch
 * @throws ValidatorError `unfit` for a seat whose chain is not in this folder
 */
export async function takeSeat(parts: SeatParts): Promise<Seat | undefined> {
  const { database, chain, contracts, chainLength } = parts;
  const me = toHex(chain.account.address);
  const seat = await readSeat(chain, contracts, me);
  const known = await findLinks(database, seat.tip);
  if (seat.hasSeat && (seat.owes > 0 || (known !== undefined && known.left > linksLeft))) {
    if (known === undefined)
      throw new ValidatorError(
        "unfit",
        `The seat of ${me} answers to a hash chain that is not in this folder, and owes ${seat.owes} answers. Start it where it was registered.`,
      );
    return seatOf(known, seat.answered);
  }
  const stake = await chain.public.readContract({
    ...contracts.OpenStaking,
    functionName: "activeStakeOf",
    args: [BigInt(me)],
    blockTag: "pending",
  });
  if (stake === 0n) return undefined;
  const seed = toHex(new Uint8Array(randomBytes(32)));
  const { tip } = hashChain(seed, chainLength);
  await storeChain(database, { seed, length: chainLength, tip });
  const zero = `0x${"00".repeat(20)}` as const;
  await chain.write({ ...contracts.Verdicts, functionName: "register", args: [tip, zero] });
  const fresh = await findLinks(database, tip);
  return fresh && seatOf(fresh, seat.answered);
}

type Links = { readonly preimage: (number: number) => Digest; readonly next: number; readonly left: number };

/** The kept chain whose next preimage hashes to this tip. */
async function findLinks(database: Database, tip: Digest): Promise<Links | undefined> {
  for (const { seed, length, tip: first } of await listChains(database)) {
    const { preimage } = hashChain(seed, length);
    let before = first;
    for (let next = 1; next <= length; next++) {
      if (sameHex(before, tip)) return { preimage, next, left: length - next + 1 };
      before = preimage(next);
    }
  }
  return undefined;
}

function seatOf({ preimage, next, left }: Links, answered: number): Seat {
  return {
    preimage: (sequence) => {
      const ahead = sequence - answered - 1;
      if (ahead < 0 || ahead >= left)
        throw new ValidatorError(
          "unfit",
          `The hash chain has ${left} links left; the answer of draw ${ahead + 1} needs more.`,
        );
      return preimage(next + ahead);
    },
  };
}
