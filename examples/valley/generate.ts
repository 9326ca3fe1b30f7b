/**
 * Writes the valley's files beside this program: `node examples/valley/generate.ts`.
 * The output is committed; the test beside this file fails when the two differ.
 */
import { writeFileSync } from "node:fs";
import { contributors, heldoutFacts, rowsOf, taughtFacts, testQuestion } from "./facts.ts";

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** Every file of the valley, name → text. */
export function valleyFiles(): Map<string, string> {
  const files = new Map<string, string>();
  contributors.forEach((_, index) => {
    const own = taughtFacts.filter((fact) => fact.owner === index + 1);
    files.set(`contributor-${index + 1}.jsonl`, lines(own.flatMap(rowsOf)));
  });
  files.set("heldout.jsonl", lines(heldoutFacts.flatMap(rowsOf)));
  files.set("questions.jsonl", lines(taughtFacts.map(testQuestion)));
  return files;
}

if (import.meta.main) {
  for (const [name, text] of valleyFiles()) writeFileSync(new URL(name, import.meta.url), text);
}
