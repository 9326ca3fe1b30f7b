import { z } from "zod";
import { chatExample, columnList, type Shaped, textOf } from "./shapes.ts";
import { type Row, UnreadableError } from "./source.ts";

const part = z.string().min(1).max(4_096);

/**
 * Which columns make an example. A value is a column's name, or a template with columns in braces:
 * `"Translate into French: {english}"`.
 */
export const mappingSchema = z.strictObject({
  prompt: part.exactOptional(),
  completion: part,
  system: part.exactOptional(),
});
export type Mapping = z.output<typeof mappingSchema>;

/** `chat`: the prompt is a user's turn, the completion the assistant's. `completion`: a text that the completion goes on with. */
export type MappedAs = "chat" | "completion";

const holes = /\{([^{}]+)\}/g;

/** The columns that a value names. */
function columnsIn(value: string, columns: ReadonlySet<string>): string[] {
  if (columns.has(value)) return [value];
  const named = [...value.matchAll(holes)].map((found) => found[1]!.trim());
  return named.length > 0 ? named : [value];
}

/**
 * Every column a mapping names, each once.
 *
 * @throws UnreadableError `unknown-columns` where the file has not got one of them
 */
export function mappedColumns(mapping: Mapping, columns: ReadonlySet<string>): string[] {
  const named = new Set(Object.values(mapping).flatMap((value) => columnsIn(value, columns)));
  const missing = [...named].filter((column) => !columns.has(column));
  if (missing.length === 0) return [...named];
  throw new UnreadableError(
    "unknown-columns",
    `The mapping names ${missing.map((column) => `"${column}"`).join(", ")}, which the file has not got. Its columns: ${columnList([...columns])}.`,
    {},
    [...columns],
  );
}

/** What a row becomes as the mapping says. */
export function mapRow(row: Row, mapping: Mapping, as: MappedAs, columns: ReadonlySet<string>): Shaped {
  const texts: Partial<Record<keyof Mapping, string>> = {};
  for (const [name, value] of Object.entries(mapping) as [keyof Mapping, string][]) {
    const named = columnsIn(value, columns);
    const words = new Map<string, string>();
    for (const column of named) {
      if (!(column in row))
        return { problem: `The row has no column ${column}. Its columns: ${columnList(Object.keys(row))}.` };
      const text = textOf(row[column]);
      if (text === undefined) return { problem: `Column ${column} holds no text, but a list or an object.` };
      words.set(column, text);
    }
    texts[name] = columns.has(value)
      ? words.get(value)!
      : value.replace(holes, (_, column: string) => words.get(column.trim()) ?? "");
  }
  const { prompt, completion = "", system = "" } = texts;
  if (prompt === undefined) return { text: completion };
  if (as === "completion") return { example: { prompt: system + prompt, completion } };
  if (prompt.trim() === "") return { problem: "The prompt is blank: there is no question." };
  return { example: chatExample(system, [{ role: "user", content: prompt }], completion) };
}
