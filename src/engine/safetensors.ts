/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes.
 * Reads f32, f16 and bf16 into float32; writes f32 or f16.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";

export type TensorData = { readonly data: Float32Array; readonly shape: readonly number[] };

export class CheckpointError extends Error {
  override name = "CheckpointError";
}

const entry = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const header = z.record(z.string(), z.unknown());

const widths: Record<string, number> = { F32: 4, F16: 2, BF16: 2 };
const headerLimit = 100 * 1024 * 1024;

/** @throws CheckpointError when the bytes are not a whole safetensors file of a supported type */
export function parseSafetensors(bytes: Uint8Array, name: string): Map<string, TensorData> {
  const torn = (what: string) =>
    new CheckpointError(`${name} is not a whole safetensors file: ${what}. Copy or download it again.`);
  if (bytes.length < 8) throw torn(`it has ${bytes.length} bytes, fewer than its 8-byte header length`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > headerLimit || 8 + length > bytes.length)
    throw torn(`its header should have ${length} bytes, the file has ${bytes.length}`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (cause) {
    throw torn(`its header is not JSON (${(cause as Error).message})`);
  }
  const parsed = header.safeParse(json);
  if (!parsed.success) throw torn("its header is not a JSON object");
  const base = 8 + length;
  const tensors = new Map<string, TensorData>();
  for (const [key, value] of Object.entries(parsed.data)) {
    if (key === "__metadata__") continue;
    const item = entry.safeParse(value);
    if (!item.success) throw torn(`the entry of tensor "${key}" is malformed`);
    const {
      dtype,
      shape,
      data_offsets: [start, end],
    } = item.data;
    const width = widths[dtype];
    if (width === undefined)
      throw new CheckpointError(
        `${name}: tensor "${key}" has type ${dtype}. Supported: ${Object.keys(widths).join(", ")}.`,
      );
    const elements = shape.reduce((product, n) => product * n, 1);
    if (end - start !== elements * width)
      throw torn(
        `tensor "${key}" of shape [${shape}] needs ${elements * width} bytes, its entry gives ${end - start}`,
      );
    if (base + end > bytes.length)
      throw torn(`tensor "${key}" should end at byte ${base + end}, the file ends at ${bytes.length}`);
    tensors.set(key, { data: toFloat32(bytes.subarray(base + start, base + end), dtype), shape });
  }
  return tensors;
}

export function readSafetensors(path: string): Map<string, TensorData> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return parseSafetensors(bytes, path);
}

function toFloat32(bytes: Uint8Array, dtype: string): Float32Array {
  const copy = new Uint8Array(bytes); // aligned; a Buffer's slice would share its memory
  if (dtype === "F32") return new Float32Array(copy.buffer);
  const halves = new Uint16Array(copy.buffer);
  if (dtype === "BF16") {
    const bits = new Uint32Array(halves.length);
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
    return new Float32Array(bits.buffer);
  }
  return Float32Array.from(halves, fromHalf);
}

/** IEEE 754 binary16 → number. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

/** float32 → IEEE 754 binary16, rounding to nearest, ties to even. */
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

/**
 * Serialises tensors in the order given; the header is padded so that data starts at a multiple of 8. The same tensors give the same
 * bytes, so the file's digest identifies them.
 */
export function formatSafetensors(
  tensors: Iterable<readonly [string, TensorData]>,
  dtype: "F32" | "F16",
  metadata: Record<string, string> = { format: "pt" },
): Uint8Array {
  const entries: Record<string, unknown> = { __metadata__: metadata };
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const [name, { data, shape }] of tensors) {
    const bytes =
      dtype === "F32"
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(Uint16Array.from(data, toHalf).buffer);
    entries[name] = { dtype, shape: [...shape], data_offsets: [at, at + bytes.length] };
    chunks.push(bytes);
    at += bytes.length;
  }
  const json = JSON.stringify(entries);
  const padded = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const file = new Uint8Array(8 + padded.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded.length), true);
  file.set(padded, 8);
  let offset = 8 + padded.length;
  for (const chunk of chunks) {
    file.set(chunk, offset);
    offset += chunk.length;
  }
  return file;
}
