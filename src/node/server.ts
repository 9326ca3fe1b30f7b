/** The HTTP server of a node, with JSON-RPC over WebSockets beside the routes. */
import type { IncomingMessage, Server } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import { refuseUpgrade } from "../chain/index.ts";
import type { App } from "./app.ts";
import { closeServer, type Opened } from "./closing.ts";
import type { NodeConfig } from "./config.ts";
import { isForeignName } from "./guard.ts";
import type { Services } from "./services.ts";
import { cutUnread } from "./unread.ts";

/** Fails early with EADDRINUSE: a first start would otherwise make a whole home before it noticed. */
export async function requireFreePort({ port, host }: NodeConfig): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

/** @returns the address it listens at, without a slash at the end; closing lets the answers under way reach their askers */
export async function listen(
  config: NodeConfig,
  { feed, inference }: Pick<Services, "feed" | "inference">,
  { app, rpc }: App,
  opened: Opened,
): Promise<string> {
  const server = createAdaptorServer({ fetch: app.fetch, hostname: config.host });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isForeignName(config.host, request.headers.host))
      refuseUpgrade(
        socket,
        "403 Forbidden",
        "This node answers on this machine only: ask for 127.0.0.1 or localhost.",
      );
    else if (!/^\/rpc\/?(\?|$)/.test(request.url ?? ""))
      refuseUpgrade(socket, "404 Not Found", "WebSockets are served at /rpc only.");
    else rpc.upgrade(request, socket, head);
  });
  cutUnread(server as Server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, () => resolve());
  });
  opened("the HTTP server", server, async (s) => {
    rpc.close();
    feed.endStreams();
    await closeServer(s, async () => (await inference.metrics()).inFlight);
  });
  return `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${(server.address() as AddressInfo).port}`;
}
