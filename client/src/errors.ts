/**
 * What went wrong, as the node says it or as this client found it.
 *
 * @example
 * try { await client.chat(ask) } catch (error) {
 *   if (error instanceof OpenLedgerError && error.code === "overspent") topUp(error.details.expectedWei);
 * }
 */
export class OpenLedgerError extends Error {
  override readonly name = "OpenLedgerError";
  /** HTTP status; 0 when no node answered or the answer was not understood. */
  readonly status: number;
  /** For programs: the node's code, or `no-node`, `not-a-node`, `wrong-network`, `bad-answer`, `over-limit`, `no-receipt`. */
  readonly code: string;
  readonly details: Readonly<Record<string, string | number>>;
  /** When to try again, if the node said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    more: {
      details?: Readonly<Record<string, string | number>>;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.status = status;
    this.code = code;
    this.details = more.details ?? {};
    this.retryAfterMs = more.retryAfterMs;
  }
}
