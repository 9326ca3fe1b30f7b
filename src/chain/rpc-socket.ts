import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { EmbeddedChain } from "./embedded.ts";
import { RpcError, rpcCodes } from "./errors.ts";
import { type RpcHandler, rpcLimits } from "./rpc-handler.ts";
import { createSubscriptions } from "./subscriptions.ts";

/** Bounds on WebSocket connections. */
export const socketLimits = {
  connections: 256,
  connectionsPerAddress: 64,
  /** Bodies of one connection that are being answered at once. */
  underWay: 64,
  /** What may lie unread in front of a client: beyond it the connection is closed. */
  unreadBytes: 4 * 1024 * 1024,
  /** A client that does not answer a ping until the next one is gone. */
  pingMs: 30_000,
  /** A connection without a subscription that asks nothing for so long is closed. */
  idleMs: 600_000,
} as const;

/** Close codes: RFC 6455 and the registry of IANA. */
const closeCodes = { normal: 1000, goingAway: 1001, policy: 1008, tryAgainLater: 1013 } as const;

export type RpcSocket = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  counts(): { connections: number; subscriptions: number; closedSlow: number };
  close(): void;
};

type Connection = {
  readonly socket: WebSocket;
  readonly address: string;
  answersPings: boolean;
  usedAtMs: number;
  isIdle(): boolean;
};

/** JSON-RPC over WebSocket, with subscriptions; any origin, as over HTTP: there are only public methods. */
export function createRpcSocket(
  chain: Pick<EmbeddedChain, "request" | "onBlock" | "onPending" | "status">,
  handler: RpcHandler,
  onInternalError?: (error: unknown) => void,
  limits: { readonly [name in keyof typeof socketLimits]: number } = socketLimits,
): RpcSocket {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: rpcLimits.bodyBytes,
    clientTracking: false,
  });
  const subscriptions = createSubscriptions(chain, onInternalError);
  const connections = new Set<Connection>();
  let closedSlow = 0;
  const heartbeat = setInterval(beat, limits.pingMs);
  heartbeat.unref();

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = request.socket.remoteAddress ?? "";
    const fromThere = [...connections].filter((one) => one.address === address).length;
    if (connections.size >= limits.connections || fromThere >= limits.connectionsPerAddress) {
      const most =
        fromThere >= limits.connectionsPerAddress
          ? `${limits.connectionsPerAddress} connections from one address`
          : `${limits.connections} connections`;
      refuseUpgrade(socket, "503 Service Unavailable", `There are ${most} already: close one, or try later.`);
      return;
    }
    server.handleUpgrade(request, socket, head, (opened) => accept(opened, address));
  }

  function accept(socket: WebSocket, address: string): void {
    const subscriber = subscriptions.subscriber((subscription, result) =>
      send({ jsonrpc: "2.0", method: "eth_subscription", params: { subscription, result } }),
    );
    const own = { eth_subscribe: subscriber.subscribe, eth_unsubscribe: subscriber.unsubscribe };
    let underWay = 0;
    const connection: Connection = {
      socket,
      address,
      answersPings: true,
      usedAtMs: Date.now(),
      isIdle: () => underWay === 0 && subscriber.count() === 0,
    };
    connections.add(connection);

    function send(message: object | string): void {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > limits.unreadBytes) {
        closedSlow += 1;
        subscriber.close();
        socket.close(
          closeCodes.policy,
          `slow reader: more than ${limits.unreadBytes} bytes were not read in time`,
        );
        // A client that reads nothing does not read the reason either.
        setTimeout(() => socket.terminate(), 1_000).unref();
        return;
      }
      socket.send(typeof message === "string" ? message : JSON.stringify(message));
    }

    async function receive(data: RawData): Promise<void> {
      connection.usedAtMs = Date.now();
      if (underWay >= limits.underWay) {
        const message = `${underWay} requests of this connection are under way: wait for their answers`;
        send({ jsonrpc: "2.0", id: null, error: { code: rpcCodes.limitExceeded, message } });
        return;
      }
      underWay += 1;
      try {
        const { text } = await handler.handle(data.toString(), { address, own });
        if (text !== undefined) send(text);
      } finally {
        underWay -= 1;
      }
    }

    socket.on("message", (data) => void receive(data));
    socket.on("pong", () => {
      connection.answersPings = true;
    });
    // What a client does wrong with the protocol ends its connection; ws has told it why.
    socket.on("error", () => {});
    socket.on("close", () => {
      subscriber.close();
      connections.delete(connection);
    });
  }

  function beat(): void {
    const nowMs = Date.now();
    for (const connection of connections) {
      const { socket } = connection;
      if (!connection.answersPings) socket.terminate();
      else if (connection.isIdle() && nowMs - connection.usedAtMs > limits.idleMs)
        socket.close(closeCodes.normal, `idle for ${limits.idleMs} ms`);
      else {
        connection.answersPings = false;
        socket.ping();
      }
    }
  }

  return {
    upgrade,
    counts: () => ({ connections: connections.size, subscriptions: subscriptions.count(), closedSlow }),
    close() {
      clearInterval(heartbeat);
      subscriptions.close();
      for (const { socket } of connections) {
        socket.close(closeCodes.goingAway, "the node stops");
        setTimeout(() => socket.terminate(), 1_000).unref();
      }
    },
  };
}

/** Answer an upgrade with HTTP instead, and hang up. @param status such as "404 Not Found" */
export function refuseUpgrade(socket: Duplex, status: string, message: string): void {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: null,
    error: { code: new RpcError(rpcCodes.limitExceeded, message).code, message },
  });
  socket.on("error", () => {});
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
