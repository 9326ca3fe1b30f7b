/** Where elections of a Datanet's curators stand. No document is needed here. */
import type { Schema } from "../../api/types.ts";

export type Election = Schema<"Election">;

/** Where an election stands: it takes votes, somebody curates by it, a term has ended, or too few voted. */
export type ElectionState = "open" | "elected" | "ended" | "undecided";

/** @param nowMs the time, epoch milliseconds */
export function stateOf(
  { elected, termEndsAt, closesAt }: Pick<Election, "elected" | "termEndsAt" | "closesAt">,
  nowMs: number,
): ElectionState {
  if (elected !== null) return (termEndsAt ?? 0) * 1_000 > nowMs ? "elected" : "ended";
  return closesAt * 1_000 > nowMs ? "open" : "undecided";
}

/** Votes that elect: more than half of all. */
export const majority = (votes: number): number => Math.floor(votes / 2) + 1;
