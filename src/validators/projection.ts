/**
 * What a validator shows to have run the model: its gradient on 64 directions that nobody could choose, drawn from batch and receipt. The
 * published q says nothing of them, so who did not compute the gradient has nothing to show.
 */
import { concat, encodePacked, type Hex, keccak256, toBytes } from "viem";
import { bytesDigest, type Digest, decodeRow, encodeRow } from "../protocol/index.ts";
import { relativeDistance, tolerance } from "./tolerance.ts";

/** Directions of a projection. */
export const projectionSize = 64;

/** @returns keccak256(batch id ‖ uint32 receipt) */
export const projectionSeed = (batchId: Digest, receipt: number): Digest =>
  keccak256(encodePacked(["bytes32", "uint32"], [batchId, receipt]));

/**
 * Signs of direction i are the bits of keccak256(seed ‖ uint32 i ‖ uint32 block), the most significant first, 256 to a block: 1 adds the number, 0
 * subtracts it. The sums, in float64 from the first number on, are rounded to int16 with the largest becoming 32,767.
 *
 * @param gradient `[p]`, raw
 * @returns 128 bytes: 64 big-endian int16; digest it for the chain
 */
export function projectGradient(gradient: Float32Array, seed: Digest): Uint8Array {
  const sums = new Float64Array(projectionSize);
  const at = new Uint8Array(8);
  const view = new DataView(at.buffer);
  const seedBytes = toBytes(seed);
  for (let direction = 0; direction < projectionSize; direction++) {
    view.setUint32(0, direction);
    let sum = 0;
    for (let block = 0; block * 256 < gradient.length; block++) {
      view.setUint32(4, block);
      const bits = keccak256(concat([seedBytes, at]), "bytes");
      const end = Math.min(256, gradient.length - block * 256);
      for (let i = 0; i < end; i++) {
        const value = gradient[block * 256 + i] as number;
        sum += ((bits[i >> 3] as number) >> (7 - (i & 7))) & 1 ? value : -value;
      }
    }
    sums[direction] = sum;
  }
  const largest = sums.reduce((most, sum) => Math.max(most, Math.abs(sum)), 0);
  return encodeRow(
    Int16Array.from(sums, (sum) => (largest === 0 ? 0 : Math.round((sum / largest) * 32_767))),
  );
}

/** Who shows the same gradient is within one `nearPart`th of the other's length; who is farther than one `farPart`th has computed another. */
export const [nearPart, farPart] = [4, 2];

/** Whether ‖a − b‖ is at most one `part`th of ‖b‖, as `Projections.sol` has it; never of nothing: those who show none agree on none. */
export function isWithin(a: Uint8Array, b: Uint8Array, part: number): boolean {
  if (a.length !== b.length || b.length === 0) return false;
  const [rowA, rowB] = [decodeRow(a), decodeRow(b)];
  let [apart, length] = [0, 0];
  for (let i = 0; i < rowB.length; i++) {
    const [x, y] = [rowA[i] as number, rowB[i] as number];
    apart += (x - y) ** 2;
    length += y ** 2;
  }
  return length !== 0 && part * part * apart <= length;
}

/** Whether a projection is of this gradient: near enough to the one computed here, and what its digest on chain stands for. */
export function isProjectionOf(shown: Hex, digest: Digest, computed: Uint8Array): boolean {
  const bytes = toBytes(shown);
  if (bytes.length !== 2 * projectionSize || bytesDigest(bytes) !== digest) return false;
  return relativeDistance(decodeRow(bytes), decodeRow(computed)) <= tolerance.distance;
}
