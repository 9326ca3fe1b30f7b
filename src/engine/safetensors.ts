/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes without gaps.
 * Reads f32, f16 and bf16 into float32; writes f32 or f16.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { z } from "zod";
import { narrowHalf, widenBrain, widenHalf } from "./half.ts";

export type TensorData = { readonly data: Float32Array; readonly shape: readonly number[] };

export class CheckpointError extends Error {
  override name = "CheckpointError";
}

/** Bytes of one element of every type the format knows. A file may hold any; only floats of up to 32 bits are read. */
const widths: Record<string, number> = {
  ...{ BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I16: 2, U16: 2, F16: 2, BF16: 2 },
  ...{ I32: 4, U32: 4, F32: 4, I64: 8, U64: 8, F64: 8 },
};
const readable = ["F32", "F16", "BF16"];
const headerLimit = 100 * 1024 * 1024;
/** Bytes read at once. */
const chunk = 1 << 20;

/** Where the bytes come from. `read` fills `into` from position `from`, which lies inside. */
type Source = {
  readonly name: string;
  readonly length: number;
  read(into: Uint8Array, from: number): void;
};

type Entry = {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the file's start. */
  readonly start: number;
  readonly end: number;
};

const natural = z.number().int().nonnegative();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(natural).max(16),
  data_offsets: z.tuple([natural, natural]),
});

const torn = (name: string, what: string) =>
  new CheckpointError(`${name} is not a whole safetensors file: ${what}. Copy or download it again.`);

/** The tensors a file says it holds, after checking that they fill it without gaps, overlaps or anything behind. */
function readHeader({ name, length: fileLength, read }: Source): Map<string, Entry> {
  if (fileLength < 8) throw torn(name, `it has ${fileLength} bytes, fewer than its 8-byte header length`);
  const prefix = new Uint8Array(8);
  read(prefix, 0);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > headerLimit || 8 + length > fileLength)
    throw torn(name, `its header should have ${length} bytes, the file has ${fileLength}`);
  const bytes = new Uint8Array(length);
  read(bytes, 8);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw torn(name, `its header is not JSON (${(cause as Error).message})`);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw torn(name, "its header is not a JSON object");
  const base = 8 + length;
  const entries: [string, Entry][] = [];
  for (const [key, value] of Object.entries(json)) {
    if (key === "__metadata__") continue;
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) throw torn(name, `the entry of tensor "${key}" is malformed`);
    const { dtype, shape, data_offsets: offsets } = parsed.data;
    const width = widths[dtype];
    if (width === undefined) throw unreadable(name, key, dtype);
    const needed = shape.reduce((product, n) => product * n, width);
    if (offsets[1] - offsets[0] !== needed)
      throw torn(
        name,
        `tensor "${key}" of shape [${shape}] needs ${needed} bytes, its entry gives ${offsets[1] - offsets[0]}`,
      );
    if (base + offsets[1] > fileLength)
      throw torn(
        name,
        `tensor "${key}" should end at byte ${base + offsets[1]}, the file ends at ${fileLength}`,
      );
    entries.push([key, { dtype, shape, start: base + offsets[0], end: base + offsets[1] }]);
  }
  let end = base;
  for (const [key, entry] of entries.toSorted(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end)
      throw torn(name, `tensor "${key}" starts at byte ${entry.start}, where ${end} was expected`);
    end = entry.end;
  }
  if (end !== fileLength) throw torn(name, `its tensors end at byte ${end}, the file at ${fileLength}`);
  return new Map(entries);
}

const unreadable = (name: string, key: string, dtype: string) =>
  new CheckpointError(`${name}: tensor "${key}" has type ${dtype}. Supported: ${readable.join(", ")}.`);

/** Reads one tensor into float32, holding no more than a chunk of the file beside it. */
function readTensor(source: Source, key: string, { dtype, shape, start, end }: Entry): TensorData {
  if (!readable.includes(dtype)) throw unreadable(source.name, key, dtype);
  const data = new Float32Array((end - start) / (widths[dtype] as number));
  if (dtype === "F32") {
    const bytes = new Uint8Array(data.buffer);
    for (let at = 0; at < bytes.length; at += chunk) source.read(bytes.subarray(at, at + chunk), start + at);
    return { data, shape };
  }
  const widen = dtype === "BF16" ? widenBrain : widenHalf;
  const halves = new Uint16Array(Math.min(chunk / 2, data.length));
  for (let at = 0; at < data.length; at += halves.length) {
    const part = halves.subarray(0, Math.min(halves.length, data.length - at));
    source.read(new Uint8Array(part.buffer, 0, part.byteLength), start + at * 2);
    widen(part, data, at);
  }
  return { data, shape };
}

function readAll(source: Source): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  for (const [key, entry] of readHeader(source)) tensors.set(key, readTensor(source, key, entry));
  return tensors;
}

/** @throws CheckpointError when the bytes are not a whole safetensors file of a supported type */
export const parseSafetensors = (bytes: Uint8Array, name: string): Map<string, TensorData> =>
  readAll({
    name,
    length: bytes.length,
    read: (into, from) => into.set(bytes.subarray(from, from + into.length)),
  });

/** A file whose header has been read and checked; its tensors are read one by one, at their places. */
export type SafetensorsFile = {
  readonly path: string;
  /** The tensors in it, by name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** @throws CheckpointError when there is no such tensor, it is of a type that is not read, or the file shrank */
  read(name: string): TensorData;
  close(): void;
};

/** @throws CheckpointError when the file cannot be read or is not a whole safetensors file */
export function openSafetensors(path: string): SafetensorsFile {
  const { source, close } = openSource(path);
  try {
    const entries = readHeader(source);
    return {
      path,
      shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
      read(name) {
        const entry = entries.get(name);
        if (entry === undefined) throw new CheckpointError(`${path} has no tensor "${name}".`);
        return readTensor(source, name, entry);
      },
      close,
    };
  } catch (cause) {
    close();
    throw cause;
  }
}

/** @throws CheckpointError as {@link openSafetensors} */
export function readSafetensors(path: string): Map<string, TensorData> {
  const { source, close } = openSource(path);
  try {
    return readAll(source);
  } finally {
    close();
  }
}

function openSource(path: string): { source: Source; close(): void } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  const { size: length } = fstatSync(file);
  return {
    source: {
      name: path,
      length,
      read(into, from) {
        for (let at = 0; at < into.length; ) {
          const count = readSync(file, into, at, into.length - at, from + at);
          if (count === 0) throw torn(path, `it ends at byte ${from + at}, having had ${length}`);
          at += count;
        }
      },
    },
    close: () => closeSync(file),
  };
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
        : new Uint8Array(narrowHalf(data).buffer);
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
