/** What `openledger contribute` tells people. */
import { place } from "../datanets/index.ts";
import type { Example } from "../protocol/index.ts";
import type { Part, Reading } from "./contribute-parts.ts";
import { counted } from "./numbers.ts";
import { type Column, oneLine, plain, table } from "./table.ts";

/** Rows that are listed to a person; `--json` has them all, and so has the report over HTTP. */
export const rowsShownMax = 20;

type Reason = { readonly check: string; readonly message: string };
type Status = "accepted" | "duplicate" | "near-duplicate" | "refused" | "pending" | "rejected";

export type PreviewRow = {
  readonly line: number;
  readonly status: Status;
  readonly reasons: readonly Reason[];
  /** As it would be signed, where personal data in it was masked. */
  readonly masked?: Example;
};

export type Report = {
  readonly contributionId: number;
  readonly datanetId: string;
  readonly contributor: string;
  readonly split: "train" | "heldout";
  readonly license: string;
  readonly exampleCount: number;
  readonly accepted: number;
  /** Rows that wait for curators. */
  readonly pending: number;
  readonly duplicates: number;
  readonly refused: number;
  /** Rows that curators turned down, that were taken back, and of those that wait or were turned down the ones they would have otherwise. */
  readonly rejected: number;
  readonly withdrawn: number;
  readonly proposed: number;
  /** Rows of which more is to be said than that they count or wait. */
  readonly noted: number;
  readonly rows: readonly PreviewRow[];
};

/** An example on one line: what is asked, and what is learned. */
export function inShort(example: Example): string {
  if ("prompt" in example) {
    const prompt = oneLine(example.prompt, 34);
    return `${prompt === "" ? "" : `${prompt} ⟶ `}${oneLine(example.completion, 44)}`;
  }
  const asked = example.messages.at(-2)?.content ?? "";
  return `${oneLine(asked, 34)} ⟶ ${oneLine(example.messages.at(-1)?.content ?? "", 44)}`;
}

/** What each file was taken for. */
export function showShapes({ shapes }: Reading): string[] {
  const shown = shapes.slice(0, rowsShownMax).map(({ file, shape }) => {
    const kind = shape.kind === "document" ? "a document, in chunks" : shape.shape;
    const unused =
      shape.kind === "table" && shape.unused.length > 0
        ? `; not used: ${shape.unused.slice(0, 12).join(", ")}`
        : "";
    return oneLine(`${file}: ${shape.format}, ${kind}${unused}`, 160);
  });
  return shapes.length > rowsShownMax
    ? [...shown, `… and ${counted(shapes.length - rowsShownMax, "more file")}`]
    : shown;
}

/** What became no row, with the reason. */
export function showUnread({ unread, unreadRows }: Reading): string[] {
  if (unreadRows === 0) return [];
  const shown = unread.slice(0, rowsShownMax);
  return [
    "",
    `${unreadRows} ${unreadRows === 1 ? "was" : "were"} not read:`,
    ...shown.map(({ source, refused }) => `  ${plain(place(source))}  ${oneLine(refused.message, 300)}`),
    ...(unread.length > shown.length ? [`  … and ${unread.length - shown.length} more`] : []),
  ];
}

const notesOf = ({ reasons, masked }: PreviewRow): string[] => [
  ...(masked === undefined ? [] : ["Personal data was masked."]),
  ...reasons.map(({ message }) => message),
];

/** What a check noted, in a few words. */
const checkWords: Readonly<Record<string, string>> = {
  language: "another language",
  "near-duplicate": "near duplicate",
  "personal-data": "personal data",
  profanity: "offensive words",
  license: "licence",
  contamination: "words of a held-out row",
  masked: "personal data masked",
};
export const noteOf = (check: string): string => checkWords[check] ?? check;

const statusWords: Readonly<Record<string, string>> = {
  pending: "waits",
  "near-duplicate": "near duplicate",
  rejected: "turned down by curators",
};

/** What became of a row, in words. */
export const statusName = (status: string, isNew = false): string =>
  status === "accepted" && isNew ? "new" : (statusWords[status] ?? status);

type Listed = {
  readonly at: number;
  readonly row: PreviewRow;
  readonly from: Part["rows"][number] | undefined;
  readonly place: string;
};

/** The rows of all parts that are shown, and how many there are of each kind. Parts are large: nothing else of them is kept. */
export type Listing = {
  /** By how much somebody should look at them: refused, noted, duplicates, those that wait, and the rest. */
  readonly kept: readonly Listed[][];
  readonly keptMax: number;
  readonly statuses: Map<string, number>;
  readonly notes: Map<string, number>;
  rows: number;
};

