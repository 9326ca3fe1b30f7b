import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { OperatorError } from "./errors.ts";

/** Numbers that a sign-in may use once. */
export type Nonces = {
  issue(): { readonly nonce: string; readonly expiresAtMs: number };
  /** @throws OperatorError `nonce-refused`: not of this node since its start, too old, or used */
  use(nonce: string): void;
};

const lifeMs = 5 * 60_000;
/** Used ones are remembered as long as they would be valid. */
const usedMax = 100_000;

/**
 * A nonce is 16 random bytes, its end and their HMAC, in hex: nothing is kept for those that are only asked for, so nobody can fill
 * anything by asking. A restart makes all of them void.
 */
export function createNonces(now: () => number): Nonces {
  const secret = randomBytes(32);
  const used = new Map<string, number>();
  const sealOf = (body: string) => createHmac("sha256", secret).update(body).digest("hex").slice(0, 32);
  const refuse = (why: string) => {
    throw new OperatorError(
      "nonce-refused",
      `The nonce ${why}. Get another one from GET /v1/session/nonce and sign again.`,
    );
  };
  return {
    issue() {
      const expiresAtMs = now() + lifeMs;
      const body = randomBytes(16).toString("hex") + expiresAtMs.toString(16).padStart(12, "0");
      return { nonce: body + sealOf(body), expiresAtMs };
    },
    use(nonce) {
      const [, body = "", end = "", seal = ""] =
        /^([0-9a-f]{32}([0-9a-f]{12}))([0-9a-f]{32})$/.exec(nonce) ?? [];
      if (body === "" || !timingSafeEqual(Buffer.from(seal), Buffer.from(sealOf(body))))
        refuse("is not one that this node gave out since it started");
      const expiresAtMs = Number.parseInt(end, 16);
      if (expiresAtMs <= now()) refuse(`is older than ${lifeMs / 60_000} minutes`);
      if (used.has(nonce)) refuse("was used before");
      // In the order of use, which is nearly that of ending.
      for (const [old, endedAtMs] of used) {
        if (endedAtMs > now() && used.size < usedMax) break;
        used.delete(old);
      }
      used.set(nonce, expiresAtMs);
    },
  };
}
