/** What `openledger contribute` tells people. */
import { place } from "../datanets/index.ts";
import type { Example } from "../protocol/index.ts";
import type { Part, Reading } from "./contribute-parts.ts";
import { counted } from "./numbers.ts";
import { type Column, oneLine, plain, table } from "./table.ts";

/** Rows that are listed to a person; `--json` has them all, and so has the report over HTTP. */
export const rowsShownMax = 20;

/** The rows of a part that are shown. */
export type Shown = Pick<Part, "rows">;

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

const statusWords: Readonly<Record<string, string>> = {
  pending: "waits",
  "near-duplicate": "near duplicate",
  rejected: "turned down by curators",
};

/** What became of a row, in words. */
export const statusName = (status: string, isNew = false): string =>
  status === "accepted" && isNew ? "new" : (statusWords[status] ?? status);

/** A part's rows: where each came from, what it became and what the node says of it. @param total where these are not all of them */
export function showRows(
  part: Shown,
  rows: readonly PreviewRow[],
  columns: "examples" | "status",
  total = rows.length,
): string[] {
  const shown = rows.slice(0, rowsShownMax).map((row) => ({ row, from: part.rows[row.line - 1] }));
  type Listed = (typeof shown)[number];
  const becomes: Column<Listed> = [
    "Becomes",
    ({ row, from }) => (from ? inShort(row.masked ?? from.example) : ""),
  ];
  return [
    table(shown, [
      ["From", ({ from }) => (from ? place(from.source) : "")],
      ["Row", ({ row }) => statusName(row.status, columns === "examples")],
      ...(columns === "examples" ? [becomes] : []),
      ["", ({ row, from }) => [...notesOf(row), ...(from?.notes ?? [])].join(" ")],
    ]),
    ...(total > rowsShownMax ? [`… and ${counted(total - rowsShownMax, "more row")}`] : []),
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
