/** Judgements that are not sent yet, and can still be undone. No document is needed here. */
import type { Schema } from "../../../api/types.ts";
import type { Example } from "../example.tsx";

export type QueuedRow = Omit<Schema<"QueuedRow">, "reasons" | "source"> & {
  reasons: readonly { check: string; severity: "note" | "refusal"; message: string }[];
  source: { file: string; line?: number; page?: number; row?: number } | null;
};
export type Draft = { decision: "accept" | "reject"; reason: string; proposal?: Example };
export type Drafts = ReadonlyMap<number, Draft>;

/** Reasons that curators give most, to be taken with one key. */
export const usualReasons = [
  "It is wrong.",
  "It is not of this Datanet's field.",
  "It teaches nothing: the answer does not follow from the question.",
  "It is badly written.",
  "It holds somebody's personal data.",
] as const;

/** A draft put down, or taken away where it is what was there already. */
export function toggled(drafts: Drafts, row: number, draft: Draft): Drafts {
  const next = new Map(drafts);
  const before = drafts.get(row);
  if (before && JSON.stringify(before) === JSON.stringify(draft)) next.delete(row);
  else next.set(row, draft);
  return next;
}

/** One judgement for all rows that have none. */
export function filled(drafts: Drafts, rows: readonly number[], draft: Draft): Drafts {
  return new Map([...rows.map((row) => [row, draft] as const), ...drafts]);
}

/** What is sent; a rejection without a reason is none yet. */
export const decisionsOf = (drafts: Drafts) =>
  [...drafts]
    .filter(([, { decision, reason }]) => decision === "accept" || reason.trim() !== "")
    .map(([row, draft]) => ({ row, ...draft, reason: draft.reason.trim() }));

/** Krippendorff's alpha in words, by the bounds he gives himself (Content Analysis, 2004: 0.8 and 0.667). */
export function agreementInWords(alpha: number | null): string {
  if (alpha === null) return "nothing was judged twice yet";
  if (alpha >= 0.8) return "reliable";
  return alpha >= 0.667 ? "good enough for careful conclusions" : "low: say more clearly what is wanted";
}
