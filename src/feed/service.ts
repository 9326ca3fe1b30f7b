import type { Database } from "../store/index.ts";
import type { Source } from "./event.ts";
import { openLog } from "./log.ts";
import { startPump } from "./pump.ts";
import { createReaders, type ReaderLimits, type Readers, readerLimits } from "./readers.ts";

export type FeedOptions = {
  readonly database: Database;
  readonly sources: readonly Source[];
  readonly log?: (level: "info" | "warn", message: string) => void;
  readonly limits?: Partial<FeedLimits>;
};

export type FeedLimits = ReaderLimits & {
  /** Events kept. */
  readonly kept: number;
  /** Least time from one round of reading to the next. */
  readonly everyMs: number;
};

const defaults: FeedLimits = { ...readerLimits, kept: 10_000, everyMs: 500 };
const idleMs = 5_000;

/** One stream of what happens in the node. */
export type Feed = Pick<Readers, "open" | "count"> & {
  /** Something may have happened: the sources are read soon. */
  wake(): void;
  /** Reads the sources to their ends now. */
  drain(): Promise<void>;
  /** Ends all streams. */
  endStreams(): void;
  close(): Promise<void>;
};

export async function openFeed({
  database,
  sources,
  log = () => {},
  limits: given,
}: FeedOptions): Promise<Feed> {
  const limits = { ...defaults, ...given };
  const events = await openLog(database, limits.kept);
  const readers = createReaders(events, limits);
  const pump = startPump({
    ...{ log: events, sources, everyMs: limits.everyMs, idleMs },
    onEvents: readers.tell,
    onTrouble: (source, error) =>
      log("warn", `The live stream does not follow ${source}: ${error.message}. It is tried again.`),
  });
  return {
    open: readers.open,
    count: readers.count,
    wake: pump.wake,
    drain: pump.drain,
    endStreams: readers.close,
    async close() {
      readers.close();
      await pump.close();
    },
  };
}
