/**
 * A span index as a file. Numbers are little-endian.
 *
 *     header      128 bytes
 *     text        coded words (words.ts), then zeros up to a multiple of four
 *     suffixes    u32 for each word: positions in the text, their suffixes ascending by bytes
 *     documents   four columns of u32: first byte in the text (ascending), source, row, contributor
 *     about       JSON: {@link About}
 *
 * The header: magic `OLSPANS\n`, version u32, u32 zero, bytes of the text u64, words u64, documents u32, bytes of `about` u32, 24 zeros,
 * SHA-256 of everything after the header, SHA-256 of the 96 bytes before. So a file that is cut short or changed in any bit is told.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { z } from "zod";
import { addressSchema } from "../../protocol/index.ts";
import { readWhole } from "./pages.ts";

export const headerBytes = 128;
const version = 1;
const magic = Buffer.from("OLSPANS\n", "latin1");
/** Positions are u32. */
export const textBytesMax = 2 ** 32 - 1;
export const documentsMax = 2 ** 24;
const aboutBytesMax = 2 ** 28;

/** Why there is no index to search, or none can be made. */
export class SpanIndexError extends Error {
  override name = "SpanIndexError";
  readonly code: "not-an-index" | "other-version" | "cut-short" | "altered" | "too-large";

  constructor(code: SpanIndexError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** A Datanet version whose rows were indexed. */
export const spanSourceSchema = z.strictObject({
  datanetId: z.string().regex(/^(0|[1-9]\d{0,77})$/),
  version: z.int().min(0).max(0xffff_ffff),
  /** SPDX identifier. */
  license: z.string().min(1).max(64),
});
export type SpanSource = z.infer<typeof spanSourceSchema>;

const aboutSchema = z.strictObject({
  schema: z.literal("openledger/spans/1"),
  sources: z.array(spanSourceSchema).max(65_536),
  contributors: z.array(addressSchema),
});
export type About = z.infer<typeof aboutSchema>;

export type Layout = {
  readonly textBytes: number;
  readonly words: number;
  readonly documents: number;
  readonly aboutBytes: number;
  /** Offsets in the file. */
  readonly text: number;
  readonly suffixes: number;
  readonly columns: number;
  readonly about: number;
  readonly end: number;
};

/** Where everything lies. */
export function layoutOf(lengths: Pick<Layout, "textBytes" | "words" | "documents" | "aboutBytes">): Layout {
  const suffixes = headerBytes + 4 * Math.ceil(lengths.textBytes / 4);
  const columns = suffixes + 4 * lengths.words;
  const about = columns + 16 * lengths.documents;
  return { ...lengths, text: headerBytes, suffixes, columns, about, end: about + lengths.aboutBytes };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/** @param content - SHA-256 of everything after the header */
export function encodeHeader(layout: Layout, content: Uint8Array): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32LE(version, 8);
  header.writeBigUInt64LE(BigInt(layout.textBytes), 16);
  header.writeBigUInt64LE(BigInt(layout.words), 24);
  header.writeUInt32LE(layout.documents, 32);
  header.writeUInt32LE(layout.aboutBytes, 36);
  header.set(content, 64);
  header.set(sha256(header.subarray(0, 96)), 96);
  return header;
}

const mend = "Build it again from the release's Datanet versions, or fetch it again.";

/**
 * Reads the header and checks the file against it, every byte.
 *
 * @param name - what to call the file in errors
 * @throws SpanIndexError, saying what is wrong with the file
 */
export function readLayout(file: number, name: string): Layout {
  const actual = fstatSync(file).size;
  const header = Buffer.alloc(headerBytes);
  const read = readSync(file, header, 0, headerBytes, 0);
  if (read < magic.length || !header.subarray(0, magic.length).equals(magic))
    throw new SpanIndexError(
      "not-an-index",
      `${name} is no span index: expected it to begin with "OLSPANS", got ${read === 0 ? "an empty file" : `0x${header.subarray(0, Math.min(read, 8)).toString("hex")}`}. ${mend}`,
    );
  if (read < headerBytes) throw cutShort(name, read, headerBytes);
  const found = header.readUInt32LE(8);
  if (!header.subarray(96).equals(sha256(header.subarray(0, 96)))) throw altered(name, "its header");
  if (found !== version)
    throw new SpanIndexError(
      "other-version",
      `${name} is a span index of version ${found}, expected ${version}. ${mend}`,
    );
  const layout = layoutOf({
    textBytes: Number(header.readBigUInt64LE(16)),
    words: Number(header.readBigUInt64LE(24)),
    documents: header.readUInt32LE(32),
    aboutBytes: header.readUInt32LE(36),
  });
  if (
    layout.textBytes > textBytesMax ||
    layout.words > layout.textBytes ||
    layout.documents > documentsMax ||
    layout.aboutBytes > aboutBytesMax
  )
    throw altered(name, "its header");
  if (actual < layout.end) throw cutShort(name, actual, layout.end);
  if (actual > layout.end)
    throw new SpanIndexError(
      "altered",
      `${name} was altered: it has ${actual} bytes, its header says ${layout.end}. ${mend}`,
    );
  if (!contentDigest(file, layout.end).equals(header.subarray(64, 96)))
    throw altered(name, "what follows its header");
  return layout;
}

/** SHA-256 of everything after the header, read a piece at a time. */
export function contentDigest(file: number, end: number): Buffer {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(2 ** 20);
  for (let at = headerBytes; at < end; at += piece.length) {
    const length = Math.min(piece.length, end - at);
    readWhole(file, piece, 0, length, at);
    hash.update(piece.subarray(0, length));
  }
  return hash.digest();
}

/** Opens a file and checks it. The caller closes it. @throws SpanIndexError */
export function openChecked(path: string): { file: number; layout: Layout } {
  const file = openSync(path, "r");
  try {
    return { file, layout: readLayout(file, path) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** What the index was made from. @throws SpanIndexError `altered` when a digest holds but the words do not */
export function readAbout(file: number, layout: Layout, name: string): About {
  const bytes = Buffer.alloc(layout.aboutBytes);
  readWhole(file, bytes, 0, bytes.length, layout.about);
  try {
    return aboutSchema.parse(JSON.parse(bytes.toString("utf8")));
  } catch {
    throw altered(name, "the description at its end");
  }
}

function cutShort(name: string, actual: number, expected: number): SpanIndexError {
  return new SpanIndexError(
    "cut-short",
    `${name} is cut short: it has ${actual} bytes, expected ${expected}. ${mend}`,
  );
}

/** @param part - what does not fit */
export function altered(name: string, part: string): SpanIndexError {
  return new SpanIndexError(
    "altered",
    `${name} was altered: ${part} does not fit the digest or the lengths it was written with. ${mend}`,
  );
}
