import { type FileHandle, open as openFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { ChainLogError } from "./errors.ts";
import {
  checksum,
  decodeHeader,
  decodeRecord,
  encodeFrame,
  encodeHeader,
  encodeRecord,
  frameHeadBytes,
  frameMagic,
  type LogHeader,
  type LogRecord,
  maxPayloadBytes,
} from "./record.ts";

/** The few file operations the log needs; the real ones unless a test makes the disk fail. */
export type LogFile = Pick<FileHandle, "read" | "write" | "datasync" | "truncate" | "stat" | "close">;

/** What replay cut off: a record that was being written when the process or the machine died. */
export type TornTail = {
  readonly recordNumber: number;
  readonly offset: number;
  readonly bytes: number;
  readonly savedAs: string;
};

export type BlockLog = {
  readonly header: LogHeader;
  /** Bytes of whole records. */
  bytes(): number;
  /**
   * Every record after the header, in order; to be read to its end before the first append, and again whenever the
   * chain is made anew. A torn last record is cut off (its bytes are kept beside the log) and reported to `onTorn`.
   * @throws ChainLogError at a damaged record that whole ones follow
   */
  replay(
    onTorn: (torn: TornTail) => void,
  ): AsyncGenerator<{ readonly record: LogRecord; readonly endOffset: number }>;
  /**
   * Write one record and wait until it is on the disk. If that fails the file is cut back to the last whole record,
   * so that a later append may succeed; nothing may be acknowledged meanwhile.
   */
  append(record: LogRecord): Promise<void>;
  /** Write something at the end, flush it and cut it off again: succeeds when an append would. */
  probe(): Promise<void>;
  close(): Promise<void>;
};

/** As much as an ordinary block. */
const probeBytes = 64 * 1024;

/**
 * Open the append-only block log, or make it with the header given.
 *
 * @param path the log's file; its folder exists and is locked by this process
 * @param newHeader called only if there is no log yet
 */
export async function openLog(
  path: string,
  newHeader: () => LogHeader,
  open: (path: string) => Promise<LogFile> = (file) => openFile(file, "r+"),
): Promise<BlockLog> {
  let file: LogFile;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await createLog(path, newHeader());
    file = await open(path);
  }
  const { header, endOffset } = await readHeader(path, file).catch(async (error) => {
    await file.close();
    throw error;
  });
  let end = endOffset;
  let nextNumber = 1;
  let replayed = false;
  /** Something may lie after the last whole record. */
  let uncertain = false;

  async function* replay(onTorn: (torn: TornTail) => void) {
    if (uncertain) await cut();
    replayed = false;
    end = endOffset;
    nextNumber = 1;
    const { size } = await file.stat();
    while (end < size) {
      const frame = await readFrame(file, end, size, header.salt as `0x${string}`);
      if (frame === undefined || frame.readUInt32BE(8) !== nextNumber) {
        await refuseIfDamaged(path, file, end, size, nextNumber, header.salt as `0x${string}`);
        const savedAs = await cutTail(path, file, end, size);
        onTorn({ recordNumber: nextNumber, offset: end, bytes: size - end, savedAs });
        break;
      }
      const record = decode(path, frame, nextNumber, end);
      end += frame.length;
      nextNumber += 1;
      yield { record, endOffset: end };
    }
    replayed = true;
  }

  /** Write bytes after the last whole record and flush them. If that fails they are cut off again, now or next time. */
  async function writeAtEnd(bytes: Buffer): Promise<void> {
    if (uncertain) await cut();
    uncertain = true;
    try {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await file.write(bytes, written, bytes.length - written, end + written);
        written += bytesWritten;
      }
      await file.datasync();
      uncertain = false;
    } catch (error) {
      await cut().catch(() => {});
      throw error;
    }
  }

  async function cut(): Promise<void> {
    await file.truncate(end);
    uncertain = false;
  }

  async function probe(): Promise<void> {
    await writeAtEnd(Buffer.alloc(probeBytes));
    uncertain = true;
    await cut();
  }

  async function append(record: LogRecord): Promise<void> {
    if (!replayed) throw new Error("replay the log before appending to it");
    const frame = encodeFrame(encodeRecord(record), nextNumber, header.salt as `0x${string}`);
    if (frame.length - frameHeadBytes > maxPayloadBytes)
      throw new Error(`a record of ${frame.length} bytes is too long`);
    await writeAtEnd(frame);
    end += frame.length;
    nextNumber += 1;
  }

  return { header, bytes: () => end, replay, append, probe, close: () => file.close() };
}

