import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { rowQuery } from "../api/answers.ts";
import type { Schema } from "../api/types.ts";
import { Address } from "../components/hash.tsx";
import { Loaded } from "../components/states.tsx";
import { Button } from "../components/ui/button.tsx";
import { cn } from "../lib/cn.ts";
import { count } from "../lib/format.ts";
import { ExampleText } from "./example-text.tsx";
import { segmentsOf } from "./segments.ts";

type Spans = Schema<"AnswerSpans">["spans"];

/** An answer with the runs that stand word for word in the training data marked; each is a button that chooses it. */
export function SpannedAnswer({
  answer,
  spans,
  chosen,
  onChoose,
}: {
  answer: string;
  spans: Spans;
  chosen: number | null;
  onChoose: (span: number | null) => void;
}) {
  return (
    <p className="break-words whitespace-pre-wrap">
      {segmentsOf(answer, spans).map(({ text, start, span }) =>
        span === null ? (
          <span key={start}>{start === 0 ? text.trimStart() : text}</span>
        ) : (
          <button
            key={start}
            type="button"
            aria-pressed={chosen === span}
            title={`Stands in ${count(spans[span]?.documents.count ?? 0)} training examples`}
            onClick={() => onChoose(chosen === span ? null : span)}
            className={cn(
              "inline rounded-sm border-b-2 border-accent bg-accent-soft text-left whitespace-pre-wrap",
              chosen === span && "bg-accent text-on-accent",
            )}
          >
            {text}
          </button>
        ),
      )}
    </p>
  );
}

/** Where a chosen span stands: the examples that hold it, earliest commitment first; without a choice, what to do. */
export function SpanPlaces({
  spans,
  gated,
  chosen,
}: {
  spans: Spans;
  gated: readonly string[];
  chosen: number | null;
}) {
  const span = chosen === null ? undefined : spans[chosen];
  if (gated.length > 0)
    return (
      <p className="text-sm text-quiet">
        The texts of {gated.length === 1 ? "Datanet" : "Datanets"} {gated.join(", ")} are not open to all.
        Whether words of this answer stand in them is told to this node's operator only.
      </p>
    );
  if (span === undefined)
    return (
      <p className="text-sm text-quiet">
        {spans.length === 0
          ? "No run of this answer rare enough to tell stands word for word in the training data."
          : "Choose a marked run of the answer to see which examples hold it. Words alone pay nobody; influence does."}
      </p>
    );
  const { documents, contributors, complete } = span;
  return (
    <div className="flex flex-col gap-3 text-sm">
      <p>
        “{span.text.trim()}” stands in {complete ? "" : "at least "}
        {count(documents.count)} {documents.count === 1 ? "example" : "examples"} of{" "}
        {count(contributors.count)} {contributors.count === 1 ? "contributor" : "contributors"}. Committed
        first:
      </p>
      <ul className="flex flex-col gap-2">
        {documents.first.map((place) => (
          <Place key={`${place.datanetId}.${place.version}.${place.row}`} {...place} />
        ))}
      </ul>
    </div>
  );
}

function Place({
  datanetId,
  version,
  row,
  license,
  contributor,
}: Spans[number]["documents"]["first"][number]) {
  const [open, setOpen] = useState(false);
  const found = useQuery({ ...rowQuery(datanetId, version, row), enabled: open });
  return (
    <li className="rounded-md border p-2.5">
      <div className="flex flex-wrap items-center justify-between gap-x-3">
        <span>
          Datanet {datanetId}, version {version}, row {count(row)} · {license}
        </span>
        <Address value={contributor} />
      </div>
      <Button variant="link" size="small" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "Hide the example" : "Show the example"}
      </Button>
      {open && (
        <Loaded query={found} rows={1}>
          {({ rows }) =>
            rows[0] ? <ExampleText example={rows[0].example} /> : "The row has been withdrawn."
          }
        </Loaded>
      )}
    </li>
  );
}
