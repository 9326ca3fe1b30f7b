import { z } from "zod";
import type { Address, Digest, Hex } from "./bytes.ts";

/** The same schema with the narrower type of hex: its pattern guarantees what the type says. */
function hex<T extends Hex>(schema: z.ZodString): z.ZodType<T, T> {
  return schema as unknown as z.ZodType<T, T>;
}

/** 32 bytes as `0x` and 64 lower-case hex digits. */
export const digestSchema = hex<Digest>(
  z.string().regex(/^0x[0-9a-f]{64}$/, "expected 0x and 64 lower-case hex digits"),
);

/** 20 bytes as `0x` and 40 lower-case hex digits: hashed JSON has one way to write an address. */
export const addressSchema = hex<Address>(
  z.string().regex(/^0x[0-9a-f]{40}$/, "expected 0x and 40 lower-case hex digits"),
);

/** Bytes as lower-case hex, from `min` to `max` of them. */
export function bytesSchema(min: number, max: number): z.ZodType<Hex, Hex> {
  return hex<Hex>(
    z
      .string()
      .max(2 + 2 * max)
      .min(2 + 2 * min)
      .regex(/^0x([0-9a-f]{2})*$/, "expected 0x and lower-case hex digits in pairs"),
  );
}

/** A whole number from 0 to 2³² − 1. */
export const uint32Schema = z.int().min(0).max(0xffff_ffff);

/** The decimal form of an unsigned integer of at most 256 bits, without leading zeros. */
export const decimalSchema = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,77})$/, "expected a decimal integer without leading zeros");

/** wei: a decimal string in JSON, a bigint decoded. */
export const weiSchema = z.codec(
  decimalSchema,
  z
    .bigint()
    .min(0n)
    .max(2n ** 256n - 1n),
  {
    decode: (text) => BigInt(text),
    encode: (value) => value.toString(),
  },
);

/** A signed 64-bit integer: a decimal string in JSON, a bigint decoded. */
export const int64Schema = z.codec(
  z.string().regex(/^(0|-?[1-9][0-9]{0,18})$/, "expected a decimal integer without leading zeros"),
  z
    .bigint()
    .min(-(2n ** 63n))
    .max(2n ** 63n - 1n),
  { decode: (text) => BigInt(text), encode: (value) => value.toString() },
);

/** Seconds since the epoch: an integer in JSON, a bigint decoded, as the chain's uint64. */
export const secondsSchema = z.codec(
  z.int().min(0),
  z.bigint().min(0n).max(BigInt(Number.MAX_SAFE_INTEGER)),
  {
    decode: (value) => BigInt(value),
    encode: (value) => Number(value),
  },
);

/** A decimal fraction written as text, because floating point is never hashed: `0.2`, `1e-4` is not allowed. */
export const fractionSchema = z
  .string()
  .regex(/^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,60})?$/, "expected a decimal fraction such as 0.0001");

/** Plain JSON that may be hashed: strings, integers, booleans, null, arrays and objects of them. */
export type HashableJson =
  | string
  | number
  | boolean
  | null
  | HashableJson[]
  | { [key: string]: HashableJson };

export const hashableSchema: z.ZodType<HashableJson> = z.lazy(() =>
  z.union([
    z.string(),
    z.int(),
    z.boolean(),
    z.null(),
    z.array(hashableSchema),
    z.record(z.string(), hashableSchema),
  ]),
);