/** The header is written whole under another name first, so a log without a whole header never exists. */
async function createLog(path: string, header: LogHeader): Promise<void> {
  const file = await openFile(`${path}.new`, "w");
  await file.writeFile(encodeFrame(encodeHeader(header), 0, ""));
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
  const folder = await openFile(dirname(path), "r");
  await folder.sync();
  await folder.close();
}

async function readHeader(path: string, file: LogFile): Promise<{ header: LogHeader; endOffset: number }> {
  const { size } = await file.stat();
  const frame = await readFrame(file, 0, size, "");
  if (frame === undefined) throw damaged(path, 0, 0, "the header's checksum is wrong");
  try {
    return { header: decodeHeader(frame.subarray(frameHeadBytes)), endOffset: frame.length };
  } catch (error) {
    throw damaged(path, 0, 0, (error as Error).message);
  }
}

/** The whole frame at `offset`, or undefined if there is none: wrong magic, too short a file, or a wrong checksum. */
async function readFrame(
  file: LogFile,
  offset: number,
  size: number,
  salt: `0x${string}` | "",
): Promise<Buffer | undefined> {
  if (offset + frameHeadBytes > size) return undefined;
  const head = await readBytes(file, offset, frameHeadBytes);
  const length = head.readUInt32BE(4);
  if (head.readUInt32BE(0) !== frameMagic || length > maxPayloadBytes) return undefined;
  if (offset + frameHeadBytes + length > size) return undefined;
  const frame = await readBytes(file, offset, frameHeadBytes + length);
  return frame.readUInt32BE(12) === checksum(frame, salt) ? frame : undefined;
}

async function readBytes(file: LogFile, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0)
      throw new ChainLogError(`The block log ended at byte ${offset + filled} while it was read.`);
    filled += bytesRead;
  }
  return bytes;
}

/**
 * A torn record is the last thing in the file and no longer than one append. If a whole record follows, or more lies
 * there than one append could have left, acknowledged blocks are damaged and cutting would lose them.
 */
async function refuseIfDamaged(
  path: string,
  file: LogFile,
  offset: number,
  size: number,
  recordNumber: number,
  salt: `0x${string}`,
): Promise<void> {
  if (size - offset > frameHeadBytes + maxPayloadBytes) {
    throw damaged(
      path,
      recordNumber,
      offset,
      `${size - offset} unreadable bytes follow, more than one record can have`,
    );
  }
  const rest = await readBytes(file, offset, size - offset);
  const magic = Buffer.alloc(4);
  magic.writeUInt32BE(frameMagic);
  for (let at = rest.indexOf(magic); at >= 0; at = rest.indexOf(magic, at + 1)) {
    const frame = await readFrame(file, offset + at, size, salt);
    if (frame === undefined) continue;
    const found = frame.readUInt32BE(8);
    throw damaged(
      path,
      recordNumber,
      offset,
      `its checksum or number is wrong, and record ${found} is whole at byte ${offset + at}`,
    );
  }
}

async function cutTail(path: string, file: LogFile, offset: number, size: number): Promise<string> {
  const savedAs = `${path}.torn-${offset}`;
  const copy = await openFile(savedAs, "w");
  await copy.writeFile(await readBytes(file, offset, size - offset));
  await copy.sync();
  await copy.close();
  await file.truncate(offset);
  await file.datasync();
  return savedAs;
}

function decode(path: string, frame: Buffer, recordNumber: number, offset: number): LogRecord {
  try {
    return decodeRecord(frame.subarray(frameHeadBytes));
  } catch (error) {
    throw damaged(path, recordNumber, offset, (error as Error).message);
  }
}

function damaged(path: string, recordNumber: number, offset: number, found: string): ChainLogError {
  return new ChainLogError(
    `The block log ${path} is damaged at record ${recordNumber}, byte ${offset}: ${found}. ` +
      `Nothing was changed. Restore the file from a backup (every record up to ${recordNumber - 1} is intact); ` +
      `do not cut it, because the blocks after this one were acknowledged to their senders.`,
  );
}
