import { createKeccak } from "hash-wasm";
import { keccak256 } from "viem/utils";

/** One WebAssembly hasher for all, ready before anyone asks; none where a page's policy or the engine forbids WebAssembly. */
const hasher = await createKeccak(256).catch(() => undefined);

/** @returns the 32 bytes of Keccak-256, Ethereum's (padding 0x01; SHA3-256 has 0x06). */
export function keccak(bytes: Uint8Array): Uint8Array {
  if (hasher === undefined) return keccak256(bytes, "bytes");
  return hasher.init().update(bytes).digest("binary");
}
