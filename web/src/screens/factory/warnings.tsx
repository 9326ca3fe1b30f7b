import type { Schema } from "../../api/types.ts";
import { words } from "../../lib/format.ts";

/** What happens, and what to do: a sentence each. */
const sentences: Readonly<Record<string, string>> = {
  "runs-hot":
    "It trains on past the point where held-out rows are predicted best, so its scores tell less well whose examples an answer came from. Let it stop at the held-out optimum, unless it is to memorise.",
  "long-warm-up":
    "Its learning rate stays below what the recipe asks for most of the time. Set a shorter warm-up, or take more rows or epochs.",
};

/** What is said of a recipe before it starts: what happens and what to do, and in full when opened. */
export function Warnings({ warnings }: Pick<Schema<"FineTune">, "warnings">) {
  return warnings.map(({ code, message }) => {
    const sentence = sentences[code];
    return (
      <div key={code} className="rounded-lg bg-wait-soft p-3 text-sm text-wait">
        <p>{sentence ?? message}</p>
        {sentence !== undefined && (
          <details className="mt-1">
            <summary className="font-medium">Details: {words(code)}</summary>
            <p className="mt-1">{message}</p>
          </details>
        )}
      </div>
    );
  });
}
