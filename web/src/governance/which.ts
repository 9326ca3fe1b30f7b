import { date, duration, votes as votesOf } from "../lib/format.ts";

type Standing = {
  readonly state: string;
  readonly votes: { readonly for: bigint; readonly against: bigint; readonly abstain: bigint };
  readonly quorumWei: bigint;
  readonly startsMs: number;
  readonly endsMs: number;
  readonly executableMs: number | null;
};

/** A proposal's number or id from an address, or −1 for what is neither. */
export const parsePart = (text: string): bigint => (/^\d{1,78}$/.test(text) ? BigInt(text) : -1n);

/** Whether for and abstain reach the quorum. */
export const reached = ({ votes, quorumWei }: Standing): boolean => votes.for + votes.abstain >= quorumWei;

/** Votes this near are counted down to by seconds; a date tells minutes alone. */
const nearMs = 10 * 60_000;

function moment(ms: number, nowMs: number): string {
  const left = ms - nowMs;
  return left > 0 && left < nearMs ? `in ${duration(left)}` : `after ${date(ms)}`;
}

/** What happens next with a proposal, with its date, or how long until then where it is near. */
export function nextStep(proposal: Standing, nowMs = Date.now()): string {
  const { state, votes, quorumWei, startsMs, endsMs, executableMs } = proposal;
  switch (state) {
    case "pending":
      return `The vote begins ${moment(startsMs, nowMs)}.`;
    case "active":
      return `The vote ends ${moment(endsMs, nowMs)}${reached(proposal) ? "" : `; ${votesOf(quorumWei - votes.for - votes.abstain)} votes are missing for the quorum`}.`;
    case "succeeded":
      return "It passed. Anyone may queue it.";
    case "queued":
      return executableMs !== null && executableMs > nowMs
        ? `It can be carried out from ${date(executableMs)}.`
        : "Anyone may carry it out now.";
    case "defeated":
      return reached(proposal)
        ? "More were against it, or as many as for it."
        : "It did not reach its quorum.";
    case "canceled":
      return "Its proposer took it back.";
    case "expired":
      return "It was not carried out in time.";
    default:
      return "It is done.";
  }
}
