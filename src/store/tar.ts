/** Archives in the tar format (POSIX.1-1988 "ustar", with GNU's binary sizes for files of 8 GiB and more), as streams: one file in memory never. */
import { readerOf } from "./chunks.ts";
import { StoreError } from "./errors.ts";

export type TarEntry = {
  /** Below the archive's root, with slashes: no empty part, no `.` or `..`. A folder's has a slash at its end, and no bytes. */
  readonly name: string;
  readonly bytes: number;
  /** Permissions. */
  readonly mode: number;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
};

const blockBytes = 512;
const namePattern = /^(?!\.{1,2}(\/|$))[^/\0\\]+(\/(?!\.{1,2}(\/|$))[^/\0\\]+)*\/?$/;

/** @throws StoreError `archive-invalid` when a file has another length than its entry says, or its name does not fit */
export async function* writeTar(
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): AsyncGenerator<Uint8Array> {
  for await (const { name, bytes, mode, content } of entries) {
    yield header(name, bytes, mode);
    let written = 0;
    for await (const piece of content) {
      written += piece.length;
      if (written > bytes) break;
      yield piece;
    }
    if (written !== bytes)
      throw new StoreError(
        "archive-invalid",
        `${name} changed while it was archived: expected ${bytes} bytes, got ${written > bytes ? "more" : written}. Try again.`,
      );
    yield new Uint8Array((blockBytes - (bytes % blockBytes)) % blockBytes);
  }
  yield new Uint8Array(2 * blockBytes);
}

function header(name: string, bytes: number, mode: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const [prefix, rest] = splitName(name);
  block.write(rest, 0);
  block.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  block.write(`${"0".repeat(7)}\0${"0".repeat(7)}\0`, 108);
  if (bytes < 8 ** 11) block.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124);
  else {
    block[124] = 0x80;
    block.writeUIntBE(bytes, 130, 6);
  }
  // No times: the same files make the same archive.
  block.write(`${"0".repeat(11)}\0`, 136);
  block.write(name.endsWith("/") ? "5" : "0", 156);
  block.write("ustar\x0000", 257);
  block.write(prefix, 345);
  block.write(`${sumOf(block).toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function splitName(name: string): [prefix: string, rest: string] {
  const fits = (prefix: string, rest: string) =>
    Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(rest) <= 100;
  if (namePattern.test(name)) {
    if (fits("", name)) return ["", name];
    for (let at = name.indexOf("/"); at > 0; at = name.indexOf("/", at + 1))
      if (fits(name.slice(0, at), name.slice(at + 1))) return [name.slice(0, at), name.slice(at + 1)];
  }
  throw new StoreError(
    "archive-invalid",
    `The name "${name}" does not fit into an archive: at most 100 bytes after a folder of at most 155.`,
  );
}

/** The sum of a header's bytes, its own field counted as spaces. */
function sumOf(block: Buffer): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}

/**
 * Reads an archive. Each entry's content is to be read to its end before the next entry is asked for.
 *
 * @throws StoreError `archive-invalid` for what is no archive, is cut off, or names a file outside of it
 */
export async function* readTar(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<TarEntry> {
  const reader = readerOf(pieces);
  const take = async (bytes: number): Promise<Buffer> => {
    const head = await reader.take(bytes);
    if (head.length < bytes)
      throw new StoreError(
        "archive-invalid",
        `The archive is cut off: expected ${bytes} more bytes, got ${head.length}. Take another copy.`,
      );
    return head;
  };
  for (;;) {
    const block = await take(blockBytes);
    if (block.every((byte) => byte === 0)) break;
    const text = (from: number, bytes: number) =>
      block.toString("utf8", from, from + bytes).replace(/\0.*$/s, "");
    const prefix = text(345, 155);
    const name = prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`;
    const bytes =
      (block[124] as number) & 0x80 ? block.readUIntBE(130, 6) : Number.parseInt(text(124, 12), 8);
    const mode = Number.parseInt(text(100, 8), 8);
    if (
      Number.parseInt(text(148, 8), 8) !== sumOf(block) ||
      (name.endsWith("/") ? block[156] !== 0x35 || bytes > 0 : block[156] !== 0x30 && block[156] !== 0) ||
      !namePattern.test(name) ||
      !Number.isSafeInteger(bytes) ||
      bytes < 0 ||
      !Number.isSafeInteger(mode)
    )
      throw new StoreError(
        "archive-invalid",
        "The archive holds an entry that is damaged or no plain file below it. Take another copy.",
      );
    let left = bytes;
    const content = async function* () {
      while (left > 0) {
        const piece = await take(Math.min(left, 2 ** 16));
        left -= piece.length;
        yield piece;
      }
    };
    yield { name, bytes, mode: mode & 0o777, content: content() };
    if (left > 0) throw new Error(`${name} was not read to its end`);
    await take((blockBytes - (bytes % blockBytes)) % blockBytes);
  }
  await take(blockBytes);
}
