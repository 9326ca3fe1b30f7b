/** A client may ask `perSecond` requests on average and `burst` at once. */
export type RateLimit = {
  /** 0: no limit. */
  readonly perSecond: number;
  readonly burst: number;
};

export type RateLimiter = {
  /**
   * Take `cost` requests from an address' allowance.
   * @returns 0, or the milliseconds after which that many are there again; nothing is taken then
   */
  take(address: string, cost: number): number;
};

/** Addresses remembered: the one that asked longest ago is forgotten first, and begins anew with a full allowance. */
const addressesMax = 10_000;

/** Token buckets by address; those of one IPv6 subscriber (a /64) share one. This machine's own address has no limit. */
export function createRateLimiter(limit: RateLimit, nowMs: () => number = Date.now): RateLimiter {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(address, cost) {
      if (limit.perSecond === 0 || isLoopback(address)) return 0;
      const key = subscriberOf(address);
      const now = nowMs();
      const known = buckets.get(key);
      const tokens =
        known === undefined
          ? limit.burst
          : Math.min(limit.burst, known.tokens + ((now - known.atMs) * limit.perSecond) / 1000);
      // A request that costs more than a full allowance may go when that is full, or it never could.
      const needed = Math.min(cost, limit.burst);
      const allowed = tokens >= needed;
      buckets.delete(key);
      buckets.set(key, { tokens: allowed ? tokens - needed : tokens, atMs: now });
      if (buckets.size > addressesMax) buckets.delete(buckets.keys().next().value!);
      return allowed ? 0 : Math.ceil(((needed - tokens) * 1000) / limit.perSecond);
    },
  };
}

/** True for this machine's own addresses, as sockets name them. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

/** Whose an address is: itself, or of IPv6 its /64. */
export function subscriberOf(address: string): string {
  if (address.startsWith("::ffff:")) return address.slice("::ffff:".length);
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::", 2);
  const groups = (part: string) => part.split(":").filter((group) => group !== "");
  const missing = 8 - groups(head).length - groups(tail).length;
  const whole = [...groups(head), ...Array(Math.max(missing, 0)).fill("0"), ...groups(tail)];
  return whole.slice(0, 4).join(":");
}
