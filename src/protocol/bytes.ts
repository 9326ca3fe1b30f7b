import { bytesToHex, hexToBytes } from "viem/utils";
import { ProtocolError } from "./error.ts";

/** Bytes written as `0x` and an even number of hex digits. What this room returns is lower-case. */
export type Hex = `0x${string}`;

/** 20 bytes. Compared and hashed as a number: the mixed case of a checksum means nothing here. */
export type Address = Hex;

/** 32 bytes. */
export type Digest = Hex;

/** The address that nobody holds: the payee of null rows. */
export const zeroAddress: Address = `0x${"00".repeat(20)}`;

/** The digest that stands for nothing: the root of an empty list, the padding of a tree. */
export const zeroDigest: Digest = `0x${"00".repeat(32)}`;

/** @returns the same bytes, as bytes. */
export function toBytes(value: Hex | Uint8Array): Uint8Array {
  return typeof value === "string" ? hexToBytes(value) : value;
}

/** @returns the same bytes, as lower-case hex. */
export function toHex(value: Hex | Uint8Array): Hex {
  return typeof value === "string" ? (value.toLowerCase() as Hex) : bytesToHex(value);
}

/** @returns all parts, one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * `abi.encode` of static, unsigned values: each is one big-endian word of 32 bytes, padded on the left. That covers
 * uintN, address and bytes32, which is all that the protocol's leaves are made of.
 *
 * @param values - non-negative integers, or hex of at most 32 bytes (an address, a digest)
 * @returns 32 bytes per value
 *
 * @example
 * toHex(words(1, "0xff")) // 0x00…01 00…ff, 64 bytes
 */
export function words(...values: readonly (bigint | number | Hex)[]): Uint8Array {
  const bytes = new Uint8Array(32 * values.length);
  values.forEach((value, index) => {
    let digits: string;
    if (typeof value === "string") digits = value.slice(2);
    else if (value >= 0 && (typeof value === "bigint" || Number.isSafeInteger(value)))
      digits = value.toString(16);
    else throw new ProtocolError("out-of-range", `A word holds an unsigned integer; got ${value}.`);
    if (digits.length > 64)
      throw new ProtocolError("out-of-range", `A word holds at most 32 bytes; got ${digits.length / 2}.`);
    bytes.set(hexToBytes(`0x${digits.padStart(64, "0")}`), 32 * index);
  });
  return bytes;
}

/** Orders addresses and digests as numbers: negative when `a` comes first. Both have the same length. */
export function compareHex(a: Hex, b: Hex): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** @returns whether both are the same bytes, whatever their case. */
export function sameHex(a: Hex, b: Hex): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
