import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import type { EmbeddedChain } from "./embedded.ts";
import { rpcCodes } from "./errors.ts";
import { metricsPage } from "./metrics.ts";
import { createRpcHandler, type RpcHandlerOptions, rpcLimits } from "./rpc-handler.ts";
import { createRpcSocket } from "./rpc-socket.ts";

/** What the doors need of a chain. */
export type RpcChain = Pick<
  EmbeddedChain,
  "request" | "requestFromOutside" | "onBlock" | "onPending" | "status" | "acknowledgement"
>;

/** The chain's public doors: JSON-RPC 2.0 over HTTP and over WebSocket, behind the same limits. */
export type Rpc = {
  /**
   * A Hono app with `POST /`: single requests and batches, for wallets on any origin. An error of JSON-RPC is an
   * HTTP 200 with an `error`; HTTP refuses only a body that is too long (413) and a client that asks too often (429).
   */
  readonly routes: Hono;
  /** For a server's `upgrade` event: takes the socket over, as a WebSocket or with an answer that says why not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Counters and gauges of chain and doors, in Prometheus' text format. */
  metrics(): string;
  /** Closes every WebSocket. */
  close(): void;
};

export function createRpc(chain: RpcChain, options: RpcHandlerOptions = {}): Rpc {
  const handler = createRpcHandler({ request: chain.requestFromOutside }, options);
  const socket = createRpcSocket(chain, handler, options.onInternalError);
  const app = new Hono<{ Bindings: { incoming?: IncomingMessage } }>();
  app.use(
    "/",
    cors({ origin: "*", allowMethods: ["POST", "OPTIONS"], allowHeaders: ["content-type"], maxAge: 86_400 }),
  );
  const refusal = (message: string) => ({
    jsonrpc: "2.0",
    id: null,
    error: { code: rpcCodes.invalidRequest, message },
  });
  app.use(
    "/",
    bodyLimit({
      maxSize: rpcLimits.bodyBytes,
      onError: (context) =>
        context.json(refusal(`the body has more than ${rpcLimits.bodyBytes} bytes: send less at once`), 413),
    }),
  );
  app.post("/", async (context) => {
    const address = context.env?.incoming?.socket.remoteAddress;
    const { text, retryAfterMs } = await handler.handle(await context.req.text(), { address });
    if (text === undefined) return context.body(null, 204);
    context.header("content-type", "application/json");
    if (retryAfterMs === undefined) return context.body(text);
    context.header("retry-after", String(Math.ceil(retryAfterMs / 1000)));
    return context.body(text, 429);
  });
  app.all("/", (context) =>
    context.json(refusal("send JSON-RPC 2.0 requests by POST, or by WebSocket"), 405),
  );

  function metrics(): string {
    const page = metricsPage();
    const status = chain.status();
    const { connections, subscriptions, closedSlow } = socket.counts();
    page.gauge("openledger_chain_block_number", "Number of the last block.", status.blockNumber);
    page.counter("openledger_chain_transactions_total", "Transactions on the chain.", status.transactions);
    page.gauge(
      "openledger_chain_ceiling_transactions",
      "Transactions the chain can hold.",
      status.ceilingTransactions,
    );
    page.gauge("openledger_chain_waiting_transactions", "Transactions not mined yet.", status.waiting);
    page.gauge("openledger_chain_log_bytes", "Length of the block log.", status.logBytes);
    page.gauge("openledger_chain_min_tip_wei", "Minimum tip, wei per gas.", status.minTipWei);
    page.gauge(
      "openledger_chain_trouble",
      "1 while no transaction can be accepted.",
      status.trouble === null ? 0 : 1,
    );
    page.histogram(
      "openledger_chain_acknowledge_seconds",
      "From a transaction's arrival to its acknowledgement.",
      chain.acknowledgement,
    );
    page.counter(
      "openledger_rpc_requests_total",
      "JSON-RPC requests by method and outcome.",
      handler.requests.entries(),
    );
    page.gauge("openledger_rpc_websockets", "Open WebSocket connections.", connections);
    page.gauge("openledger_rpc_subscriptions", "Subscriptions of all WebSocket connections.", subscriptions);
    page.counter(
      "openledger_rpc_websockets_closed_slow_total",
      "WebSockets closed because their client read too slowly.",
      closedSlow,
    );
    return page.text();
  }

  return { routes: app as unknown as Hono, upgrade: socket.upgrade, metrics, close: socket.close };
}
