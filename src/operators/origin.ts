/**
 * Whether a request with a cookie comes from the application itself. A browser sends the cookie along whoever made it ask, so the cookie alone
 * proves nothing (OWASP, cross-site request forgery): `Origin` and `Sec-Fetch-Site`, which no page can set, and a header that no page of
 * another origin can send without being asked first (a CORS preflight, which is never granted here).
 */

/** A header of the application's own; any value. */
export const ownHeader = "x-openledger";

export type AskedFrom = {
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`. */
  readonly site: string | undefined;
  /** Whether {@link ownHeader} is there. */
  readonly marked: boolean;
};

/**
 * One proof is needed, and nothing may speak against it: browsers over plain HTTP leave `Sec-Fetch-Site` out, and leave `Origin` out of
 * reads.
 *
 * @param origins the node's own, as `https://node.example`
 * @returns undefined if it is the application's own request; otherwise what is wrong
 */
export function whyForeign(
  { origin, site, marked }: AskedFrom,
  origins: readonly string[],
): string | undefined {
  if (origin !== undefined && !origins.includes(origin))
    return `its Origin is ${origin.slice(0, 200)}, expected ${origins.join(" or ")}. Name it in "origins" of the node's config.json if it is this node's`;
  if (site !== undefined && site !== "same-origin")
    return `its Sec-Fetch-Site is ${site.slice(0, 40)}, expected same-origin`;
  if (origin === undefined && site === undefined && !marked)
    return `it has neither Origin nor Sec-Fetch-Site nor the header ${ownHeader}`;
  return undefined;
}
