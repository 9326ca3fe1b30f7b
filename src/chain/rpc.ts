import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { RpcError, rpcCodes } from "./errors.ts";

/** Bounds on what the HTTP door lets in. */
export const rpcLimits = {
  bodyBytes: 1024 * 1024,
  batch: 100,
  /** `eth_call` and `eth_estimateGas` that run at once: each may need as much memory as a full block does. */
  executionsAtOnce: 1,
  /** Proofs and log searches that run at once. */
  searchesAtOnce: 2,
  /** How many of either kind may wait for their turn. */
  waiting: 64,
} as const;

export type RpcRequest = (args: { method: string; params?: unknown }) => Promise<unknown>;

type Answer = { jsonrpc: "2.0"; id: string | number | null } & (
  | { result: unknown }
  | { error: { code: number; message: string; data?: unknown } }
);

/**
 * JSON-RPC 2.0 over HTTP as a Hono app with `POST /`: single requests and batches, for wallets on any origin.
 * An error of JSON-RPC is an HTTP 200 with an `error`; only a body that is too long is refused by HTTP (413).
 *
 * @param chain anything with an EIP-1193 `request` of public methods
 */
export function rpcRoutes(
  chain: { readonly request: RpcRequest },
  onInternalError?: (error: unknown) => void,
): Hono {
  const executions = createTurnstile(rpcLimits.executionsAtOnce, rpcLimits.waiting);
  const searches = createTurnstile(rpcLimits.searchesAtOnce, rpcLimits.waiting);
  const passes = {
    eth_call: executions,
    eth_estimateGas: executions,
    eth_getLogs: searches,
    eth_getProof: searches,
  } as const;
  const app = new Hono();
  app.use(
    "/",
    cors({ origin: "*", allowMethods: ["POST", "OPTIONS"], allowHeaders: ["content-type"], maxAge: 86_400 }),
  );
  app.use(
    "/",
    bodyLimit({
      maxSize: rpcLimits.bodyBytes,
      onError: (context) =>
        context.json(
          failure(null, rpcCodes.invalidRequest, `the body has more than ${rpcLimits.bodyBytes} bytes`),
          413,
        ),
    }),
  );
  app.post("/", async (context) => {
    const answer = await handleText(await context.req.text());
    return answer === undefined ? context.body(null, 204) : context.json(answer as object);
  });
  app.all("/", (context) =>
    context.json(failure(null, rpcCodes.invalidRequest, "send JSON-RPC 2.0 requests by POST"), 405),
  );
  return app;

  async function handleText(text: string): Promise<Answer | Answer[] | undefined> {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      return failure(null, rpcCodes.parse, `the body is not JSON: ${(error as Error).message}`);
    }
    if (!Array.isArray(body)) return handle(body);
    if (body.length === 0) return failure(null, rpcCodes.invalidRequest, "the batch is empty");
    if (body.length > rpcLimits.batch) {
      return failure(
        null,
        rpcCodes.limitExceeded,
        `the batch has ${body.length} requests, at most ${rpcLimits.batch} are taken`,
      );
    }
    const answers = (await Promise.all(body.map(handle))).filter((answer) => answer !== undefined);
    return answers.length === 0 ? undefined : answers;
  }

  /** Undefined for a notification (a request without an id): it is carried out and not answered. */
  async function handle(body: unknown): Promise<Answer | undefined> {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return failure(null, rpcCodes.invalidRequest, "a request is an object");
    }
    const { jsonrpc, id, method, params } = body as Record<string, unknown>;
    const idIsValid = id === undefined || id === null || typeof id === "string" || typeof id === "number";
    if (jsonrpc !== "2.0" || typeof method !== "string" || !idIsValid) {
      const answerId = idIsValid ? (id ?? null) : null;
      return failure(
        answerId,
        rpcCodes.invalidRequest,
        'a request has jsonrpc "2.0", a method and an id (string, number or null)',
      );
    }
    const answer = await call(id ?? null, method, params);
    return id === undefined ? undefined : answer;
  }

  async function call(id: Answer["id"], method: string, params: unknown): Promise<Answer> {
    try {
      const ask = () => chain.request({ method, params: params ?? [] });
      const pass = Object.hasOwn(passes, method) ? passes[method as keyof typeof passes] : undefined;
      return { jsonrpc: "2.0", id, result: await (pass === undefined ? ask() : pass(ask)) };
    } catch (error) {
      if (error instanceof RpcError) return failure(id, error.code, error.message, error.data);
      onInternalError?.(error);
      return failure(
        id,
        rpcCodes.internal,
        `${method.slice(0, 64)} failed inside the node; its log says why`,
      );
    }
  }
}

function failure(id: Answer["id"], code: number, message: string, data?: unknown): Answer {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}

/** Lets `atOnce` tasks run, keeps `waitingMax` waiting in order, refuses the rest. */
function createTurnstile(atOnce: number, waitingMax: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= atOnce) {
      if (waiting.length >= waitingMax) {
        throw new RpcError(
          rpcCodes.limitExceeded,
          `${waiting.length} calls wait already: ask again in a moment`,
        );
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
