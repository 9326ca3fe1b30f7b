import type { ComponentProps, ReactNode } from "react";
import { cn } from "../../lib/cn.ts";

/** A panel with a heading; `action` stands at the heading's right. */
export function Card({
  heading,
  note,
  action,
  className,
  children,
  ...rest
}: Omit<ComponentProps<"section">, "title"> & { heading?: ReactNode; note?: ReactNode; action?: ReactNode }) {
  return (
    <section {...rest} className={cn("min-w-0 rounded-lg border bg-surface p-4", className)}>
      {(heading || action) && (
        <header className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
          <div>
            {heading && <h2 className="text-base font-semibold">{heading}</h2>}
            {note && <p className="text-sm text-quiet">{note}</p>}
          </div>
          {action}
        </header>
      )}
      {children}
    </section>
  );
}
