import { open } from "node:fs/promises";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { type FormatLimits, mebibytes } from "./limits.ts";
import { type RecordItem, UnreadableError } from "./source.ts";

const rowsPerGroupMax = 5_000_000;
const footerBytesMax = 64 * 1024 * 1024;

/** A Parquet file's bytes: where it lies, or held. */
export type ParquetBytes = { readonly path: string } | { readonly bytes: Uint8Array };

/**
 * Rows of a Parquet file, one row group after the other.
 *
 * @throws UnreadableError `broken-parquet`, `too-large`
 */
export async function* readParquet(
  file: string,
  given: ParquetBytes,
  limits: FormatLimits,
): AsyncGenerator<RecordItem> {
  await using source = await openBytes(given);
  const metadata = await guarded(() => readMetadata(source.buffer), {});
  const total = metadata.row_groups.length;
  let row = 0;
  for (const [at, group] of metadata.row_groups.entries()) {
    const rows = Number(group.num_rows);
    const where = `Row group ${at + 1} of ${total}`;
    const unpacked = Number(group.total_byte_size);
    if (
      !Number.isSafeInteger(rows) ||
      rows < 0 ||
      rows > rowsPerGroupMax ||
      unpacked > limits.rowGroupBytesMax
    )
      throw new UnreadableError(
        "too-large",
        `${where} holds ${rows} rows that unpack to ${mebibytes(unpacked)}; at most ${rowsPerGroupMax} and ` +
          `${mebibytes(limits.rowGroupBytesMax)} are read at a time. Write the file with smaller row groups.`,
        { row: row + 1 },
      );
    const read = () =>
      parquetReadObjects({
        file: source.buffer,
        metadata,
        rowStart: row,
        rowEnd: row + rows,
        compressors: boundedCompressors(limits.rowGroupBytesMax),
        geoparquet: false,
      });
    const records = await guarded(read, { row: row + 1 }, where);
    if (records.length !== rows)
      throw new UnreadableError(
        "broken-parquet",
        `${where} says it has ${rows} rows, and has ${records.length}.`,
        {
          row: row + 1,
        },
      );
    for (const record of records)
      yield { source: { file, row: ++row }, record: plain(record) as Record<string, unknown> };
  }
}

async function readMetadata(buffer: AsyncBuffer): Promise<FileMetaData> {
  if (buffer.byteLength < 12) throw new RangeError("it is shorter than an empty Parquet file");
  const end = new DataView(await buffer.slice(buffer.byteLength - 8, buffer.byteLength));
  if (end.getUint32(4, true) === 0x45524150) throw new RangeError("its columns are encrypted");
  if (end.getUint32(4, true) !== 0x31524150)
    throw new RangeError("it does not end in PAR1: it was cut short");
  if (end.getUint32(0, true) > footerBytesMax) throw new RangeError("its footer is too long");
  return parquetMetadataAsync(buffer, { geoparquet: false });
}

/** What the library throws about a file's bytes, by name. */
async function guarded<T>(read: () => Promise<T>, place: { row?: number }, where?: string): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UnreadableError) throw error;
    const { message } = error as Error;
    throw new UnreadableError(
      "broken-parquet",
      `${where === undefined ? "The Parquet file" : where} cannot be read: ${message}. Write the file again.`,
      place,
    );
  }
}

/** A page's header says what it unpacks to; it may not say what it likes. */
function boundedCompressors(bytesMax: number): Compressors {
  let total = 0;
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, outputLength: number) => {
        total += outputLength;
        if (!(outputLength >= 0) || total > bytesMax)
          throw new UnreadableError("too-large", `A row group unpacks to more than ${mebibytes(bytesMax)}.`);
        return decompress(input, outputLength);
      },
    ]),
  );
}

/** Values as JSON has them: whole numbers beyond 2^53 and times become text, bytes what they spell. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)].map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

async function openBytes(given: ParquetBytes): Promise<{ buffer: AsyncBuffer } & AsyncDisposable> {
  if ("bytes" in given) {
    const { bytes } = given;
    const slice = (start: number, end = bytes.length) => Uint8Array.from(bytes.subarray(start, end)).buffer;
    return { buffer: { byteLength: bytes.length, slice }, [Symbol.asyncDispose]: async () => {} };
  }
  const handle = await open(given.path);
  const { size } = await handle.stat();
  const slice = async (start: number, end = size) => {
    const bytes = new Uint8Array(Math.max(0, end - start));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
    if (bytesRead !== bytes.length) throw new RangeError("it ends before its footer says");
    return bytes.buffer;
  };
  return { buffer: { byteLength: size, slice }, [Symbol.asyncDispose]: () => handle.close() };
}
