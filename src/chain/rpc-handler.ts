import { RpcError, rpcCodes } from "./errors.ts";
import { createLabelledCounter, type LabelledCounter } from "./metrics.ts";
import { createRateLimiter, type RateLimit } from "./rate.ts";

/** Bounds on what the doors let in. */
export const rpcLimits = {
  bodyBytes: 1024 * 1024,
  batch: 100,
  /** All answers to one body together. */
  answerBytes: 16 * 1024 * 1024,
  /** `eth_call` and `eth_estimateGas` that run at once: each may need as much memory as a whole block. */
  executionsAtOnce: 1,
  /** Proofs and log searches that run at once. */
  searchesAtOnce: 2,
  /** How many of either kind may wait for their turn. */
  waiting: 64,
  /** How long anything but a transaction may take, waiting included. */
  answerMs: 20_000,
} as const;

/** Unless configured otherwise, a client that is not on this machine may ask this often. */
export const defaultRate: RateLimit = { perSecond: 100, burst: 1_000 };

export type RpcRequest = (args: { method: string; params?: unknown }) => Promise<unknown>;

/** Who asks, and what only this caller may ask. */
export type RpcCaller = {
  /** The client's address, for its rate; undefined for a caller in this process, who has none. */
  readonly address: string | undefined;
  /** Methods of this connection: subscriptions. */
  readonly own?: Readonly<Record<string, (params: readonly unknown[]) => unknown>>;
};

export type RpcReply = {
  /** JSON; undefined when nothing is to be answered (notifications only). */
  readonly text: string | undefined;
  /** Set when the body was refused because the client asks too often. */
  readonly retryAfterMs?: number;
};

export type RpcHandler = {
  /** One body, a request or a batch, to its answer. Never throws. */
  handle(text: string, caller: RpcCaller): Promise<RpcReply>;
  /** Requests by `method` and `outcome` ("ok" or an error's code); methods nobody offers count as "unknown". */
  readonly requests: LabelledCounter;
};

export type RpcHandlerOptions = {
  readonly rate?: RateLimit;
  /** What went wrong inside the node; callers are told only that something did. */
  readonly onInternalError?: (error: unknown) => void;
};

type Id = string | number | null;

