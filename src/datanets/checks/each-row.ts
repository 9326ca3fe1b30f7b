import { setImmediate } from "node:timers/promises";
import { type Example, wordHashesOf } from "../../protocol/index.ts";
import type { UploadRow } from "../upload.ts";
import type { Check, CheckName, CheckRow, Finding } from "./verdict.ts";

/** A row may take as long as hundreds of others. */
const pauseAfterMs = 20;

/** Goes through items one by one and lets the process answer others in between. */
export async function mapSlowly<T, R>(
  items: readonly T[],
  action: (item: T, position: number) => R,
): Promise<R[]> {
  const results: R[] = [];
  let pausedMs = performance.now();
  for (const [position, item] of items.entries()) {
    if (performance.now() - pausedMs > pauseAfterMs) {
      await setImmediate();
      pausedMs = performance.now();
    }
    results.push(action(item, position));
  }
  return results;
}

/** A check that looks at one row at a time. */
export const eachRow = (name: CheckName, inspect: (row: CheckRow) => Finding | undefined): Check => ({
  name,
  run: (rows) => mapSlowly(rows, inspect),
});

/** The texts of an example by where they stand in it. */
export const fieldsOf = (example: Example): { readonly field: string; readonly text: string }[] =>
  "messages" in example
    ? example.messages.map(({ content }, i) => ({ field: `messages.${i}.content`, text: content }))
    : [
        { field: "prompt", text: example.prompt },
        { field: "completion", text: example.completion },
      ];

/** What is read and learned: everything but system prompts. */
export const textOf = (example: Example): string =>
  "messages" in example
    ? example.messages
        .filter(({ role }) => role !== "system")
        .map(({ content }) => content)
        .join("\n")
    : `${example.prompt} ${example.completion}`;

export function checkRow({ line, digest, example }: Omit<UploadRow, "json">): CheckRow {
  const text = textOf(example);
  return { line, digest, example, text, words: wordHashesOf(text) };
}
