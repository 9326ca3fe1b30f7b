/** Texts of a folder, whatever lies in it: lines of JSON, entries of JSON, rows of tables, paragraphs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The real data beside the repository where it is, else the repository's own documents, which are small. The demo's rows would not do for near
 * duplicates: nearly all of them are made by a few forms, and so repeat each other by nature.
 */
export const defaultData = (): string =>
  [join(root, "..", "shared", "data"), join(root, "docs")].find(existsSync) as string;

/** Every text once, in an order that does not depend on the machine. */
export function textsOf(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const texts = files.flatMap(readTexts).map((text) => text.replace(/\s+/g, " ").trim());
  return [...new Set(texts)].filter((text) => text !== "");
}

function readTexts(file: string): string[] {
  const text = () => new TextDecoder().decode(readFileSync(file));
  if (file.endsWith(".jsonl"))
    return text()
      .trim()
      .split("\n")
      .map((line) => wordsIn(JSON.parse(line)));
  if (file.endsWith(".json")) return Object.values(JSON.parse(text())).map(wordsIn);
  if (file.endsWith(".tsv")) return text().split("\n").slice(1);
  if (/\.(txt|md)$/.test(file)) return text().split(/\r?\n\s*\r?\n/);
  return [];
}

/** All strings of a value, one after the other. */
function wordsIn(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "object" && value !== null ? Object.values(value).map(wordsIn).join(" ") : "";
}
