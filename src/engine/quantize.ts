/**
 * Weights in 8 or 4 bits, one scale for a short run of a row (a block): what ONNX Runtime's `MatMulNBits` multiplies by.
 *
 * A code c in 0 … 2^bits − 1 stands for (c − zero) · scale. Blocks run along `in`; the last one of a row is filled up with zeros.
 * In 4 bits two codes share a byte, the first of them in the low half.
 */

/** What a base is held in while serving: its linear weights at least. Adapters, training and gradients are float32 always. */
export const precisions = ["f32", "int8", "int4"] as const;
export type Precision = (typeof precisions)[number];

export type QuantizeOptions = {
  readonly bits: 4 | 8;
  /** Weights that share a scale: a power of two, 16 at least. */
  readonly block: number;
  /** Every block has a zero of its own, so that its codes span exactly its weights; otherwise zero is the middle, 2^(bits − 1). */
  readonly asymmetric: boolean;
};

/** A matrix `[out, in]` in codes; with n = ceil(in / block) blocks in a row. */
export type QuantizedMatrix = {
  readonly bits: 4 | 8;
  readonly block: number;
  readonly shape: readonly [out: number, inp: number];
  /** `[out, n, block · bits / 8]`. */
  readonly codes: Uint8Array;
  /** `[out, n]`. */
  readonly scales: Float32Array;
  /** `[out, ceil(n · bits / 8)]`, packed as codes are; left out where zero is the middle. */
  readonly zeros?: Uint8Array;
};

/** Adding and taking this away again rounds a number below 2^51 to an integer: several times faster than Math.round. */
const toInteger = 1.5 * 2 ** 52;

/**
 * Rounds a weight to codes. No element moves by more than half its block's scale, and zeros stay zeros.
 *
 * Trying several scales a block for the least squared error was measured and left out: it makes symmetric 4-bit codes as good as
 * asymmetric ones, which need one attempt.
 *
 * @throws RangeError when the weight has a NaN or an infinity, or is not of this shape
 */
export function quantize(
  weight: Float32Array,
  shape: readonly [out: number, inp: number],
  { bits, block, asymmetric }: QuantizeOptions,
): QuantizedMatrix {
  const [out, inp] = shape;
  if (weight.length !== out * inp)
    throw new RangeError(`A weight of ${weight.length} elements does not have the shape [${shape}].`);
  const perRow = Math.ceil(inp / block);
  const perByte = 8 / bits;
  const top = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const codes = new Uint8Array(out * perRow * (block / perByte));
  const scales = new Float32Array(out * perRow);
  const zeroBytes = Math.ceil(perRow / perByte);
  const zeros = asymmetric ? new Uint8Array(out * zeroBytes) : undefined;
  for (let row = 0; row < out; row++)
    for (let b = 0; b < perRow; b++) {
      const from = row * inp + b * block;
      const end = Math.min(from + block, (row + 1) * inp);
      let low = 0;
      let high = 0;
      let sum = 0;
      for (let i = from; i < end; i++) {
        const value = weight[i] as number;
        sum += value;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (!Number.isFinite(sum))
        throw new RangeError(
          `Only finite weights can be quantized; there is a NaN or an infinity in row ${row}, columns ${b * block} to ${end - 1 - row * inp}.`,
        );
      const at = row * perRow + b;
      const scale = Math.fround(asymmetric ? (high - low) / top : Math.max(high, -low) / (middle - 1));
      scales[at] = scale;
      const inverse = scale === 0 ? 0 : 1 / scale;
      const zero = asymmetric ? Math.round(-low * inverse) : middle;
      if (zeros !== undefined) {
        const byte = row * zeroBytes + Math.floor(b / perByte);
        zeros[byte] = (zeros[byte] as number) | (zero << ((b % perByte) * bits));
      }
      for (let i = 0; i < block; i++) {
        const value = from + i < end ? (weight[from + i] as number) : 0;
        const code = Math.min(top, value * inverse + zero + toInteger - toInteger);
        if (bits === 8) codes[at * block + i] = code;
        else {
          const byte = (at * block + i) >> 1;
          codes[byte] = (codes[byte] as number) | (code << ((i & 1) * 4));
        }
      }
    }
  return { bits, block, shape, codes, scales, ...(zeros === undefined ? {} : { zeros }) };
}

/** The weight `[out, in]` that the codes stand for. */
export function dequantize({ bits, block, shape, codes, scales, zeros }: QuantizedMatrix): Float32Array {
  const [out, inp] = shape;
  const perRow = Math.ceil(inp / block);
  const zeroBytes = Math.ceil((perRow * bits) / 8);
  /** Code `i` of those packed from `start`. */
  const code = (bytes: Uint8Array, start: number, i: number) =>
    bits === 8 ? (bytes[start + i] as number) : ((bytes[start + (i >> 1)] as number) >> ((i & 1) * 4)) & 15;
  const weight = new Float32Array(out * inp);
  for (let row = 0; row < out; row++)
    for (let i = 0; i < inp; i++) {
      const b = Math.floor(i / block);
      const zero = zeros === undefined ? 2 ** (bits - 1) : code(zeros, row * zeroBytes, b);
      const c = code(codes, (row * perRow * block * bits) / 8, i);
      weight[row * inp + i] = (c - zero) * (scales[row * perRow + b] as number);
    }
  return weight;
}
