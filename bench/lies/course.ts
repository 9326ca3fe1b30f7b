/** When the clock may be turned: as soon as everyone has done what can be done before the next phase of a draw begins. */
import type { ChainReader, ProtocolContracts } from "../../src/chain/index.ts";
import { type Address, zeroDigest } from "../../src/protocol/index.ts";
import {
  chainTime,
  type Draw,
  drawCount,
  everyReceipt,
  readBallot,
  readDraw,
  readSeats,
  type SeatedBallot,
} from "../../src/validators/index.ts";

/** A draw with the ballots of all who are counted in it. */
export type Ballots = { readonly draw: Draw; readonly ballots: ReadonlyMap<Address, SeatedBallot> };

export type View = { readonly now: number; readonly draws: readonly Ballots[] };

/** What must have happened before anything is over. */
export type Expected = {
  readonly honest: ReadonlySet<Address>;
  /** Whose batches stand until a quorum says otherwise, so that each is audited. */
  readonly audited: readonly Address[];
  /** Whose first receipt is accused by liars. */
  readonly accused: readonly Address[];
  /** Who cannot reveal, and has tried. */
  readonly mute: ReadonlySet<Address>;
};

/** What is waited for, or how far the clock is turned, or neither: all is over. */
export type Step = { readonly wait: string } | { readonly pass: number } | { readonly over: true };

export async function view(chain: ChainReader, contracts: ProtocolContracts): Promise<View> {
  const draws: Ballots[] = [];
  const seats = await readSeats(chain, contracts);
  const count = await drawCount(chain, contracts);
  for (let drawId = 1; drawId <= count; drawId++) {
    const ballots = new Map<Address, SeatedBallot>();
    for (const seat of seats) {
      const ballot = await readBallot(chain, contracts, drawId, seat);
      if (ballot.weight > 0n) ballots.set(seat, ballot);
    }
    draws.push({ draw: await readDraw(chain, contracts, drawId), ballots });
  }
  return { now: await chainTime(chain), draws };
}

const gave = ({ answer }: SeatedBallot) => answer === "right" || answer === "wrong";

/** Verdicts that are against a quorum's on the same receipt of the same batch, and silences, that nobody has charged. */
function uncharged(draws: readonly Ballots[]): string[] {
  return draws.flatMap(({ draw, ballots }) =>
    [...ballots].flatMap(([validator, ballot]) => {
      const against = draws.some(
        ({ draw: by }) =>
          by.receipt !== everyReceipt &&
          by.batchId === draw.batchId &&
          by.receipt === ballot.receipt &&
          by.quorum !== "none" &&
          gave(ballot) &&
          ballot.answer !== by.quorum,
      );
      const owes = against || ballot.answer === "none";
      return owes && !ballot.charged ? [`a charge of ${validator} in draw ${draw.drawId}`] : [];
    }),
  );
}

export function nextStep({ now, draws }: View, { honest, audited, accused, mute }: Expected): Step {
  const wait = (what: string): Step => ({ wait: what });
  const has = (attester: Address, receipt: number) =>
    draws.some(({ draw }) => draw.attester === attester && draw.receipt === receipt);
  for (const attester of audited) if (!has(attester, everyReceipt)) return wait(`an audit of ${attester}`);
  for (const attester of accused) if (!has(attester, 0)) return wait(`an accusation of ${attester}`);
  for (const { draw, ballots } of draws) {
    if (draw.outcome === "open" && now >= draw.revealEnds) return wait(`a count of draw ${draw.drawId}`);
    if (draw.receipt === everyReceipt)
      for (const [validator, { answer, receipt }] of ballots)
        if (honest.has(validator) && answer === "wrong" && !has(draw.attester, receipt))
          return wait(`an accusation of receipt ${receipt} of ${draw.attester}`);
    if (draw.outcome === "wrong" && now >= draw.executableAt) return wait(`draw ${draw.drawId} carried out`);
    if (draw.outcome !== "open") continue;
    for (const [validator, { answer, commitment, charged }] of ballots) {
      if (answer !== "none" || charged) continue;
      if (now < draw.commitEnds && commitment === zeroDigest)
        return wait(`a commitment of ${validator} in draw ${draw.drawId}`);
      if (now >= draw.commitEnds && !mute.has(validator))
        return wait(`what ${validator} reveals in draw ${draw.drawId}`);
    }
  }
  const ends = draws
    .flatMap(({ draw }) => {
      if (draw.outcome === "open") return [draw.commitEnds, draw.revealEnds];
      return draw.outcome === "wrong" ? [draw.executableAt] : [];
    })
    .filter((end) => end > now);
  if (draws.some(({ draw }) => draw.outcome === "open")) return { pass: Math.min(...ends) - now + 1 };
  const [owed] = uncharged(draws);
  if (owed !== undefined) return wait(owed);
  return ends.length > 0 ? { pass: Math.min(...ends) - now + 1 } : { over: true };
}
