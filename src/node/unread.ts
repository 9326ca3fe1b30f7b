import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A link that hardly works still takes something within this. */
const unreadMs = 60_000;

/**
 * Cuts connections whose asker takes nothing of what is written to it: answers would otherwise stay in memory as long as it likes. Who waits for an
 * answer, or for a stream's next event, has nothing to read and stays; so does who reads slowly.
 *
 * @param afterMs how long nothing of it was taken
 */
export function cutUnread(server: Server, afterMs = unreadMs): void {
  const answering = new Set<Socket>();
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    answering.add(socket);
    response.once("close", () => answering.delete(socket));
  });
  // Node tells of a socket on which nothing came or went, parts of a write included, and leaves what follows to whoever listens.
  server.setTimeout(afterMs, (socket) => {
    if (answering.has(socket) && socket.writableLength === 0) socket.setTimeout(afterMs);
    else socket.destroy();
  });
}
