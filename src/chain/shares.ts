import type { IncomingMessage } from "node:http";
import { isLoopback, subscriberOf } from "./rate.ts";

/** Something there is only so much of, that many clients ask for at once: places, bytes of memory. */
export type Shares = {
  /** Takes some. @returns `own`: it would be more than one subscriber may have; `all`: more than there is; nothing is taken then */
  take(address: string, amount?: number): "taken" | "own" | "all";
  /** Gives back what was taken. */
  give(address: string, amount?: number): void;
};

/**
 * What one IPv6 subscriber's addresses (a /64) take counts together, so that nobody has all of it by having many. This machine's own address has as much
 * as there is.
 *
 * @param all what there is
 * @param ofOne the most of it that one subscriber has at a time
 */
export function createShares({ all, ofOne }: { readonly all: number; readonly ofOne: number }): Shares {
  const taken = new Map<string, number>();
  let total = 0;
  const keyOf = (address: string) => (address === "" || isLoopback(address) ? "" : subscriberOf(address));
  return {
    take(address, amount = 1) {
      const key = keyOf(address);
      const own = (taken.get(key) ?? 0) + amount;
      if (key !== "" && own > ofOne) return "own";
      if (total + amount > all) return "all";
      taken.set(key, own);
      total += amount;
      return "taken";
    },
    give(address, amount = 1) {
      const key = keyOf(address);
      const left = (taken.get(key) ?? 0) - amount;
      if (left > 0) taken.set(key, left);
      else taken.delete(key);
      total -= amount;
    },
  };
}

/** The address that a request came from, by its environment as the HTTP server gives it; empty within this process. */
export const addressOf = (env: unknown): string =>
  (env as { readonly incoming?: IncomingMessage } | undefined)?.incoming?.socket.remoteAddress ?? "";
