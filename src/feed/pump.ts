import type { LoggedEvent, Source } from "./event.ts";
import type { FeedLog } from "./log.ts";

export type Pump = {
  /** Something may have happened. */
  wake(): void;
  /** Reads every source to its end, now. */
  drain(): Promise<void>;
  /** Finishes what is being read. */
  close(): Promise<void>;
};

export type PumpOptions = {
  readonly log: FeedLog;
  readonly sources: readonly Source[];
  readonly onEvents: (events: readonly LoggedEvent[]) => void;
  readonly onTrouble: (source: string, error: Error) => void;
  /** Least time from one round to the next, so that a busy chain gives a few events a second and not thousands. */
  readonly everyMs: number;
  /** Rounds that nobody asked for: a source may have nothing that wakes. */
  readonly idleMs: number;
};

const readAtOnce = 200;

/** Carries what happened from the sources into the log, one round at a time. */
export function startPump({ log, sources, onEvents, onTrouble, everyMs, idleMs }: PumpOptions): Pump {
  let closed = false;
  let dirty = true;
  let notify = () => {};
  const troubled = new Set<string>();

  async function read(source: Source): Promise<void> {
    for (let more = true; more && !closed; ) {
      const before = log.cursor(source.name);
      const found = await source.read(before, readAtOnce);
      more = found.more;
      if (found.events.length === 0 && JSON.stringify(found.cursor) === JSON.stringify(before)) break;
      const logged = await log.append(source.name, found.cursor, found.events);
      if (logged.length > 0) onEvents(logged);
    }
    troubled.delete(source.name);
  }

  async function round(): Promise<void> {
    for (const source of sources)
      await read(source).catch((error: Error) => {
        if (closed || troubled.has(source.name)) return;
        troubled.add(source.name);
        onTrouble(source.name, error);
      });
  }

  let turn = Promise.resolve();
  const drain = () => {
    turn = turn.then(round);
    return turn;
  };

  /** Waits for a notice or the time. */
  const rest = (ms: number, interrupted: boolean) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      notify = () => {
        if (!interrupted && !closed) return;
        clearTimeout(timer);
        resolve();
      };
    });

  const running = (async () => {
    while (!closed) {
      dirty = false;
      await drain();
      if (!closed) await rest(everyMs, false);
      if (!closed && !dirty) await rest(idleMs, true);
    }
  })();

  return {
    drain,
    wake() {
      dirty = true;
      notify();
    },
    async close() {
      closed = true;
      notify();
      await running;
      await turn;
    },
  };
}
