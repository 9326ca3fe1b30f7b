import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import { cn } from "../lib/cn.ts";
import { useNarrow } from "../lib/narrow.ts";

export type VirtualColumn<Row> = {
  heading: string;
  width: string;
  cell: (row: Row) => ReactNode;
  numeric?: boolean;
};

type Props<Row> = {
  caption: string;
  columns: readonly VirtualColumn<Row>[];
  /** How many rows there are in all; those not loaded yet are drawn empty. */
  total: number;
  rowAt: (index: number) => Row | undefined;
  /** Told which rows are seen, so that they can be loaded. */
  onRange?: (first: number, last: number) => void;
  onOpen?: (row: Row) => void;
  /** Pixels, where columns stand beside each other. */
  rowHeight?: number;
  height?: string;
};

/** Where it is narrow: a line of a row, and what is above and below its lines, pixels. */
const line = 26;
const around = 12;

/**
 * A table of any length: only the rows in sight (and a few beside) are in the document. Where it is narrow, a row's cells stand
 * under each other with their headings: nothing scrolls sideways.
 */
export function VirtualTable<Row>({
  caption,
  columns,
  total,
  rowAt,
  onRange,
  onOpen,
  rowHeight = 44,
  height = "min(65dvh, 46rem)",
}: Props<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const high = narrow ? around + line * columns.length : rowHeight;
  const virtual = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => high,
    overscan: 8,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the virtualizer remembers the heights of before
  useEffect(() => virtual.measure(), [high, virtual]);
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => onRange?.(first, last), [onRange, first, last]);
  const grid = narrow
    ? { gridTemplateRows: `repeat(${columns.length}, ${line}px)` }
    : { gridTemplateColumns: columns.map(({ width }) => width).join(" ") };
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows that come and go cannot be a table element's
    <div
      ref={scroller}
      role="table"
      aria-label={caption}
      aria-rowcount={total + 1}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
      tabIndex={0}
      className="overflow-auto rounded-md border text-sm"
      style={{ maxHeight: height }}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: a heading row is not interactive */}
      <div
        role="row"
        aria-rowindex={1}
        className={
          narrow
            ? "sr-only"
            : "sticky top-0 z-10 grid min-w-max border-b bg-sunken text-xs font-medium text-quiet"
        }
        style={grid}
      >
        {columns.map(({ heading, numeric }) => (
          // biome-ignore lint/a11y/useSemanticElements: as above
          // biome-ignore lint/a11y/useFocusableInteractive: a heading is not interactive
          <div key={heading} role="columnheader" className={cn("px-3 py-2", numeric && "text-right")}>
            {heading}
          </div>
        ))}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      <div
        role="rowgroup"
        className={cn("relative", !narrow && "min-w-max")}
        style={{ height: virtual.getTotalSize() }}
      >
        {items.map(({ index, start }) => {
          const row = rowAt(index);
          return (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: its button is what takes the focus
            <div
              key={index}
              role="row"
              aria-rowindex={index + 2}
              className={cn("absolute inset-x-0 grid border-b hover:bg-sunken", narrow && "content-center")}
              style={{ ...grid, height: high, transform: `translateY(${start}px)` }}
              {...(onOpen && row ? { onClick: () => onOpen(row) } : {})}
            >
              {columns.map(({ heading, cell, numeric }, at) => (
                // biome-ignore lint/a11y/useSemanticElements: as above
                <div
                  key={heading}
                  role="cell"
                  className={cn(
                    "flex min-w-0 items-center overflow-hidden px-3",
                    numeric && !narrow && "justify-end",
                    narrow && "gap-2",
                  )}
                >
                  {narrow && at > 0 && (
                    <span aria-hidden className="w-20 shrink-0 text-xs text-quiet">
                      {heading}
                    </span>
                  )}
                  <div className="truncate">{row ? cell(row) : "…"}</div>
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
