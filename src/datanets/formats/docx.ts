import { Unzip, UnzipInflate, type Zippable, zipSync } from "fflate";
import mammoth from "mammoth";
import { htmlBlocks } from "./html-blocks.ts";
import { type FormatLimits, mebibytes } from "./limits.ts";
import { type BlockItem, UnreadableError } from "./source.ts";

const entriesMax = 10_000;
/** One byte of deflate gives at most 1,032: small steps keep what a step may unpack to small. */
const stepBytes = 8 * 1024;
/** What a text is made of; pictures, fonts and embedded files are never unpacked. */
const needed = /^(\[Content_Types\]\.xml|_rels\/\.rels|word\/[^/]+\.xml|word\/_rels\/[^/]+\.rels)$/;

/**
 * Headings and paragraphs of a Word document. `row` of a source counts them from 1.
 *
 * @throws UnreadableError `zip-bomb`, `broken-docx`, `unknown-format`
 */
export async function* readDocx(
  file: string,
  bytes: Uint8Array,
  limits: FormatLimits,
): AsyncGenerator<BlockItem> {
  const entries = unpack(bytes, limits);
  if (!("word/document.xml" in entries))
    throw new UnreadableError(
      "unknown-format",
      "This is a zip file, but no Word document: it holds no word/document.xml. Unpack it, or export a table as CSV.",
    );
  let html: string;
  try {
    const buffer = Buffer.from(zipSync(entries, { level: 0 }));
    // Pictures are left out; nothing outside the file is looked at.
    const convertImage = mammoth.images.imgElement(async () => ({ src: "" }));
    ({ value: html } = await mammoth.convertToHtml(
      { buffer },
      { convertImage, externalFileAccess: false, includeEmbeddedStyleMap: false },
    ));
  } catch (error) {
    throw broken((error as Error).message);
  }
  let row = 0;
  for (const block of htmlBlocks(html)) yield { source: { file, row: ++row }, ...block };
}

/** Unpacks the text's entries, and counts while it does: what says it is small and is not ends here. */
function unpack(bytes: Uint8Array, { unpackedBytesMax }: FormatLimits): Zippable {
  const found = new Map<string, Uint8Array[]>();
  let seen = 0;
  let unpacked = 0;
  const unzip = new Unzip((entry) => {
    seen++;
    if (seen > entriesMax)
      throw new UnreadableError(
        "zip-bomb",
        `The document holds more than ${entriesMax} files; nothing of it was read.`,
      );
    if (!needed.test(entry.name)) return;
    if (found.has(entry.name)) throw broken(`it holds ${entry.name} twice`);
    const parts: Uint8Array[] = [];
    found.set(entry.name, parts);
    entry.ondata = (error, chunk) => {
      if (error) throw error;
      unpacked += chunk.length;
      if (unpacked > unpackedBytesMax)
        throw new UnreadableError(
          "zip-bomb",
          `The document's ${mebibytes(bytes.length)} unpack to more than ${mebibytes(unpackedBytesMax)} of text; it was not unpacked further.`,
        );
      parts.push(chunk.slice());
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  try {
    for (let at = 0; at < bytes.length; at += stepBytes)
      unzip.push(bytes.subarray(at, at + stepBytes), at + stepBytes >= bytes.length);
  } catch (error) {
    if (error instanceof UnreadableError) throw error;
    throw broken((error as Error).message);
  }
  return Object.fromEntries([...found].map(([name, parts]) => [name, Buffer.concat(parts)]));
}

const broken = (why: string) =>
  new UnreadableError(
    "broken-docx",
    `The Word document cannot be read: ${why}. Open it in a word processor and save it again.`,
  );
