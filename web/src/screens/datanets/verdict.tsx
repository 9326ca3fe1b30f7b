import { Badge } from "../../components/ui/badge.tsx";
import type { Tone } from "../../lib/format.ts";

export type Status =
  | "accepted"
  | "duplicate"
  | "near-duplicate"
  | "refused"
  | "pending"
  | "rejected"
  | "withdrawn";

const said: Record<Status, { label: string; tone: Tone; means: string }> = {
  accepted: { label: "counts", tone: "good", means: "Passed every check that the Datanet asks for." },
  pending: { label: "waits for review", tone: "wait", means: "Passed the checks; curators decide." },
  duplicate: {
    label: "duplicate",
    tone: "quiet",
    means: "The very same row is here already, or came earlier.",
  },
  "near-duplicate": {
    label: "near duplicate",
    tone: "quiet",
    means: "All but the same as an earlier row; it joins that row's cluster.",
  },
  refused: { label: "refused", tone: "bad", means: "A check that the Datanet asks for keeps it out." },
  rejected: {
    label: "turned down",
    tone: "bad",
    means: "Curators turned it down; their reasons stand with it.",
  },
  withdrawn: {
    label: "taken back",
    tone: "quiet",
    means: "Its contributor took it back, or gave a curator's text in its place.",
  },
};

/** Every status a row can have, in the order they are listed. */
export const statuses = Object.keys(said) as Status[];

export const Verdict = ({ status }: { status: Status }) => (
  <Badge tone={said[status].tone}>{said[status].label}</Badge>
);

/** What a status means. */
export const verdictMeaning = (status: Status): string => said[status].means;

type Reason = { check: string; severity: "note" | "refusal"; message: string };

/** What is most worth knowing of a row, on one line: why it is kept out, else what is notable. Which language it is in, is not. */
export const mainReason = (reasons: readonly Reason[]): string =>
  (
    reasons.find(({ severity }) => severity === "refusal") ??
    reasons.find(({ check }) => check !== "language")
  )?.message ?? "";

/** All that the checks found in a row. */
export function Reasons({ reasons }: { reasons: readonly Reason[] }) {
  if (reasons.length === 0) return <p className="text-sm text-quiet">The checks found nothing to say.</p>;
  return (
    <ul className="flex flex-col gap-2 text-sm">
      {reasons.map(({ check, severity, message }) => (
        <li key={`${check} ${message}`} className="flex items-start gap-2">
          <Badge tone={severity === "refusal" ? "bad" : "quiet"} className="mt-0.5 shrink-0">
            {check}
          </Badge>
          <span className="min-w-0 [overflow-wrap:anywhere]">{message}</span>
        </li>
      ))}
    </ul>
  );
}

/** How many rows have each status; one is chosen by its button, and let go by it. */
export function StatusFilter({
  counts,
  chosen,
  onChoose,
}: {
  counts: ReadonlyMap<string, number>;
  chosen: string | undefined;
  onChoose: (status: string | undefined) => void;
}) {
  return (
    <fieldset className="flex flex-wrap gap-2">
      <legend className="sr-only">Show only rows that are</legend>
      {statuses
        .filter((status) => (counts.get(status) ?? 0) > 0)
        .map((status) => (
          <button
            key={status}
            type="button"
            aria-pressed={chosen === status}
            title={said[status].means}
            onClick={() => onChoose(chosen === status ? undefined : status)}
            className="inline-flex items-center gap-2 rounded-md border bg-surface px-2.5 py-1.5 text-sm hover:bg-sunken aria-pressed:border-accent aria-pressed:bg-accent-soft"
          >
            <Verdict status={status} />
            {(counts.get(status) ?? 0).toLocaleString("en-US")}
          </button>
        ))}
    </fieldset>
  );
}

/** How often each status occurs. */
export function countStatuses(rows: readonly { status: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}
