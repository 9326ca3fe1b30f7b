/** From documents to a span index in a file, with bounded memory: parts are sorted one at a time, then merged. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import {
  type About,
  contentDigest,
  documentsMax,
  encodeHeader,
  headerBytes,
  layoutOf,
  SpanIndexError,
  type SpanSource,
  textBytesMax,
} from "./format.ts";
import { mergeRuns, type Run } from "./merge.ts";
import { orderWords } from "./order.ts";
import { openPages } from "./pages.ts";
import { codedPerUnit, codeWords } from "./words.ts";

/** A training example. Documents are given in the order of their commitments: the earliest is shown first. */
export type SpanDocument = {
  /** No span runs from one into the next: the messages of a chat, or a prompt with its completion as one text. */
  readonly texts: readonly string[];
  /** Which of the sources it is from, and its row there. */
  readonly source: number;
  readonly row: number;
  /** Address. */
  readonly contributor: string;
};

export type BuildOptions = {
  /** Memory for the text while parts are merged; what does not fit is read again from disk. 192 MiB unless given. */
  readonly memoryBytes?: number;
  /** Most words and coded bytes of a part. Sorting one takes about 64 bytes a word and its coded bytes. */
  readonly partWords?: number;
  readonly partBytes?: number;
  readonly onProgress?: (stage: "sorting" | "merging", done: number, of: number | null) => void;
};

export type BuildReport = {
  readonly documents: number;
  readonly contributors: number;
  readonly words: number;
  /** Coded, and of the file. */
  readonly textBytes: number;
  readonly bytes: number;
  readonly parts: number;
  readonly seconds: number;
};

/** Longest text, UTF-16 code units: a prompt and a completion, each as long as the protocol lets it be. */
export const textLengthMax = 2 ** 21;
const defaults = { memoryBytes: 192 * 2 ** 20, partWords: 2 ** 21, partBytes: 16 * 2 ** 20 };
const runBufferBytes = 16 * 2 ** 20;
const pageBytes = 65_536;

/**
 * Builds an index. Memory: about 64 bytes × `partWords` + `partBytes` while sorting (150 MiB by default), `memoryBytes` + 16 MiB while
 * merging, and always 16 bytes a document and 100 a contributor. Disk: the file and six bytes a word beside it, in the same folder.
 *
 * @param path - is there, whole, when this returns, and not before
 * @returns what was built; the same documents and options give the same bytes
 * @throws SpanIndexError `too-large`
 */
export async function buildSpanIndex(
  documents: Iterable<SpanDocument> | AsyncIterable<SpanDocument>,
  sources: readonly SpanSource[],
  path: string,
  options: BuildOptions = {},
): Promise<BuildReport> {
  const began = performance.now();
  const unfinished = `${path}.${randomBytes(6).toString("hex")}.part`;
  const runsPath = `${unfinished}-runs`;
  const commonPath = `${unfinished}-common`;
  const file = openSync(unfinished, "w+");
  const runsFile = openSync(runsPath, "w+");
  const commonFile = openSync(commonPath, "w+");
  try {
    const { runs, textBytes, words, columns, contributors } = await sortParts(
      documents,
      { file, runsFile, commonFile },
      options,
    );
    const about: About = {
      schema: "openledger/spans/1",
      sources: [...sources],
      contributors: contributors as `0x${string}`[],
    };
    const aboutBytes = Buffer.from(JSON.stringify(about), "utf8");
    const layout = layoutOf({ textBytes, words, documents: columns.count, aboutBytes: aboutBytes.length });
    writeWhole(file, new Uint8Array(layout.suffixes - headerBytes - textBytes), headerBytes + textBytes);
    const text = openPages(
      file,
      headerBytes,
      textBytes,
      pageBytes,
      options.memoryBytes ?? defaults.memoryBytes,
    );
    let at = layout.suffixes;
    mergeRuns(text, runs, runBufferBytes, (positions) => {
      at += writeWhole(file, bytesOf(positions), at);
      options.onProgress?.("merging", (at - layout.suffixes) / 4, words);
    });
    for (const column of columns.read()) at += writeWhole(file, bytesOf(column), at);
    writeWhole(file, aboutBytes, layout.about);
    writeWhole(file, encodeHeader(layout, contentDigest(file, layout.end)), 0);
    fsyncSync(file);
    renameSync(unfinished, path);
    return {
      documents: columns.count,
      contributors: contributors.length,
      words,
      textBytes,
      bytes: layout.end,
      parts: runs.length,
      seconds: (performance.now() - began) / 1_000,
    };
  } finally {
    closeSync(file);
    closeSync(runsFile);
    closeSync(commonFile);
    rmSync(unfinished, { force: true });
    rmSync(runsPath, { force: true });
    rmSync(commonPath, { force: true });
  }
}

