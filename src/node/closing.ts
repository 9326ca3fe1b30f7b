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
