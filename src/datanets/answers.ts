/** What the room's routes have in common in their descriptions. */
import type { Context } from "hono";
import type { z } from "zod";
import { errorOut } from "./schemas.ts";
import type { Datanets } from "./service.ts";

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});

export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { "application/json": { schema } },
});

export const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  403: json(errorOut, "Not allowed"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "It contradicts what is already here"),
  413: json(errorOut, "Too large"),
  415: json(errorOut, "Another content type is expected"),
  503: json(errorOut, "Not now; the message says why"),
};

export const unchanged = { 304: { description: "As it was: the ETag that came is still its own" } };

/**
 * Names what never changes by an ETag (RFC 9110, section 8.8.3).
 *
 * @param tag the digest of what is answered
 * @returns 304 where whoever asks has it already
 */
export function asItWas(context: Context, tag: string): Response | undefined {
  const etag = `"${tag}"`;
  context.header("etag", etag);
  const known = (context.req.header("if-none-match") ?? "")
    .split(",")
    .map((one) => one.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*") ? context.body(null, 304) : undefined;
}

/** Where consents to a service's Datanets are signed for. */
export function signingOf({ registry }: Pick<Datanets, "registry">) {
  const { chainId, verifyingContract } = registry.domain;
  return { chainId, verifyingContract };
}
