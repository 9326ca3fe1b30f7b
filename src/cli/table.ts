/** Text for people: aligned tables, and words of strangers without what a terminal would obey. */

/** C0 and C1 control characters but tab and line feed, and marks that reorder or hide text. */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text that came from others, as it may be shown: a terminal's control sequences and text direction marks become `�`. */
export function plain(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(unprintable, "\uFFFD");
}

/** The same on one line, cut to a width: behind a word, where one ends in the last third. */
export function oneLine(text: string, width = 60): string {
  const line = plain(text).replace(/\s+/g, " ").trim();
  const letters = [...line];
  if (letters.length <= width) return line;
  const end = letters.lastIndexOf(" ", width - 2);
  return end >= (2 * width) / 3
    ? `${letters.slice(0, end).join("")} …`
    : `${letters.slice(0, width - 1).join("")}…`;
}

/** The beginning and the end of a long hex string. */
export function short(hex: string): string {
  return hex.length > 20 ? `${hex.slice(0, 8)}…${hex.slice(-6)}` : hex;
}

/** A column: its heading, what a row shows there, and whether it is a number (then it is aligned to the right). */
export type Column<Row> = readonly [
  heading: string,
  cell: (row: Row) => string | number | bigint,
  number?: "number",
];

/** Rows under headings, columns two spaces apart. Cells are made one line and safe to print. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, cell]) => oneLine(String(cell(row)), 120))),
  ];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => [...(line[at] as string)].length)));
  return cells
    .map((line) =>
      line
        .map((cell, at) => {
          const gap = " ".repeat((widths[at] as number) - [...cell].length);
          return columns[at]?.[2] === "number" ? `${gap}${cell}` : `${cell}${gap}`;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Names and values, one pair a line, the values aligned. */
export function pairs(entries: readonly (readonly [string, string | number | bigint])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${plain(String(value))}`).join("\n");
}
