/**
 * Calls into worker threads. ONNX Runtime blocks the thread that runs it, so every room that uses it keeps a worker of its own:
 * `serveWorker` in the worker's file publishes methods, `startWorker` gives the other side a typed handle on them.
 *
 * Arguments and results are structured clones; a call may carry on answering through `emit` before it returns.
 */
import { parentPort, Worker, workerData } from "node:worker_threads";
import { releaseWebGpu } from "./runtime.ts";

export type WorkerMethods = Record<string, (argument: never, call: WorkerCall) => unknown>;

export type WorkerCall = {
  /** Sends an intermediate value to the caller's `onEvent`. */
  emit(event: unknown): void;
  /** Aborted when the caller aborts. */
  readonly signal: AbortSignal;
};

type Argument<F> = F extends (argument: infer A, call: WorkerCall) => unknown ? A : never;
type Result<F> = F extends (argument: never, call: WorkerCall) => infer R ? Awaited<R> : never;

export type CallOptions = { onEvent?: (event: never) => void; signal?: AbortSignal };

export type WorkerHandle<M extends WorkerMethods> = {
  call<K extends keyof M & string>(
    method: K,
    argument: Argument<M[K]>,
    options?: CallOptions,
  ): Promise<Result<M[K]>>;
  /** Resolves once the thread has ended, for whatever reason: nothing can be asked of it any more. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
};

type Request =
  | { id: number; method: string; argument: unknown }
  | { id: number; abort: true }
  | { close: true };
type Reply =
  | { id: number; event: unknown }
  | { id: number; result: unknown }
  | { id: number; error: { name: string; message: string; stack: string } }
  | { ready: true };

/** How long a thread may take to end by itself: the longest run of a graph. */
const closeTimeoutMs = 60_000;

/** A worker's error on the caller's side: the same name and message, so that callers can tell errors apart. */
export class WorkerError extends Error {
  constructor(name: string, message: string, stack: string) {
    super(message);
    this.name = name;
    this.stack = stack;
  }
}

/** The worker's file beside the caller's: `.ts` in a clone, `.js` in a built package. */
export const workerUrl = (importMetaUrl: string, name: string) =>
  new URL(`./${name}${importMetaUrl.endsWith(".ts") ? ".ts" : ".js"}`, importMetaUrl);

/** Starts a worker and waits until it has set itself up. @throws what its set-up threw */
export async function startWorker<M extends WorkerMethods>(
  url: URL,
  data: unknown,
): Promise<WorkerHandle<M>> {
  const worker = new Worker(url, { workerData: data });
  const pending = new Map<
    number,
    {
      resolve: (value: never) => void;
      reject: (error: Error) => void;
      onEvent: ((event: never) => void) | undefined;
    }
  >();
  let nextId = 1;
  let stopped: Error | undefined;
  const stop = (error: Error) => {
    stopped ??= error;
    for (const { reject } of pending.values()) reject(stopped);
    pending.clear();
  };
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  worker.on("message", (reply: Reply) => {
    if ("ready" in reply) return ready.resolve();
    const entry = pending.get(reply.id);
    if (entry === undefined) return;
    if ("event" in reply) return entry.onEvent?.(reply.event as never);
    pending.delete(reply.id);
    if ("error" in reply)
      entry.reject(new WorkerError(reply.error.name, reply.error.message, reply.error.stack));
    else entry.resolve(reply.result as never);
  });
  worker.on("error", (error) => {
    ready.reject(error);
    stop(error as Error);
  });
  const { threadId } = worker;
  worker.on("exit", (code) => {
    releaseWebGpu(threadId);
    const error = new Error(
      `The worker ${url.pathname.split("/").slice(-2).join("/")} ended with code ${code}.`,
    );
    ready.reject(error);
    stop(error);
    ended.resolve();
  });
  await ready.promise;
  return {
    ended: ended.promise,
    call(method, argument, options = {}) {
      if (stopped) return Promise.reject(stopped);
      const id = nextId++;
      const { promise, resolve, reject } = Promise.withResolvers<never>();
      pending.set(id, { resolve, reject, onEvent: options.onEvent });
      const abort = () => worker.postMessage({ id, abort: true } satisfies Request);
      worker.postMessage({ id, method, argument } satisfies Request);
      if (options.signal?.aborted === true) abort();
      options.signal?.addEventListener("abort", abort, { once: true });
      return promise.finally(() => options.signal?.removeEventListener("abort", abort));
    },
    async close() {
      if (stopped) return;
      stop(new Error("The worker was closed."));
      // The thread ends itself between two runs of ONNX Runtime: one that is terminated during a run aborts the whole process.
      worker.postMessage({ close: true } satisfies Request);
      const timer = setTimeout(() => worker.terminate(), closeTimeoutMs);
      await ended.promise;
      clearTimeout(timer);
    },
  };
}

/**
 * Runs in the worker's file: sets up from the data given to {@link startWorker}, then answers calls until the thread ends.
 *
 * @param beforeCall is done before each of them
 */
export async function serveWorker<D>(
  setUp: (data: D) => Promise<WorkerMethods> | WorkerMethods,
  beforeCall: () => void = () => {},
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("This file runs as a worker thread only.");
  const methods = await setUp(workerData as D);
  const controllers = new Map<number, AbortController>();
  port.on("message", async (request: Request) => {
    if ("close" in request) process.exit();
    if ("abort" in request) {
      controllers.get(request.id)?.abort();
      return;
    }
    const { id, method, argument } = request;
    const controller = new AbortController();
    controllers.set(id, controller);
    try {
      const run = methods[method];
      if (run === undefined) throw new Error(`This worker has no method "${method}".`);
      beforeCall();
      const result = await run(argument as never, {
        emit: (event) => port.postMessage({ id, event } satisfies Reply),
        signal: controller.signal,
      });
      port.postMessage({ id, result } satisfies Reply);
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      port.postMessage({
        id,
        error: { name: error.name, message: error.message, stack: error.stack ?? "" },
      } satisfies Reply);
    } finally {
      controllers.delete(id);
    }
  });
  port.postMessage({ ready: true } satisfies Reply);
}
