/** A version for other programs: `rows` (JSON Lines, Parquet), `croissant` (JSON-LD), `card` (Markdown). */
import type { VersionContent } from "../version.ts";
import { datasetCard } from "./card.ts";
import { croissant, type ExportedFile } from "./croissant.ts";
import type { Described } from "./described.ts";
import { exportRows, jsonLines, parquet } from "./rows.ts";

export const exportNames = ["rows.jsonl", "rows.parquet", "croissant.json", "README.md"] as const;
export type ExportName = (typeof exportNames)[number];

const mediaTypes: Record<ExportName, string> = {
  "rows.jsonl": "application/jsonl",
  "rows.parquet": "application/vnd.apache.parquet",
  "croissant.json": "application/ld+json",
  "README.md": "text/markdown; charset=utf-8",
};

/** @param url where the version is described, without a slash at its end */
export function exportVersion(
  name: ExportName,
  described: Described,
  content: VersionContent,
  url: string,
): ExportedFile {
  const rows = () => exportRows(content);
  const text = (words: string): Uint8Array => Buffer.from(words, "utf8");
  const bytesOf: Record<ExportName, () => Uint8Array> = {
    "rows.jsonl": () => Buffer.concat([...jsonLines(rows())]),
    "rows.parquet": () => parquet(rows()),
    "croissant.json": () => {
      const files = (["rows.parquet", "rows.jsonl"] as const).map((file) =>
        exportVersion(file, described, content, url),
      );
      return text(`${JSON.stringify(croissant(described, url, files), null, 2)}\n`);
    },
    "README.md": () => text(datasetCard(described, ["rows.parquet", "rows.jsonl"])),
  };
  return { name, mediaType: mediaTypes[name], bytes: bytesOf[name]() };
}
