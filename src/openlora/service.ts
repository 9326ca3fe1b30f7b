/** OpenLoRA as other rooms use it: one base model in a thread of its own, and any number of adapters over it. */
import { randomInt } from "node:crypto";
import { requireWebGpu, startWorker, workerUrl } from "../engine/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";
import type { AdapterMetrics, LoadAdapter } from "./adapters.ts";
import { closedError, OpenLoraError, unsettle } from "./errors.ts";
import { type OpenLoraOptions, openLoraOptionsSchema } from "./options.ts";
import type { MemberMetrics } from "./pool-member.ts";
import {
  type Embeddings,
  type EmbedRequest,
  embedRequestSchema,
  fingerprintOf,
  type GenerateInput,
  type Generation,
  generateRequestSchema,
  type Piece,
  type Prompt,
  promptSchema,
} from "./request.ts";
import type { SchedulerMetrics } from "./scheduler.ts";
import type { AdapterDelivery, OpenLoraInfo, ServingSetUp, ServingThread } from "./serving.ts";
import { valid } from "./valid.ts";

export type OpenLora = {
  /**
   * Answers one prompt. `onToken` hears every piece as it is chosen; its error cancels the answer and is thrown here.
   *
   * An aborted `signal` and a passed deadline end the answer with `finishReason: "cancelled"` and what there is of it.
   *
   * @throws OverloadedError when too many requests wait already
   * @throws OpenLoraError `invalid-request`, `prompt-invalid`, `prompt-too-long` (with limit and actual length), `adapter-unavailable`,
   * `adapter-refused`, `engine-failed`, `closed`
   */
  generate(
    request: GenerateInput & { readonly signal?: AbortSignal | undefined },
    onToken?: (piece: Piece) => void,
  ): Promise<Generation>;
  /** @throws OpenLoraError `invalid-request`, `prompt-invalid`, `prompt-too-long` */
  countPromptTokens(prompt: Prompt): Promise<number>;
  /**
   * Makes vectors of texts, where `info().embeddings` says that the base was made for it.
   *
   * @throws OverloadedError when too many requests for vectors wait already
   * @throws OpenLoraError `invalid-request`, `prompt-invalid`, `prompt-too-long`, `adapter-unavailable`, `adapter-refused`, `cancelled`
   */
  embed(request: EmbedRequest & { readonly signal?: AbortSignal | undefined }): Promise<Embeddings>;
  /** Loads an adapter ahead of its first request and keeps it in memory. @throws OpenLoraError when it cannot be served or pinned */
  pin(adapter: Digest): Promise<void>;
  unpin(adapter: Digest): Promise<void>;
  info(): OpenLoraInfo;
  metrics(): Promise<OpenLoraMetrics>;
  /** Rejects calls under way with `closed` and ends the thread after the step it is in. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type OpenLoraMetrics = {
  scheduler: SchedulerMetrics;
  adapters: AdapterMetrics;
  /** Where servers answer. `retriesTotal`: attempts that another one followed. */
  pool?: { retriesTotal: number; servers: MemberMetrics[] };
};

export type CreateOpenLora = {
  /** A Hugging Face model folder. */
  readonly baseFolder: string;
  /** What adapters call their base (`base_model_name_or_path`); one that names another is refused. */
  readonly baseName: string;
  /** `baseDigestOf(baseFolder)`, where it is known already; hashing a large base takes long. */
  readonly baseDigest?: Digest | undefined;
  /** Reads an adapter's files. It is called when an adapter is first used, and again once it has left memory. */
  readonly loadAdapter: LoadAdapter;
  readonly options?: OpenLoraOptions | undefined;
  readonly log?: ((message: string) => void) | undefined;
};

/**
 * @throws OpenLoraError `invalid-request` for impossible options; what the checkpoint's loading throws
 * @throws WebGpuUnavailableError before anything is loaded, when that is the device and this machine has none
 */
