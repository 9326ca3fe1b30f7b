/** What a person can do about an answer that did not come. */
export type Advice = {
  readonly title: string;
  /** Whether what the node says adds to it: who clicks has no use for a channel's signers. */
  readonly detail: boolean;
  /** `pay`: there is no key or nothing left on it; `wait`: others are before; `again`: it may go better. */
  readonly step: "pay" | "wait" | "again";
  readonly waitMs: number;
};

type Refusal = { status?: unknown; code?: unknown; retryAfterMs?: unknown };

const revoked = "This API key was revoked: it buys nothing more. Make another.";
/** Why nothing paid, by the node's code. */
const unpaidTitles: Readonly<Record<string, string>> = {
  no_payment: "This model costs OPEN, and nothing paid for this question.",
  unknown_key: "The node does not know this API key. Make another.",
  inactive_key: "There is no deposit behind this API key yet. Make another.",
  revoked_key: revoked,
  signer_changed: revoked,
  channel_closing: "The channel that this key spends from is being closed. Make another key.",
  channel_closed: "The channel that this key spent from is closed. Make another key.",
};
const usedUp =
  "What the key may spend is used up, or too little for this answer. Lower the longest answer, or make another key.";

/** The next step after an error of the client, by its status and code. */
export function adviceFor(error: unknown): Advice {
  const { status, code, retryAfterMs } = (
    typeof error === "object" && error !== null ? error : {}
  ) as Refusal;
  if (status === 402 || code === "over-limit")
    return {
      title: unpaidTitles[String(code)] ?? usedUp,
      detail: unpaidTitles[String(code)] === undefined,
      step: "pay",
      waitMs: 0,
    };
  if (status === 429 || status === 503) {
    const waitMs = typeof retryAfterMs === "number" ? retryAfterMs : 2_000;
    return {
      title: "The node is busy with others' questions; nothing was charged.",
      detail: true,
      step: "wait",
      waitMs,
    };
  }
  return { title: "No answer came.", detail: true, step: "again", waitMs: 0 };
}
