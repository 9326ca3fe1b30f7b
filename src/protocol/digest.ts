import canonicalize from "canonicalize";
import type { Digest, Hex } from "./bytes.ts";
import { toBytes, toHex } from "./bytes.ts";
import { ProtocolError } from "./error.ts";
import { keccak } from "./keccak.ts";

/** A JSON value that may be hashed: its numbers are integers of at most 2⁵³ − 1 in magnitude. */
export type Hashable =
  | string
  | number
  | boolean
  | null
  | readonly Hashable[]
  | { readonly [key: string]: Hashable };

/** How many containers deep a value may be: more is never meant, and other languages recurse. */
const maxDepth = 64;

/** Refuses what would be dropped, rounded or read differently elsewhere, and names the place. */
function assertHashable(value: unknown, path: string, depth: number): void {
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "string") {
    if (value.isWellFormed()) return;
    throw new ProtocolError("not-canonical", `${path} holds a lone surrogate, which has no UTF-8 form.`);
  }
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return;
    throw new ProtocolError(
      "not-canonical",
      `${path} is ${value}: hashed numbers are integers within ±(2⁵³ − 1). Write a decimal or a larger number as a string.`,
    );
  }
  if (depth >= maxDepth)
    throw new ProtocolError("not-canonical", `${path} is nested more than ${maxDepth} deep.`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertHashable(value[i], `${path}[${i}]`, depth + 1);
    return;
  }
  const prototype = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (prototype === Object.prototype || (typeof value === "object" && prototype === null)) {
    for (const [key, member] of Object.entries(value as object)) {
      assertHashable(key, `a key of ${path}`, depth + 1);
      assertHashable(member, `${path}.${key}`, depth + 1);
    }
    return;
  }
  throw new ProtocolError("not-canonical", `${path} is not plain JSON: got ${typeof value}.`);
}

/**
 * RFC 8785 (JSON canonicalization scheme): no white space, keys sorted by UTF-16 code units, the shortest escapes.
 * Stricter than the RFC in one point: numbers must be integers, because the protocol hashes no floating point.
 *
 * @param value - plain JSON; `undefined`, dates, bigints, class instances and non-integers are refused
 * @returns the canonical text
 * @throws ProtocolError `not-canonical`, naming the place
 *
 * @example
 * canonicalJson({ b: 1, a: ["é"] }) // {"a":["é"],"b":1}
 */
export function canonicalJson(value: unknown): string {
  assertHashable(value, "value", 0);
  return canonicalize(value) as string;
}

/** @returns `keccak256(utf8(JCS(value)))`: the identity of an example, a manifest, a dataset card. */
export function jsonDigest(value: unknown): Digest {
  return textDigest(canonicalJson(value));
}

/** @returns the Keccak-256 of the bytes as they are: the identity of a file. */
export function bytesDigest(bytes: Uint8Array | Hex): Digest {
  return toHex(keccak(toBytes(bytes)));
}

/** @returns the Keccak-256 of the text's UTF-8, without any Unicode normalisation. A lone surrogate is refused. */
export function textDigest(text: string): Digest {
  if (!text.isWellFormed()) throw new ProtocolError("not-canonical", "The text holds a lone surrogate.");
  return bytesDigest(new TextEncoder().encode(text));
}