/** @param all keeps every row, for who asked to see them */
export const startListing = (all = false): Listing => ({
  kept: [[], [], [], [], []],
  keptMax: all ? Number.POSITIVE_INFINITY : rowsShownMax,
  statuses: new Map(),
  notes: new Map(),
  rows: 0,
});

const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

function rankOf({ status, reasons, masked }: PreviewRow, notes: readonly string[]): number {
  if (status === "refused" || status === "rejected") return 0;
  if (status === "duplicate" || status === "near-duplicate") return 2;
  if (reasons.length > 0 || masked !== undefined || notes.length > 0) return 1;
  return status === "pending" ? 3 : 4;
}

/** Where a row came from; the rows of one long line are told apart by their number in the file. */
function placeOf({ rows }: Pick<Part, "rows">, at: number): string {
  const source = rows[at]?.source;
  if (source === undefined) return "";
  const shares = [rows[at - 1], rows[at + 1]].some(
    (other) => other !== undefined && source.line !== undefined && place(other.source) === place(source),
  );
  return `${place(source)}${shares && source.row !== undefined ? ` row ${source.row}` : ""}`;
}

/** Takes a part's rows into a listing. @param total where these are not all of its rows */
export function list(
  listing: Listing,
  part: Pick<Part, "rows">,
  rows: readonly PreviewRow[],
  total = rows.length,
): void {
  for (const row of rows) {
    const from = part.rows[row.line - 1];
    count(listing.statuses, row.status);
    const checks = [...row.reasons.map(({ check }) => check), ...(row.masked ? ["masked"] : [])];
    for (const check of new Set(checks)) count(listing.notes, check);
    const bucket = listing.kept[rankOf(row, from?.notes ?? [])] as Listed[];
    if (bucket.length >= listing.keptMax) continue;
    bucket.push({ at: listing.rows + row.line, row, from, place: placeOf(part, row.line - 1) });
  }
  listing.rows += total;
}

/** The rows that somebody should look at first, where they are not all shown: where each came from, what it became, what the node says of it. */
export function showListing({ kept, keptMax, rows }: Listing, columns: "examples" | "status"): string[] {
  const first = kept.flat().slice(0, keptMax);
  const shown = rows > first.length ? first : first.sort((a, b) => a.at - b.at);
  const becomes: Column<Listed> = [
    "Becomes",
    ({ row, from }) => (from ? inShort(row.masked ?? from.example) : ""),
  ];
  return [
    table(shown, [
      ["From", (listed) => listed.place],
      ["Row", ({ row }) => statusName(row.status, columns === "examples")],
      ...(columns === "examples" ? [becomes] : []),
      ["", ({ row, from }) => [...notesOf(row), ...(from?.notes ?? [])].join(" ")],
    ]),
    ...(rows > shown.length
      ? [
          `… and ${counted(rows - shown.length, "more row")}${columns === "examples" ? ": --all lists every row, --json has them" : ""}`,
        ]
      : []),
  ];
}

/** How many rows there are of each kind, and of each note. */
export function showCounts({ statuses, notes, rows }: Listing): string[] {
  const told = (counts: Map<string, number>, name: (key: string) => string) =>
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([key, many]) => `${many} ${name(key)}`)
      .join(", ");
  return [
    `${counted(rows, "row")}: ${told(statuses, (status) => (status === "pending" ? "waiting" : statusName(status, true)))}.`,
    ...(notes.size === 0 ? [] : [`Noted: ${told(notes, noteOf)}.`]),
  ];
}

/** Rows of a report that are shown at a time. */
export const reportRowsShown = { usual: 20, max: 500 } as const;

/** A contribution in two lines. */
export function showReport(report: Omit<Report, "rows">): string[] {
  const what = report.split === "heldout" ? "held-out row" : "row";
  const { contributionId, datanetId, accepted, duplicates, refused, pending } = report;
  return [
    `Contribution ${contributionId} to Datanet ${datanetId}: ${counted(accepted, what)} accepted, ${counted(duplicates, "duplicate")}${refused > 0 ? `, ${refused} refused` : ""}${pending > 0 ? `, ${pending} ${pending === 1 ? "waits" : "wait"} for curators` : ""}.`,
    `Given by ${report.contributor} under ${report.license}.`,
  ];
}

/** What came of it later. */
export const reportCounts = ({ rejected, withdrawn, proposed }: Omit<Report, "rows">): string[] => {
  const told = [
    ...(rejected > 0 ? [`${counted(rejected, "row")} turned down by curators`] : []),
    ...(withdrawn > 0 ? [`${counted(withdrawn, "row")} taken back or exchanged`] : []),
    ...(proposed > 0 ? [`another text proposed for ${counted(proposed, "row")}`] : []),
  ];
  return told.length === 0 ? [] : [`Since then: ${told.join(", ")}.`];
};