export async function createOpenLora(given: CreateOpenLora): Promise<OpenLora> {
  const log = given.log ?? (() => {});
  const options = valid(openLoraOptionsSchema, given.options ?? {}, "The serving options");
  if (options.device === "webgpu") await requireWebGpu();
  const beganAtMs = Date.now();
  const worker = await startWorker<ServingThread>(workerUrl(import.meta.url, "worker"), {
    baseFolder: given.baseFolder,
    baseName: given.baseName,
    baseDigest: given.baseDigest,
    options,
  } satisfies ServingSetUp);
  const info = await worker.call("info", undefined);
  let closing: Promise<void> | undefined;

  /** A call's result; the thread's end by {@link OpenLora.close} and its failures told apart. */
  async function answered<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (cause) {
      if (cause instanceof OpenLoraError) throw cause;
      throw closing !== undefined
        ? closedError()
        : new OpenLoraError(
            "engine-failed",
            `The serving thread failed: ${(cause as Error).message}`,
            {},
            { cause },
          );
    }
  }

  async function read(digest: Digest): Promise<AdapterDelivery> {
    const startedAtMs = Date.now();
    try {
      const { config, tensors } = await given.loadAdapter(digest);
      log(`Adapter ${digest} read in ${Date.now() - startedAtMs} ms.`);
      return { digest, files: { config, tensors } };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log(`Adapter ${digest} could not be read: ${message}`);
      return { digest, error: message };
    }
  }

  const deliver = async (digest: Digest) => worker.call("deliverAdapter", await read(digest));
  const ended = (error: Error) => {
    if (closing === undefined) log(`The serving thread has ended: ${error.message}`);
  };
  worker
    .call("adapterRequests", undefined, { onEvent: (digest: Digest) => void deliver(digest).catch(ended) })
    .catch(ended);
  log(
    `${info.baseName} is ready after ${Date.now() - beganAtMs} ms: ${info.maxRows} rows of ${info.contextTokens} tokens, adapters up to rank ${info.rank}, weights in ${info.precision}, on ${info.device}${info.deterministic ? ", deterministic" : ""}.`,
  );

  async function generate(
    { signal, ...input }: GenerateInput & { readonly signal?: AbortSignal | undefined },
    onToken?: (piece: Piece) => void,
  ): Promise<Generation> {
    const parsed = valid(generateRequestSchema, input, "The request");
    const request = { ...parsed, seed: parsed.seed ?? randomInt(2 ** 32) };
    const broken = new AbortController();
    let failure: { error: unknown } | undefined;
    const onEvent = (piece: Piece) => {
      if (failure !== undefined) return;
      try {
        onToken?.(piece);
      } catch (error) {
        failure = { error };
        broken.abort();
      }
    };
    const outcome = unsettle(
      await answered(
        worker.call(
          "generate",
          { request, aborted: signal?.aborted ?? false },
          {
            onEvent,
            signal: signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]),
          },
        ),
      ),
    );
    if (failure !== undefined) throw failure.error;
    return { ...outcome, fingerprint: fingerprintOf(info.baseDigest, info.precision, request.adapter) };
  }

  async function shutDown(): Promise<void> {
    // A thread that is stopped while ONNX Runtime runs takes the whole process with it: wait for the step under way.
    await worker.call("close", undefined).catch(ended);
    await worker.close();
  }

  function close(): Promise<void> {
    closing ??= shutDown();
    return closing;
  }

  return {
    generate,
    async countPromptTokens(prompt) {
      const parsed = valid(promptSchema, prompt, "The prompt");
      return unsettle(await answered(worker.call("countPromptTokens", parsed)));
    },
    async embed({ signal, ...input }) {
      const request = valid(embedRequestSchema, input, "The request");
      if (signal?.aborted) throw new OpenLoraError("cancelled", "The request was cancelled.");
      return unsettle(await answered(worker.call("embed", request, signal === undefined ? {} : { signal })));
    },
    async pin(adapter) {
      const digest = valid(digestSchema, adapter, "The adapter's digest");
      return unsettle(await answered(worker.call("pin", digest)));
    },
    async unpin(adapter) {
      await answered(worker.call("unpin", valid(digestSchema, adapter, "The adapter's digest")));
    },
    info: () => info,
    metrics: () => answered(worker.call("metrics", undefined)),
    close,
    [Symbol.asyncDispose]: close,
  };
}
