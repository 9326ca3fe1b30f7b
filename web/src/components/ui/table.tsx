import type { ReactNode } from "react";
import { cn } from "../../lib/cn.ts";

export type Column<Row> = {
  heading: string;
  cell: (row: Row) => ReactNode;
  /** Numbers stand at the right, under each other. */
  numeric?: boolean;
  /** Left out on narrow screens. */
  wide?: boolean;
};

type Props<Row> = {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  empty?: ReactNode;
};

/** A table of at most a few hundred rows; longer lists are `VirtualTable`'s. */
export function Table<Row>({ caption, columns, rows, keyOf, empty }: Props<Row>) {
  if (rows.length === 0 && empty) return <>{empty}</>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section className="overflow-x-auto" aria-label={caption} tabIndex={0}>
      <table className="w-full border-collapse text-sm">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="border-b text-left text-xs text-quiet">
            {columns.map(({ heading, numeric, wide }) => (
              <th
                key={heading}
                scope="col"
                className={cn(
                  "px-2 py-1.5 font-medium whitespace-nowrap first:pl-0 last:pr-0",
                  numeric && "text-right",
                  wide && "hidden md:table-cell",
                )}
              >
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} className="border-b last:border-0">
              {columns.map(({ heading, cell, numeric, wide }) => (
                <td
                  key={heading}
                  className={cn(
                    "px-2 py-2 align-top first:pl-0 last:pr-0",
                    numeric && "text-right whitespace-nowrap",
                    wide && "hidden md:table-cell",
                  )}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
