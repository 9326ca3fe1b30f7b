import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Loading } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { cn } from "../../lib/cn.ts";
import { useFilters } from "../../lib/filters.ts";
import { count, short } from "../../lib/format.ts";
import { passHeaders } from "./pass.ts";
import { languageName, tokensInWords, tokensText } from "./row-filters.ts";

type Bars = Schema<"VersionHistograms">;
type Props = { datanetId: string; version: number; split: Schema<"Split">; pass: string | undefined };

/** How the rows are spread; a bar that is clicked leaves only its rows in the list, and brings all back when clicked again. */
export function Histograms({ datanetId, version, split, pass }: Props) {
  const [open, setOpen] = useState(false);
  const found = useQuery({
    queryKey: ["rows", datanetId, "histograms", version, split, pass ?? ""],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/versions/{version}/histograms", {
          params: { path: { datanetId, version }, query: { split } },
          headers: passHeaders(pass),
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  // Why rows cannot be read is said where they would be.
  if (found.error) return null;
  return (
    <section aria-label="How the rows are spread">
      <Button size="small" className="md:hidden" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "Hide how rows are spread" : "Show how rows are spread"}
      </Button>
      <div
        className={cn(
          "gap-3 max-md:mt-3 md:grid md:grid-cols-2 xl:grid-cols-4",
          open ? "grid grid-cols-1" : "hidden",
        )}
      >
        {found.data ? <Panels bars={found.data} /> : <Loading rows={4} className="h-38 md:col-span-full" />}
      </div>
    </section>
  );
}

function Panels({ bars }: { bars: Bars }) {
  const [filter, change] = useFilters();
  const { total, looked, tokens, languages, contributors, contributorCount, withdrawn } = bars;
  const toggle = (name: string, value: string) =>
    change({ [name]: filter(name) === value ? undefined : value, row: undefined });
  const most = Math.max(1, ...tokens.map(({ rows }) => rows));
  return (
    <>
      <Panel
        heading="Length"
        note={looked < total ? `of the first ${count(looked)} rows` : "in tokens"}
        className="xl:col-span-2"
      >
        <div className="flex h-24 items-stretch">
          {tokens.map((bar) => {
            const value = tokensText(bar);
            const label = `${tokensInWords(bar)}: ${count(bar.rows)} rows`;
            return (
              <button
                key={value}
                type="button"
                title={label}
                aria-label={label}
                aria-pressed={filter("tokens") === value}
                disabled={bar.rows === 0}
                onClick={() => toggle("tokens", value)}
                className="group flex min-w-0 flex-1 items-end px-px"
              >
                <span
                  aria-hidden
                  className="w-full rounded-t-xs bg-accent/55 group-hover:bg-accent group-aria-pressed:bg-accent"
                  style={{ height: `${bar.rows === 0 ? 0 : Math.max(3, (100 * bar.rows) / most)}%` }}
                />
              </button>
            );
          })}
        </div>
        <p aria-hidden className="flex justify-between border-t pt-0.5 text-xs text-quiet">
          <span>{tokens[0] && count(tokens[0].from)}</span>
          <span>{tokens.length > 0 && lastOf(tokens)}</span>
        </p>
      </Panel>
      <Panel heading="Language">
        <Lines
          lines={languages.map(({ language, rows }) => ({
            value: language ?? "unknown",
            label: languageName(language),
            rows,
          }))}
          of={looked}
          chosen={filter("language")}
          onChoose={(value) => toggle("language", value)}
        />
        {withdrawn > 0 && (
          <>
            <h3 className="mt-2 text-sm font-medium">Status</h3>
            <Lines
              lines={[
                { value: "counts", label: "not taken back", rows: total - withdrawn },
                { value: "withdrawn", label: "taken back since", rows: withdrawn },
              ]}
              of={total}
              chosen={filter("standing")}
              onChoose={(value) => toggle("standing", value)}
            />
          </>
        )}
      </Panel>
      <Panel heading="Contributors" note={count(contributorCount)}>
        <Lines
          lines={contributors.map(({ contributor, rows }) => ({
            value: contributor,
            label: <span className="font-mono text-xs">{short(contributor)}</span>,
            title: contributor,
            rows,
          }))}
          of={total}
          chosen={filter("contributor")}
          onChoose={(value) => toggle("contributor", value)}
        />
      </Panel>
    </>
  );
}

function lastOf(tokens: Bars["tokens"]): string {
  const last = tokens.at(-1);
  return last === undefined ? "" : last.to === null ? `${count(last.from)} or more` : count(last.to);
}

function Panel({
  heading,
  note,
  className,
  children,
}: {
  heading: string;
  note?: string;
  className?: string;
  children: ReactNode;
}) {
  return (
    <div className={cn("min-w-0 rounded-lg border bg-surface p-3", className)}>
      <h2 className="mb-1 flex justify-between gap-2 text-sm font-medium">
        {heading}
        {note && <span className="font-normal text-quiet">{note}</span>}
      </h2>
      {children}
    </div>
  );
}

type Line = { value: string; label: ReactNode; title?: string; rows: number };
const shown = 4;

/** Bars that lie, most first. */
function Lines({
  lines,
  of,
  chosen,
  onChoose,
}: {
  lines: readonly Line[];
  of: number;
  chosen: string | undefined;
  onChoose: (value: string) => void;
}) {
  const [all, setAll] = useState(false);
  return (
    <ul className="flex flex-col gap-0.5">
      {(all ? lines : lines.slice(0, shown)).map(({ value, label, title, rows }) => (
        <li key={value}>
          <button
            type="button"
            title={title}
            aria-pressed={chosen === value}
            onClick={() => onChoose(value)}
            className="relative flex h-6 w-full items-center justify-between gap-2 rounded px-1.5 text-sm hover:bg-sunken aria-pressed:outline-1 aria-pressed:outline-accent"
          >
            <span
              aria-hidden
              className="absolute inset-y-0 left-0 rounded bg-accent-soft"
              style={{ width: `${(100 * rows) / Math.max(1, of)}%` }}
            />
            <span className="relative min-w-0 truncate">{label}</span>
            <span className="relative">{count(rows)}</span>
          </button>
        </li>
      ))}
      {lines.length > shown && (
        <li>
          <Button variant="link" size="small" onClick={() => setAll(!all)}>
            {all ? "Fewer" : `${lines.length - shown} more`}
          </Button>
        </li>
      )}
    </ul>
  );
}
