/** What a person can do about an answer that did not come. */
export type Advice = {
  readonly title: string;
  /** `pay`: there is no key or nothing left on it; `wait`: others are before; `again`: it may go better. */
  readonly step: "pay" | "wait" | "again";
  readonly waitMs: number;
};

type Refusal = { status?: unknown; code?: unknown; retryAfterMs?: unknown };

/** The next step after an error of the client, by its status and code. */
export function adviceFor(error: unknown): Advice {
  const { status, code, retryAfterMs } = (
    typeof error === "object" && error !== null ? error : {}
  ) as Refusal;
  if (status === 402 || code === "over-limit")
    return {
      title:
        code === "no_payment"
          ? "This model costs OPEN, and nothing paid for this question."
          : code === "unknown_key"
            ? "The node does not know this API key. Make another."
            : "What the key may spend is used up, or too little for this answer. Lower the longest answer, or make another key.",
      step: "pay",
      waitMs: 0,
    };
  if (status === 429 || status === 503) {
    const waitMs = typeof retryAfterMs === "number" ? retryAfterMs : 2_000;
    return { title: "The node is busy with others' questions; nothing was charged.", step: "wait", waitMs };
  }
  return { title: "No answer came.", step: "again", waitMs: 0 };
}
