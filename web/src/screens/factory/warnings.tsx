import type { Schema } from "../../api/types.ts";
import { words } from "../../lib/format.ts";

/** What is said of a recipe before it starts: in a word each, in full when opened. */
export function Warnings({ warnings }: Pick<Schema<"FineTune">, "warnings">) {
  return warnings.map(({ code, message }) => (
    <details key={code} className="rounded-lg bg-wait-soft p-3 text-sm text-wait">
      <summary className="font-medium">{words(code)}</summary>
      <p className="mt-1">{message}</p>
    </details>
  ));
}