/** JSON-RPC 2.0 (https://www.jsonrpc.org/specification) over text, the same for HTTP and WebSocket. */
export function createRpcHandler(
  chain: { readonly request: RpcRequest },
  { rate = defaultRate, onInternalError }: RpcHandlerOptions = {},
): RpcHandler {
  const executions = createTurnstile(rpcLimits.executionsAtOnce, rpcLimits.waiting);
  const searches = createTurnstile(rpcLimits.searchesAtOnce, rpcLimits.waiting);
  const passes = new Map([
    ["eth_call", executions],
    ["eth_createAccessList", executions],
    ["eth_estimateGas", executions],
    ["eth_getBlockReceipts", searches],
    ["eth_getFilterChanges", searches],
    ["eth_getFilterLogs", searches],
    ["eth_getLogs", searches],
    ["eth_getProof", searches],
  ]);
  const limiter = createRateLimiter(rate);
  const requests = createLabelledCounter();

  async function handle(text: string, caller: RpcCaller): Promise<RpcReply> {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      return refuse(rpcCodes.parse, `the body is not JSON: ${(error as Error).message}`);
    }
    const count = Array.isArray(body) ? body.length : 1;
    if (count === 0) return refuse(rpcCodes.invalidRequest, "the batch is empty");
    if (count > rpcLimits.batch) {
      return refuse(
        rpcCodes.limitExceeded,
        `the batch has ${count} requests, at most ${rpcLimits.batch} are taken: send several batches`,
      );
    }
    const retryAfterMs = caller.address === undefined ? 0 : limiter.take(caller.address, count);
    if (retryAfterMs > 0) {
      const { text } = refuse(
        rpcCodes.limitExceeded,
        `too many requests from ${caller.address}: ${rate.perSecond} a second and ${rate.burst} at once are taken; ` +
          `ask again in ${retryAfterMs} ms`,
      );
      return { text, retryAfterMs };
    }
    const budget = { bytes: rpcLimits.answerBytes };
    if (!Array.isArray(body)) return { text: await answer(body, caller, budget) };
    const answers = await Promise.all(body.map((one) => answer(one, caller, budget)));
    const texts = answers.filter((one) => one !== undefined);
    return { text: texts.length === 0 ? undefined : `[${texts.join(",")}]` };
  }

  function refuse(code: number, message: string): { text: string } {
    requests.add({ method: "unknown", outcome: String(code) });
    return { text: failure(null, new RpcError(code, message)) };
  }

  /** Undefined for a notification (a request without an id): it is carried out and not answered. */
  async function answer(
    body: unknown,
    caller: RpcCaller,
    budget: { bytes: number },
  ): Promise<string | undefined> {
    if (typeof body !== "object" || body === null || Array.isArray(body))
      return refuse(rpcCodes.invalidRequest, "a request is an object").text;
    const { jsonrpc, id, method, params } = body as Record<string, unknown>;
    const idIsValid = id === undefined || id === null || typeof id === "string" || typeof id === "number";
    if (jsonrpc !== "2.0" || typeof method !== "string" || !idIsValid) {
      requests.add({ method: "unknown", outcome: String(rpcCodes.invalidRequest) });
      return failure(
        idIsValid ? (id ?? null) : null,
        new RpcError(
          rpcCodes.invalidRequest,
          'a request has jsonrpc "2.0", a method and an id (string, number or null)',
        ),
      );
    }
    const text = await call(id ?? null, method, params, caller, budget);
    return id === undefined ? undefined : text;
  }

  async function call(
    id: Id,
    method: string,
    params: unknown,
    caller: RpcCaller,
    budget: { bytes: number },
  ): Promise<string> {
    try {
      const ask = async () => {
        if (budget.bytes <= 0) throw tooLong();
        const own = caller.own;
        if (own !== undefined && Object.hasOwn(own, method)) {
          if (params !== undefined && !Array.isArray(params))
            throw new RpcError(rpcCodes.invalidParams, "params must be an array");
          return own[method]!(params ?? []);
        }
        return chain.request({ method, params: params ?? [] });
      };
      const pass = passes.get(method);
      const asked = pass === undefined ? ask() : pass(ask);
      const result = method === "eth_sendRawTransaction" ? await asked : await inTime(method, asked);
      const text = JSON.stringify({ jsonrpc: "2.0", id, result });
      budget.bytes -= text.length;
      if (budget.bytes < 0) throw tooLong();
      requests.add({ method, outcome: "ok" });
      return text;
    } catch (error) {
      const told = error instanceof RpcError ? error : hidden(method, error);
      const isKnown = told.code !== rpcCodes.methodNotFound;
      requests.add({ method: isKnown ? method : "unknown", outcome: String(told.code) });
      return failure(id, told);
    }
  }

  function hidden(method: string, error: unknown): RpcError {
    onInternalError?.(error);
    return new RpcError(rpcCodes.internal, `${method.slice(0, 64)} failed inside the node; its log says why`);
  }

  return { handle, requests };
}

function failure(id: Id, { code, message, data }: RpcError): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    id,
    error: { code, message, ...(data === undefined ? {} : { data }) },
  });
}

function tooLong(): RpcError {
  return new RpcError(
    rpcCodes.limitExceeded,
    `the answers to one body may have ${rpcLimits.answerBytes} bytes together: ask for less at once`,
  );
}

/** What runs in the engine cannot be stopped: it keeps its turn until it ends, only the caller stops waiting. */
async function inTime<T>(method: string, task: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `${method.slice(0, 64)} took longer than ${rpcLimits.answerMs} ms: ask for less, or later`;
      reject(new RpcError(rpcCodes.limitExceeded, message));
    }, rpcLimits.answerMs);
  });
  task.catch(() => {});
  return Promise.race([task, late]).finally(() => clearTimeout(timer));
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
