import { crc32 } from "node:zlib";
import { bytesToHex, type Hex, hexToBytes } from "viem";
import { z } from "zod";

/** What the first record of a log says: everything that replay needs and that must never change. */
const logHeaderSchema = z.object({
  format: z.literal(1),
  chainId: z.number().int().positive(),
  hardfork: z.string(),
  /** Versions of the engine that made the log; later ones are noted by `engine` records. */
  engine: z.string(),
  /** Seconds since the Unix epoch. */
  genesisTimestampSec: z.number().int().nonnegative(),
  /** Address → wei, as decimal strings. */
  genesis: z.record(z.string(), z.string().regex(/^\d+$/)),
  feeCollector: z.string(),
  blockGasLimit: z.string().regex(/^\d+$/),
  /** Random; seeds every checksum, so that nobody can craft a transaction whose bytes look like a record. */
  salt: z.string().regex(/^0x[0-9a-f]{32}$/),
});
export type LogHeader = z.infer<typeof logHeaderSchema>;

/**
 * A record after the header. A `block` is written before it is mined, so the hash it will have is not known yet: each
 * names its parent's hash instead, and a `seal`, written on a clean close, names the last one's.
 */
export type LogRecord =
  | {
      readonly kind: "block";
      readonly blockNumber: number;
      readonly timestampSec: number;
      readonly parentHash: Hex;
      readonly transactions: readonly Hex[];
    }
  /** The block record before this one could not be mined: replay passes over it. */
  | { readonly kind: "void"; readonly blockNumber: number }
  /** A block is wanted no later than this. */
  | { readonly kind: "deadline"; readonly timestampSec: number }
  | { readonly kind: "seal"; readonly blockNumber: number; readonly blockHash: Hex }
  /** From here on the log was written by this engine. */
  | { readonly kind: "engine"; readonly engine: string };

const kinds = ["header", "block", "void", "deadline", "seal", "engine"] as const;

/** `magic ‖ payload length ‖ record number ‖ CRC-32`, four bytes each, big-endian, then the payload. */
export const frameHeadBytes = 16;
export const frameMagic = 0x4f4c4231;
/** No payload is longer: a length beyond it is damage. */
export const maxPayloadBytes = 32 * 1024 * 1024;

/** Frame a payload as record `number`. */
export function encodeFrame(payload: Uint8Array, number: number, salt: Hex | ""): Buffer {
  const frame = Buffer.alloc(frameHeadBytes + payload.length);
  frame.writeUInt32BE(frameMagic, 0);
  frame.writeUInt32BE(payload.length, 4);
  frame.writeUInt32BE(number, 8);
  frame.set(payload, frameHeadBytes);
  frame.writeUInt32BE(checksum(frame, salt), 12);
  return frame;
}

/** The checksum over salt, length, number and payload of a whole frame. */
export function checksum(frame: Buffer, salt: Hex | ""): number {
  const head = crc32(frame.subarray(4, 12), crc32(salt));
  return crc32(frame.subarray(frameHeadBytes), head);
}

/** Header → payload: a kind byte and JSON. */
export function encodeHeader(header: LogHeader): Buffer {
  return Buffer.concat([Buffer.of(0), Buffer.from(JSON.stringify(header))]);
}

export function decodeHeader(payload: Buffer): LogHeader {
  if (payload[0] !== 0) throw new Error(`the first record is of kind ${payload[0]}, not a header (0)`);
  return logHeaderSchema.parse(JSON.parse(payload.toString("utf8", 1)));
}

/** Record → payload: a kind byte, then fixed-width big-endian fields. */
export function encodeRecord(record: LogRecord): Buffer {
  const kind = Buffer.of(kinds.indexOf(record.kind));
  if (record.kind === "block") {
    const transactions = record.transactions.flatMap((raw) => {
      const bytes = hexToBytes(raw);
      return [uint32(bytes.length), bytes];
    });
    return Buffer.concat([
      kind,
      uint64(record.blockNumber),
      uint64(record.timestampSec),
      hexToBytes(record.parentHash),
      uint32(record.transactions.length),
      ...transactions,
    ]);
  }
  if (record.kind === "void") return Buffer.concat([kind, uint64(record.blockNumber)]);
  if (record.kind === "deadline") return Buffer.concat([kind, uint64(record.timestampSec)]);
  if (record.kind === "seal") {
    return Buffer.concat([kind, uint64(record.blockNumber), hexToBytes(record.blockHash)]);
  }
  return Buffer.concat([kind, Buffer.from(record.engine)]);
}

/** @throws when the payload, though its checksum is right, is not a record of this format */
export function decodeRecord(payload: Buffer): LogRecord {
  const kind = kinds[payload[0] ?? -1];
  if (kind === "void") return { kind, blockNumber: readUint64(payload, 1) };
  if (kind === "deadline") return { kind, timestampSec: readUint64(payload, 1) };
  if (kind === "seal") {
    return { kind, blockNumber: readUint64(payload, 1), blockHash: bytesToHex(payload.subarray(9, 41)) };
  }
  if (kind === "engine") return { kind, engine: payload.toString("utf8", 1) };
  if (kind !== "block") throw new Error(`records of kind ${payload[0]} are not known to format 1`);
  const count = payload.readUInt32BE(49);
  const transactions: Hex[] = [];
  let offset = 53;
  for (let i = 0; i < count; i++) {
    const length = payload.readUInt32BE(offset);
    if (offset + 4 + length > payload.length) throw new Error(`transaction ${i} runs past the record's end`);
    transactions.push(`0x${payload.toString("hex", offset + 4, offset + 4 + length)}`);
    offset += 4 + length;
  }
  if (offset !== payload.length)
    throw new Error(`${payload.length - offset} bytes follow the last transaction`);
  return {
    kind,
    blockNumber: readUint64(payload, 1),
    timestampSec: readUint64(payload, 9),
    parentHash: bytesToHex(payload.subarray(17, 49)),
    transactions,
  };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function readUint64(bytes: Buffer, offset: number): number {
  const value = bytes.readBigUInt64BE(offset);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`${value} is beyond 2^53`);
  return Number(value);
}
