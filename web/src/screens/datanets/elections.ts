/** Where elections of a Datanet's curators stand. No document is needed here. */
import type { Schema } from "../../api/types.ts";

export type Election = Schema<"Election">;

/** Where an election stands: it takes votes, somebody curates by it, a term has ended or the owner ended it, or too few voted. */
export type ElectionState = "open" | "elected" | "ended" | "revoked" | "undecided";

/**
 * @param nowMs the time, epoch milliseconds
 * @param curates whether the chain lets an account curate by election; undefined while that is not known
 */
export function stateOf(
  { elected, termEndsAt, closesAt }: Pick<Election, "elected" | "termEndsAt" | "closesAt">,
  nowMs: number,
  curates?: (account: string) => boolean,
): ElectionState {
  if (elected !== null) {
    if ((termEndsAt ?? 0) * 1_000 <= nowMs) return "ended";
    return curates === undefined || curates(elected) ? "elected" : "revoked";
  }
  return closesAt * 1_000 > nowMs ? "open" : "undecided";
}

/** Votes that elect: more than half of all. */
export const majority = (votes: number): number => Math.floor(votes / 2) + 1;
