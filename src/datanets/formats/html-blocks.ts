/** HTML as the Word reader writes it, as headings and paragraphs of plain text. */

const entities: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
};
const blockTags = new Set([
  "p",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "li",
  "tr",
  "table",
  "ul",
  "ol",
  "blockquote",
  "pre",
]);

const plainText = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|(\w{2,6}));/g, (whole, code: string | undefined, name: string | undefined) =>
    code === undefined ? (entities[name!] ?? whole) : String.fromCodePoint(Math.min(Number(code), 0x10ffff)),
  );

/** Headings with their level and paragraphs, in order. Cells of a table row are joined by " | ", items of a list begin with "- ". */
export function* htmlBlocks(html: string): Generator<{ text: string; level?: number }> {
  let text = "";
  let level: number | undefined;
  let inRow = false;
  function* end(): Generator<{ text: string; level?: number }> {
    const block = text
      .replace(/[ \t]+/g, " ")
      .replace(/ ?\n ?/g, "\n")
      .trim()
      .replace(/^\| | \|$/g, "");
    text = "";
    if (block !== "" && block !== "-") yield level === undefined ? { text: block } : { text: block, level };
  }
  for (const [token] of html.matchAll(/<[^>]*>|[^<]+/g)) {
    if (!token.startsWith("<")) {
      text += plainText(token);
      continue;
    }
    const closing = token[1] === "/";
    const name = /^<\/?([a-z0-9]+)/.exec(token)?.[1] ?? "";
    if (name === "br") text += "\n";
    if ((name === "td" || name === "th") && closing) text += " | ";
    if (!blockTags.has(name) || (inRow && name !== "tr")) continue;
    yield* end();
    if (name === "tr") inRow = !closing;
    if (name === "li" && !closing) text = "- ";
    // The paragraph within a list's item goes on behind the item's mark.
    level = !closing && /^h[1-6]$/.test(name) ? Number(name[1]) : undefined;
  }
  yield* end();
}
