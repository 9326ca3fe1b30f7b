import { getDocumentProxy } from "unpdf";
import type { FormatLimits } from "./limits.ts";
import { type BlockItem, UnreadableError } from "./source.ts";

/** A piece of text on a page, as PDF.js finds it: its place is where its baseline begins, in points from the bottom. */
type Piece = {
  readonly str: string;
  readonly hasEOL: boolean;
  readonly transform: readonly number[];
  readonly height: number;
};

/**
 * Paragraphs of a PDF, page by page. A page without text is refused by its number.
 *
 * @throws UnreadableError `encrypted`, `broken-pdf`, `too-large`
 */
export async function* readPdf(
  file: string,
  bytes: Uint8Array,
  limits: FormatLimits,
): AsyncGenerator<BlockItem> {
  const pdf = await openPdf(bytes);
  try {
    if (pdf.numPages > limits.pagesMax)
      throw new UnreadableError(
        "too-large",
        `The PDF has ${pdf.numPages} pages; at most ${limits.pagesMax} are read.`,
      );
    for (let page = 1; page <= pdf.numPages; page++) {
      const source = { file, page };
      let paragraphs: string[];
      try {
        const proxy = await pdf.getPage(page);
        const { items } = await proxy.getTextContent();
        paragraphs = paragraphsOf(items.filter((item) => "str" in item) as Piece[]);
        proxy.cleanup();
      } catch (error) {
        const message = `Page ${page} cannot be read: ${(error as Error).message}.`;
        yield { source, refused: { code: "broken-pdf", message } };
        continue;
      }
      if (paragraphs.length === 0) {
        const message = `Page ${page} holds no text. A scanned page needs text recognition first.`;
        yield { source, refused: { code: "no-text", message } };
      }
      for (const text of paragraphs) yield { source, text };
    }
  } finally {
    await pdf.loadingTask.destroy();
  }
}

async function openPdf(bytes: Uint8Array) {
  try {
    return await getDocumentProxy(Uint8Array.from(bytes), { verbosity: 0 });
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "PasswordException")
      throw new UnreadableError(
        "encrypted",
        "The PDF is locked with a password. Save it without one and bring it again.",
      );
    throw new UnreadableError("broken-pdf", `The PDF cannot be read: ${message}. Print or export it again.`);
  }
}

/** A gap between lines of more than so many line heights parts paragraphs. */
const gapOfParagraphs = 1.6;

function paragraphsOf(pieces: readonly Piece[]): string[] {
  const paragraphs: string[] = [];
  let lines: string[] = [];
  let line = "";
  let lineY: number | undefined;
  let height = 0;
  const endLine = () => {
    if (line.trim() !== "") lines.push(line.trim());
    line = "";
  };
  const endParagraph = () => {
    const text = joinLines(lines);
    if (text !== "") paragraphs.push(text);
    lines = [];
  };
  for (const piece of pieces) {
    const y = piece.transform[5] ?? 0;
    if (piece.str.trim() !== "") {
      if (lineY !== undefined && Math.abs(lineY - y) > Math.max(height, piece.height, 1) * gapOfParagraphs) {
        endLine();
        endParagraph();
      }
      lineY = y;
      height = piece.height;
    }
    line += piece.str;
    if (piece.hasEOL) endLine();
  }
  endLine();
  endParagraph();
  return paragraphs;
}

/** Lines as running text: a word that was parted by a hyphen at a line's end is one word again. */
function joinLines(lines: readonly string[]): string {
  return lines
    .reduce((text, line) => {
      if (text === "") return line;
      return /\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line) ? text.slice(0, -1) + line : `${text} ${line}`;
    }, "")
    .replace(/\s+/g, " ")
    .trim();
}
