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
  /** On a telephone a row's cells stand under each other with their headings: for rows that are wider than it. */
  stack?: boolean;
};

/** A table of at most a few hundred rows; longer lists are `VirtualTable`'s. */
export function Table<Row>({ caption, columns, rows, keyOf, empty, stack = false }: Props<Row>) {
  if (rows.length === 0 && empty) return <>{empty}</>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section className="overflow-x-auto" aria-label={caption} tabIndex={0}>
      <table className={cn("w-full border-collapse text-sm", stack && "max-sm:block")}>
        <caption className="sr-only">{caption}</caption>
        <thead className={cn(stack && "max-sm:sr-only")}>
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
        <tbody className={cn(stack && "max-sm:block")}>
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              className={cn("border-b last:border-0", stack && "max-sm:block max-sm:py-2")}
            >
              {columns.map(({ heading, cell, numeric, wide }, at) => (
                <td
                  key={heading}
                  className={cn(
                    "px-2 py-2 align-top first:pl-0 last:pr-0",
                    numeric && "text-right whitespace-nowrap",
                    wide && "hidden md:table-cell",
                    stack &&
                      !wide &&
                      "max-sm:flex max-sm:justify-between max-sm:gap-4 max-sm:px-0 max-sm:py-0.5",
                  )}
                >
                  {stack ? (
                    <>
                      {at > 0 && (
                        <span aria-hidden className="max-w-1/2 shrink-0 text-quiet sm:hidden">
                          {heading}
                        </span>
                      )}
                      <div
                        className={cn(
                          "min-w-0",
                          at > 0 &&
                            "max-sm:text-right max-sm:whitespace-normal max-sm:[overflow-wrap:anywhere]",
                        )}
                      >
                        {cell(row)}
                      </div>
                    </>
                  ) : (
                    cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
