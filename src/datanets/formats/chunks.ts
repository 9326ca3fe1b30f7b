import type { Example } from "../../protocol/index.ts";
import type { BlockItem, ConvertedRow, Source } from "./source.ts";

/** How documents become examples. Lengths are UTF-16 code units; tokens are counted by a Datanet's checks. */
export type ChunkOptions = {
  readonly characters: number;
  /** Characters of the chunk before that a chunk begins with. */
  readonly overlap: number;
};

/** About what a recipe's 256 tokens hold of English. */
export const chunkDefaults: ChunkOptions = { characters: 1_000, overlap: 0 };

/** What is longer is a paragraph, whatever it is marked as: headings stand before every text below them, six of them before one of a hundred characters. */
const headingCharactersMax = 400;

type Heading = { readonly level: number; readonly text: string; readonly source: Source; used: boolean };

/** Takes a document's blocks as they come. */
export type Chunker = {
  add(block: BlockItem): ConvertedRow[];
  /** What is left when the document ends. */
  end(): ConvertedRow[];
};

/**
 * Parts a document into texts to learn: whole paragraphs up to a length, never across a heading. What stands above a text, its
 * headings, becomes the prompt, and all of the text is learned; a text without headings has an empty prompt, as in continued pretraining.
 */
export function createChunker({ characters, overlap }: ChunkOptions = chunkDefaults): Chunker {
  let headings: Heading[] = [];
  let parts: string[] = [];
  let length = 0;
  let source: Source | undefined;
  let tail = "";
  const flush = (rows: ConvertedRow[]) => {
    if (source && parts.length > 0) {
      const text = parts.join("\n\n");
      for (const heading of headings) heading.used = true;
      rows.push({ source, example: exampleOf(headings, tail + text) });
      tail = overlap > 0 ? tailOf(text, overlap) : "";
    }
    parts = [];
    length = 0;
    source = undefined;
  };
  return {
    add(block) {
      if ("refused" in block) return [block];
      const rows: ConvertedRow[] = [];
      const { level } = block;
      if (level !== undefined && block.text.length <= headingCharactersMax) {
        flush(rows);
        tail = "";
        rows.push(...unused(headings.filter((heading) => heading.level >= level)));
        headings = headings.filter((heading) => heading.level < level);
        headings.push({ level, text: block.text, source: block.source, used: false });
        return rows;
      }
      for (const piece of pieces(block.text, characters)) {
        if (length > 0 && length + piece.length + 2 > characters) flush(rows);
        source ??= block.source;
        parts.push(piece);
        length += piece.length + (parts.length > 1 ? 2 : 0);
      }
      return rows;
    },
    end() {
      const rows: ConvertedRow[] = [];
      flush(rows);
      return [...rows, ...unused(headings)];
    },
  };
}

const exampleOf = (headings: readonly Heading[], completion: string): Example => ({
  prompt: headings.length === 0 ? "" : `${headings.map(({ text }) => text).join("\n")}\n\n`,
  completion,
});

function* unused(headings: readonly Heading[]): Generator<ConvertedRow> {
  for (const { used, text, source } of headings) {
    if (used) continue;
    const message = `The heading "${text.slice(0, 80)}" has no text below it.`;
    yield { source, refused: { code: "no-text", message } };
  }
}

/** A paragraph in pieces of at most so many characters: at the end of a sentence, else of a word, else anywhere but within a character. */
export function* pieces(text: string, characters: number): Generator<string> {
  let rest = text.trim();
  while (rest.length > characters) {
    const window = rest.slice(0, characters + 1);
    const sentence = Math.max(...[". ", "! ", "? ", ".\n", "。"].map((mark) => window.lastIndexOf(mark))) + 1;
    const word = window.search(/\s\S*$/);
    let cut = sentence > characters / 2 ? sentence : word > characters / 2 ? word : characters;
    const code = rest.charCodeAt(cut - 1);
    if (code >= 0xd800 && code <= 0xdbff) cut -= 1;
    yield rest.slice(0, cut).trimEnd();
    rest = rest.slice(cut).trimStart();
  }
  if (rest !== "") yield rest;
}

/** The last words of a text, at most so many characters, with the line break that parts them from what follows. */
function tailOf(text: string, overlap: number): string {
  const end = text.slice(-overlap);
  const word = end.length < text.length ? end.search(/\s/) : 0;
  const words = word < 0 ? "" : end.slice(word).trim();
  return words === "" ? "" : `${words}\n\n`;
}
