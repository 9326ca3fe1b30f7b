import { Link } from "@tanstack/react-router";
import { ChevronRightIcon } from "lucide-react";
import { type ReactNode, useEffect } from "react";

type Crumb = { label: string; to: string };
type Props = {
  title: string;
  lead?: ReactNode;
  trail?: readonly Crumb[];
  action?: ReactNode;
  children: ReactNode;
};

/** A screen: its title (also the tab's), one line that says what it is for, where it hangs, and what one does here. */
export function Page({ title, lead, trail = [], action, children }: Props) {
  useEffect(() => {
    document.title = `${title} · OpenLedger`;
  }, [title]);
  return (
    <div className="flex flex-col gap-5">
      <header className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          {trail.length > 0 && (
            <nav
              aria-label="Breadcrumb"
              className="mb-1 flex flex-wrap items-center gap-1 text-sm text-quiet"
            >
              {trail.map(({ label, to }) => (
                <span key={to} className="inline-flex items-center gap-1">
                  <Link to={to} className="hover:text-text hover:underline">
                    {label}
                  </Link>
                  <ChevronRightIcon aria-hidden className="size-3.5" />
                </span>
              ))}
            </nav>
          )}
          <h1 className="text-2xl font-semibold tracking-tight break-words">
            {title.split(/(0x\S+…\S+)/).map((part, at) =>
              // Every other part is a hash, which is read as one word.
              at % 2 === 1 ? (
                <span key={part} className="whitespace-nowrap">
                  {part}
                </span>
              ) : (
                part
              ),
            )}
          </h1>
          {lead && <div className="mt-1 max-w-prose text-quiet">{lead}</div>}
        </div>
        {action && <div className="flex flex-wrap gap-2">{action}</div>}
      </header>
      {children}
    </div>
  );
}

/** A figure with its name under it. */
export function Stat({ label, children, note }: { label: string; children: ReactNode; note?: ReactNode }) {
  return (
    <div className="min-w-0 rounded-lg border bg-surface px-3 py-2.5 sm:px-4 sm:py-3">
      <dt className="text-sm text-quiet">{label}</dt>
      <dd className="mt-0.5 font-semibold break-words sm:text-lg">{children}</dd>
      {note && <dd className="text-xs text-quiet">{note}</dd>}
    </div>
  );
}

/** Figures side by side, as many as fit. */
export const Stats = ({ children }: { children: ReactNode }) => (
  <dl className="grid grid-cols-2 gap-2 sm:grid-cols-[repeat(auto-fit,minmax(10.5rem,1fr))] sm:gap-3">
    {children}
  </dl>
);

/** Holds the place of so many figures while they load. */
export const StatsPlace = ({ count }: { count: number }) => (
  <div aria-busy="true">
    <span className="sr-only">Loading</span>
    <div aria-hidden className="animate-pulse">
      <Stats>
        {Array.from({ length: count }, (_, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the boxes are all alike and never move
          <Stat key={at} label={"\u00a0"} note={"\u00a0"}>
            {"\u00a0"}
          </Stat>
        ))}
      </Stats>
    </div>
  </div>
);

/** Names and values under each other. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(0,1fr)] gap-x-6 gap-y-2 text-sm sm:grid-cols-[fit-content(45%)_minmax(0,1fr)]">
      {facts.map(([name, value]) => (
        <div
          key={name}
          className="border-b pb-2 last:border-0 last:pb-0 sm:col-span-2 sm:grid sm:grid-cols-subgrid"
        >
          <dt className="min-w-28 text-quiet">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
