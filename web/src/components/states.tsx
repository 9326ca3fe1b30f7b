import { InboxIcon, TriangleAlertIcon } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "../lib/cn.ts";
import { Button } from "./ui/button.tsx";

/** Nothing is here yet: what would be here, and the step that brings it. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-lg border border-dashed px-4 py-10 text-center">
      <InboxIcon aria-hidden className="size-7 text-quiet" />
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-prose text-sm text-quiet">{children}</div>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  );
}

/** What went wrong, in the words of who refused, and a way on. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div
      role="alert"
      className="flex items-start gap-3 rounded-lg border border-bad/40 bg-bad-soft/50 p-4 text-sm"
    >
      <TriangleAlertIcon aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0 flex-1 break-words">{message}</div>
      {retry && (
        <Button size="small" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Holds the place of what is being loaded, in its size, so that nothing jumps. */
export function Loading({ rows = 3, className }: { rows?: number; className?: string }) {
  return (
    <div aria-busy="true" className={cn("flex flex-col gap-2", className)}>
      <span className="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all alike and never move
        <div key={row} className="h-9 animate-pulse rounded-md bg-sunken" />
      ))}
    </div>
  );
}

type Query<T> = { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };

/** What a query brought, or its place while it loads, or why there is none. */
export function Loaded<T>({
  query,
  rows,
  place,
  children,
}: {
  query: Query<T>;
  /** Bars that hold its place, each as high as a table's row. */
  rows?: number;
  /** What holds its place instead. */
  place?: ReactNode;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Failure error={query.error} retry={() => query.refetch()} />;
  return place ?? <Loading {...(rows === undefined ? {} : { rows })} />;
}
