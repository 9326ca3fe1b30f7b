import type { Server } from "node:http";
import type { Http2SecureServer, Http2Server } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";

const lookEveryMs = 20;
/** What a supervisor commonly waits before it kills. */
const answersMs = 30_000;
/** For what is written to reach its readers, and for streams of events that never end. */
const writingMs = 1_000;

/**
 * Closes an HTTP server: takes no new connections, lets the answers under way reach their askers, 30 s at most, and then cuts what is
 * still connected.
 *
 * @param underWay - answers that are being made
 */
export async function closeServer(
  server: Server | Http2Server | Http2SecureServer,
  underWay: () => Promise<number>,
): Promise<void> {
  let open = true;
  const ended = new Promise<void>((resolve) =>
    server.close(() => {
      open = false;
      resolve();
    }),
  );
  const wait = async (ms: number, busy: () => Promise<boolean>) => {
    for (
      const until = Date.now() + ms;
      open && Date.now() < until && (await busy());
      await sleep(lookEveryMs)
    )
      if ("closeIdleConnections" in server) server.closeIdleConnections();
  };
  await wait(answersMs, async () => (await underWay()) > 0);
  await wait(writingMs, async () => true);
  if ("closeAllConnections" in server) server.closeAllConnections();
  await ended;
}

/** Keeps how a value that was opened is closed. @returns the value */
export type Opened = <T>(what: string, value: T, close: (value: T) => Promise<unknown>) => T;

/**
 * What is opened in turn, and closed in the reverse order.
 *
 * @throws AggregateError from `closeAll` when something did not close; the rest is closed all the same
 */
export function createClosers(): { opened: Opened; closeAll(): Promise<void> } {
  const closers: [what: string, close: () => Promise<unknown>][] = [];
  return {
    opened(what, value, close) {
      closers.push([what, () => close(value)]);
      return value;
    },
    async closeAll() {
      const failures: Error[] = [];
      for (const [what, close] of closers.splice(0).reverse())
        await close().catch((cause: Error) =>
          failures.push(new Error(`${what} did not close: ${cause.message}`, { cause })),
        );
      if (failures.length > 0) throw new AggregateError(failures, failures.map((f) => f.message).join("; "));
    },
  };
}
