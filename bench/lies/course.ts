/** When the clock may be turned: as soon as everyone has done what can be done before the next phase of a draw or a round begins. */
import type { ChainReader, ProtocolContracts } from "../../src/chain/index.ts";
import { type Address, type Digest, zeroDigest } from "../../src/protocol/index.ts";
import {
  chainTime,
  drawCount,
  everyReceipt,
  readBallot,
  readDraw,
  readLastRound,
  readReleaseBallot,
  readSeats,
} from "../../src/validators/index.ts";

type Vote = {
  readonly answer: string;
  /** The one it judged. */
  readonly receipt: number;
  readonly commitment: Digest;
  /** Digest of the gradient's projection, or of the release's witness. */
  readonly projection: Digest;
  readonly charged: boolean;
};

/** A draw over a batch, or a round over a release's index. */
export type Judged = {
  readonly name: string;
  /** The batch, or the release. */
  readonly subject: string;
  readonly attester: Address | null;
  /** The accused one; {@link everyReceipt} in an audit and in a round. */
  readonly receipt: number;
  readonly commitEnds: number;
  readonly revealEnds: number;
  readonly executableAt: number;
  readonly outcome: string;
  readonly quorum: string;
  /** Of all who are counted. */
  readonly votes: ReadonlyMap<Address, Vote>;
};

export type View = { readonly now: number; readonly judged: readonly Judged[] };

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

export async function view(
  chain: ChainReader,
  contracts: ProtocolContracts,
  releases: readonly Digest[],
): Promise<View> {
  const judged: Judged[] = [];
  const seats = await readSeats(chain, contracts);
  for (const releaseId of releases) {
    const round = await readLastRound(chain, contracts, releaseId);
    if (round === undefined) continue;
    const votes = new Map<Address, Vote>();
    for (const seat of seats) {
      const ballot = await readReleaseBallot(chain, contracts, releaseId, round.round, seat);
      if (ballot.weight > 0n)
        votes.set(seat, { ...ballot, receipt: everyReceipt, projection: ballot.digest });
    }
    const name = `the round over ${releaseId}`;
    judged.push({ ...round, name, subject: releaseId, attester: null, receipt: everyReceipt, votes });
  }
  const count = await drawCount(chain, contracts);
  for (let drawId = 1; drawId <= count; drawId++) {
    const votes = new Map<Address, Vote>();
    for (const seat of seats) {
      const ballot = await readBallot(chain, contracts, drawId, seat);
      if (ballot.weight > 0n) votes.set(seat, ballot);
    }
    const draw = await readDraw(chain, contracts, drawId);
    judged.push({ ...draw, name: `draw ${drawId}`, subject: draw.batchId, votes });
  }
  return { now: await chainTime(chain), judged };
}

const gave = ({ answer }: Vote) => answer === "right" || answer === "wrong";
/** Found wrong, and not carried out. */
const isDue = ({ outcome }: Judged) => outcome === "wrong" || outcome === "refuted";

/** What the honest, all on one machine, have computed of a receipt that they found right. */
function seen(
  { subject }: Judged,
  receipt: number,
  judged: readonly Judged[],
  honest: ReadonlySet<Address>,
): Digest | undefined {
  for (const one of judged)
    if (one.subject === subject)
      for (const [validator, vote] of one.votes)
        if (honest.has(validator) && vote.receipt === receipt && vote.answer === "right")
          return vote.projection;
  return undefined;
}

/** Verdicts that are against a quorum's on the same thing, projections that were made up, and silences, that nobody has charged. */
function uncharged(judged: readonly Judged[], honest: ReadonlySet<Address>): string[] {
  return judged.flatMap((one) => {
    const { subject, name, votes } = one;
    return [...votes].flatMap(([validator, vote]) => {
      const against = judged.some(
        (by) =>
          by.subject === subject &&
          by.receipt === vote.receipt &&
          by.quorum !== "none" &&
          gave(vote) &&
          vote.answer !== by.quorum,
      );
      const found = judged.some(
        (by) => by.subject === subject && by.receipt === vote.receipt && by.quorum === "right",
      );
      const madeUp =
        found && vote.answer === "right" && vote.projection !== seen(one, vote.receipt, judged, honest);
      const owes = against || madeUp || vote.answer === "none";
      return owes && !vote.charged ? [`a charge of ${validator} in ${name}`] : [];
    });
  });
}

/** Whether an honest validator has found an audited receipt wrong, or another one has called it right and not looked. */
function needsAccusation(audit: Judged, receipt: number, honest: ReadonlySet<Address>): boolean {
  const votes = [...audit.votes].filter(([, vote]) => vote.receipt === receipt);
  if (votes.some(([validator, { answer }]) => honest.has(validator) && answer === "wrong")) return true;
  const truth = seen(audit, receipt, [audit], honest);
  return (
    audit.outcome !== "open" &&
    truth !== undefined &&
    votes.some(([, { answer, projection }]) => answer === "right" && projection !== truth)
  );
}

export function nextStep({ now, judged }: View, { honest, audited, accused, mute }: Expected): Step {
  const wait = (what: string): Step => ({ wait: what });
  const has = (attester: Address | null, receipt: number) =>
    judged.some((one) => one.attester === attester && one.receipt === receipt);
  for (const attester of audited) if (!has(attester, everyReceipt)) return wait(`an audit of ${attester}`);
  for (const attester of accused) if (!has(attester, 0)) return wait(`an accusation of ${attester}`);
  for (const one of judged) {
    const { name, attester, commitEnds, votes } = one;
    if (one.outcome === "open" && now >= one.revealEnds) return wait(`a count of ${name}`);
    if (attester !== null && one.receipt === everyReceipt)
      for (const { receipt } of votes.values())
        if (needsAccusation(one, receipt, honest) && !has(attester, receipt))
          return wait(`an accusation of receipt ${receipt} of ${attester}`);
    if (isDue(one) && now >= one.executableAt) return wait(`${name} to be carried out`);
    if (one.outcome !== "open") continue;
    for (const [validator, { answer, commitment, charged }] of votes) {
      if (answer !== "none" || charged) continue;
      if (now < commitEnds && commitment === zeroDigest)
        return wait(`a commitment of ${validator} in ${name}`);
      if (now >= commitEnds && !mute.has(validator)) return wait(`what ${validator} reveals in ${name}`);
    }
  }
  const ends = judged
    .flatMap((one) => {
      if (one.outcome === "open") return [one.commitEnds, one.revealEnds];
      return isDue(one) ? [one.executableAt] : [];
    })
    .filter((end) => end > now);
  const turn: Step = ends.length > 0 ? { pass: Math.min(...ends) - now + 1 } : { over: true };
  if (judged.some(({ outcome }) => outcome === "open")) return turn;
  const [owed] = uncharged(judged, honest);
  return owed === undefined ? turn : wait(owed);
}