/** Writes the coded text behind the header, and each part's order as a run. */
async function sortParts(
  documents: Iterable<SpanDocument> | AsyncIterable<SpanDocument>,
  { file, runsFile, commonFile }: { file: number; runsFile: number; commonFile: number },
  options: BuildOptions,
) {
  const partWords = options.partWords ?? defaults.partWords;
  const partBytes = options.partBytes ?? defaults.partBytes;
  const coded = new Uint8Array(Math.max(partBytes, 64));
  const starts = new Uint32Array(Math.max(partWords, 64));
  const seed = randomBytes(4).readInt32LE();
  const columns = createColumns();
  const contributorOf = new Map<string, number>();
  const runs: Run[] = [];
  let done = 0;
  let length = 0;
  let count = 0;
  let words = 0;

  function sortPart() {
    if (count === 0) return;
    writeWhole(file, coded.subarray(0, length), headerBytes + done);
    const { positions, common } = orderWords(coded.subarray(0, length), starts.subarray(0, count), seed);
    for (let i = 0; i < count; i++) positions[i] = (positions[i] as number) + done;
    writeWhole(runsFile, bytesOf(positions), 4 * words);
    writeWhole(commonFile, bytesOf(common), 2 * words);
    runs.push({ positions: runsFile, common: commonFile, offset: words, count });
    done += length;
    words += count;
    length = 0;
    count = 0;
    options.onProgress?.("sorting", words, null);
  }

  for await (const { texts, source, row, contributor } of documents) {
    let number = contributorOf.get(contributor);
    if (number === undefined) {
      number = contributorOf.size;
      contributorOf.set(contributor, number);
    }
    if (columns.count === documentsMax)
      throw new SpanIndexError(
        "too-large",
        `An index holds at most ${documentsMax} documents. Index fewer Datanet versions.`,
      );
    columns.add(done + length, source, row, number);
    for (const text of texts) {
      if (text.length > textLengthMax)
        throw new SpanIndexError(
          "too-large",
          `Row ${row} of source ${source} has a text of ${text.length} characters, expected at most ${textLengthMax}. Leave it out, or cut it.`,
        );
      const most = codedPerUnit * text.length;
      if (length + most > coded.length || count + text.length > starts.length) sortPart();
      if (most > coded.length || text.length > starts.length)
        throw new RangeError(
          `A part of ${coded.length} bytes and ${starts.length} words cannot hold a text of ${text.length} characters.`,
        );
      if (done + length + most > textBytesMax)
        throw new SpanIndexError(
          "too-large",
          `An index holds at most ${textBytesMax} coded bytes. Index fewer Datanet versions.`,
        );
      length = codeWords(text, coded, length, (from) => {
        starts[count++] = from;
      });
    }
  }
  sortPart();
  return { runs, textBytes: done, words, columns, contributors: [...contributorOf.keys()] };
}

/** Four numbers for each document, in arrays that grow. */
function createColumns() {
  let columns = Array.from({ length: 4 }, () => new Uint32Array(1_024));
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(...values: [start: number, source: number, row: number, contributor: number]) {
      if (count === columns[0]?.length)
        columns = columns.map((column) => {
          const longer = new Uint32Array(2 * count);
          longer.set(column);
          return longer;
        });
      for (const [i, column] of columns.entries()) column[count] = values[i] as number;
      count++;
    },
    read: () => columns.map((column) => column.subarray(0, count)),
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array | Uint16Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** @returns how many bytes were written: all of them */
function writeWhole(file: number, bytes: Uint8Array, position: number): number {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  return bytes.length;
}
