/** The two 16-bit floats checkpoints are stored in: IEEE 754 binary16 and bfloat16, the upper half of a float32. */

/** Every binary16 as a number, by its bits: looking up is 20 times as fast as computing. Made when first needed. */
let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  return Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** binary16 → float32, into `to` from `offset`. */
export function widenHalf(from: Uint16Array, to: Float32Array, offset: number): void {
  halves ??= halfTable();
  for (let i = 0; i < from.length; i++) to[offset + i] = halves[from[i] as number] as number;
}

/** bfloat16 → float32, into `to` from `offset`. */
export function widenBrain(from: Uint16Array, to: Float32Array, offset: number): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length);
  for (let i = 0; i < from.length; i++) bits[offset + i] = (from[i] as number) << 16;
}

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

/** float32 → binary16, rounding to nearest, ties to even. */
export function narrowHalf(from: Float32Array): Uint16Array {
  const to = new Uint16Array(from.length);
  for (let i = 0; i < from.length; i++) to[i] = toHalf(from[i] as number);
  return to;
}

function toHalf(value: number): number {
  floatBits[0] = value;
  const bits = intBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: a multiple of 2⁻²⁴.
    const scaled = Math.abs(floatBits[0] as number) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
  }
  const rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | ((rounded - 0x38000000) >> 13);
}
