import { type FormatLimits, mebibytes } from "./limits.ts";
import type { BlockItem, Source } from "./source.ts";
import { badEncoding, decodeUtf8, type Line, splitLines } from "./text-bytes.ts";

/** A paragraph without end is cut here; chunks are far smaller. */
const paragraphCharactersMax = 64 * 1024;

type TextOptions = {
  readonly markdown: boolean;
  /** Bytes of the byte order mark: offsets count from the file's beginning. Undefined: the bytes read are not the file's, and have no offset. */
  readonly markBytes: number | undefined;
};

/** Paragraphs of a text, which blank lines part, and a Markdown text's headings (CommonMark 4.2, 4.3). */
export async function* readText(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  { markdown, markBytes }: TextOptions,
  { rowBytesMax }: FormatLimits,
): AsyncGenerator<BlockItem[]> {
  let found: BlockItem[] = [];
  let paragraph: string[] = [];
  let length = 0;
  let source: Source = { file };
  let fence: string | undefined;
  const end = () => {
    if (paragraph.length > 0) found.push({ source, text: paragraph.join("\n") });
    paragraph = [];
    length = 0;
  };
  const readLine = ({ line, offset, length: bytesOfLine, bytes }: Line) => {
    const here = { file, line, ...(markBytes === undefined ? {} : { offset: markBytes + offset }) };
    const text = bytes === undefined ? undefined : decodeUtf8(bytes);
    if (text === undefined) {
      end();
      const long = `The line has ${bytesOfLine} bytes; at most ${mebibytes(rowBytesMax)} are read. Break it into lines.`;
      const refused =
        bytes === undefined
          ? ({ code: "too-long", message: long } as const)
          : ({ code: "bad-encoding", message: `The line holds ${badEncoding}.` } as const);
      found.push({ source: here, refused });
      return;
    }
    if (markdown) {
      const mark = /^ {0,3}(```+|~~~+)/.exec(text)?.[1];
      if (fence === undefined) fence = mark;
      else if (mark?.startsWith(fence)) fence = undefined;
      const heading = fence === undefined && mark === undefined ? headingOf(text, paragraph) : undefined;
      if (heading) {
        if (heading.under) paragraph = [];
        end();
        found.push({ source: heading.under ? source : here, text: heading.text, level: heading.level });
        return;
      }
    }
    if (text.trim() === "" && fence === undefined) return end();
    if (paragraph.length === 0) source = here;
    paragraph.push(text);
    length += text.length;
    if (length > paragraphCharactersMax) end();
  };
  for await (const lines of splitLines(chunks, rowBytesMax)) {
    lines.forEach(readLine);
    yield found;
    found = [];
  }
  end();
  yield found;
}

/** A heading of Markdown: marked by #, or the one line of text above, underlined. */
function headingOf(
  text: string,
  above: readonly string[],
): { text: string; level: number; under: boolean } | undefined {
  const marked = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/.exec(text);
  if (marked?.[2]) return { text: marked[2].trim(), level: marked[1]!.length, under: false };
  const [only] = above;
  if (above.length !== 1 || only === undefined || !/^ {0,3}(=+|-{2,})[ \t]*$/.test(text)) return undefined;
  if (/^[-*+>|]|^\d+[.)] /.test(only.trim())) return undefined;
  return { text: only.trim(), level: text.trim().startsWith("=") ? 1 : 2, under: true };
}
