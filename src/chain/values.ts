import type { Hex } from "viem";

const evenHex = /^0x(?:[0-9a-fA-F]{2})+$/;

/** True for hex of at least one whole byte. */
export function isRawTransaction(value: unknown): value is Hex {
  return typeof value === "string" && evenHex.test(value);
}
