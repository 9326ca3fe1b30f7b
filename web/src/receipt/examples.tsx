import { useState } from "react";
import type { Schema } from "../api/types.ts";
import { Address } from "../components/hash.tsx";
import { Button } from "../components/ui/button.tsx";
import { count, percent } from "../lib/format.ts";
import { ExampleText } from "./example-text.tsx";

const first = 3;

/** The training examples that made an answer likelier, the strongest first. */
export function Examples({ examples }: { examples: Schema<"AnswerExamples"> }) {
  const [all, setAll] = useState(false);
  const { helpful, traced, looked } = examples;
  if (!traced) return <p className="text-sm text-quiet">The influence of this answer was not traced.</p>;
  if (helpful.length === 0)
    return <p className="text-sm text-quiet">No contributor is paid for influence on this answer.</p>;
  return (
    <div className="flex flex-col gap-3">
      <p className="text-sm text-quiet">
        The strongest of {count(looked)} examples of the contributors who are paid.{" "}
        {helpful.every(({ shareMillionths }) => shareMillionths === null)
          ? "None has a share: examples for the answer and examples against it, summed, come to nothing or less."
          : "A share is of the influence of all these examples together, not of money. Those that spoke against the answer count below zero, so that the shares of the strongest can come to more than 100 %."}
      </p>
      <ol className="flex flex-col gap-2">
        {helpful.slice(0, all ? undefined : first).map((found) => (
          <li key={found.example} className="rounded-md border p-2.5">
            <div className="mb-1.5 flex flex-wrap items-center justify-between gap-x-3 text-sm">
              <Address value={found.contributor} />
              {found.shareMillionths !== null && (
                <span className="font-medium">{percent(found.shareMillionths / 1e6)}</span>
              )}
            </div>
            {found.text === null ? (
              <p className="text-sm text-quiet">Its Datanet is not open to all, so its text is not shown.</p>
            ) : (
              <ExampleText example={found.text as unknown as Schema<"Example">} />
            )}
            <p className="mt-1.5 text-xs text-quiet">
              Datanet {found.datanetId}, version {found.version}, row {count(found.row)} · {found.license}
            </p>
          </li>
        ))}
      </ol>
      {helpful.length > first && (
        <div>
          <Button size="small" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show all ${helpful.length}`}
          </Button>
        </div>
      )}
    </div>
  );
}
