import { useQueries } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";

/** Rows asked for at once. */
const pageSize = 100;

type Asked<Page> = {
  /** What the rows are of; another key is another list. */
  key: readonly unknown[];
  load: (page: { offset: number; limit: number; signal: AbortSignal }) => Promise<Page>;
};

/** A long list of which only the pages in sight are fetched: feeds a `VirtualTable`. */
export function usePages<Row, Page extends { rows: readonly Row[] }>({ key, load }: Asked<Page>) {
  const [[first, last], setRange] = useState<readonly [number, number]>([0, 0]);
  const numbers = Array.from({ length: last - first + 1 }, (_, at) => first + at);
  const pages = useQueries({
    queries: numbers.map((number) => ({
      queryKey: [...key, number],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        load({ offset: number * pageSize, limit: pageSize, signal }),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  });
  const loaded = new Map(numbers.map((number, at) => [number, pages[at]?.data as Page | undefined]));
  const any = pages.find(({ data }) => data !== undefined)?.data as Page | undefined;
  const latest = useRef<Page>(undefined);
  latest.current = any ?? latest.current;
  const onRange = useCallback((from: number, to: number) => {
    const next = [Math.floor(from / pageSize), Math.floor(to / pageSize)] as const;
    setRange((before) => (before[0] === next[0] && before[1] === next[1] ? before : next));
  }, []);
  return {
    /** One of the pages, of the list before while this one loads: what it says beside its rows is the list's. */
    page: latest.current,
    error: pages.find(({ error }) => error)?.error,
    isFetching: pages.some(({ isFetching }) => isFetching),
    rowAt: (index: number): Row | undefined =>
      loaded.get(Math.floor(index / pageSize))?.rows[index % pageSize],
    onRange,
  };
}
