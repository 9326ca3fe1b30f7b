/** What runs in the serving thread: it owns the base checkpoint, the decoder and the batch, and asks the other side for adapters. */
import { join } from "node:path";
import {
  checkpointFiles,
  createDecoder,
  createEmbedder,
  type Device,
  describeCheckpoint,
  loadCheckpoint,
  type Precision,
  packedBytes,
  poolingOf,
  type WorkerCall,
} from "../engine/index.ts";
import { type Digest, jsonDigest } from "../protocol/index.ts";
import { fileDigest } from "../store/index.ts";
import { type AdapterFiles, createAdapterTiers, readAdapter } from "./adapters.ts";
import { createEmbedding } from "./embedding.ts";
import { settle } from "./errors.ts";
import { requireMemory } from "./memory.ts";
import { type OpenLoraOptions, openLoraOptionsSchema, servingLimits } from "./options.ts";
import type { EmbedRequest, GenerateRequest, Prompt } from "./request.ts";
import { createScheduler, deterministicChunk } from "./scheduler.ts";

export type ServingSetUp = {
  baseFolder: string;
  baseName: string;
  baseDigest: Digest | undefined;
  options: OpenLoraOptions;
};

/** An adapter's files as they come from the other side, or why they do not. */
export type AdapterDelivery = { digest: Digest; files: AdapterFiles } | { digest: Digest; error: string };

export type OpenLoraInfo = {
  readonly baseName: string;
  /** {@link baseDigestOf} the folder. */
  readonly baseDigest: Digest;
  /** Prompt and answer together. */
  readonly contextTokens: number;
  readonly defaultMaxTokens: number;
  readonly maxRows: number;
  /** Largest rank of an adapter, and the modules it may change. */
  readonly rank: number;
  readonly modules: readonly string[];
  readonly vocabTokens: number;
  readonly eosId: number;
  readonly threads: number;
  /** Jinja text of the template for chats with tools; null where the checkpoint has none. */
  readonly toolTemplate: string | null;
  /** What the base's weights are held in. */
  readonly precision: Precision;
  /** Where answers are computed; absent where other servers do. */
  readonly device?: Device;
  /** Answers do not depend on what runs beside them, to the last bit. */
  readonly deterministic: boolean;
  /** The base was made to turn texts into vectors. */
  readonly embeddings: boolean;
};

/** The thread's methods, as its other side calls them. */
export type ServingThread = Awaited<ReturnType<typeof setUpServing>>;

/** The identity of a model folder: the JSON digest of its files' names and digests. */
export async function baseDigestOf(folder: string): Promise<Digest> {
  const digests: Record<string, Digest> = {};
  for (const file of checkpointFiles(folder)) digests[file] = await fileDigest(join(folder, file));
  return jsonDigest(digests);
}

/** A base ready to serve. Nothing here keeps its weights beside those in the decoder's session, unless it makes vectors with them. */
async function loadBase(data: ServingSetUp) {
  const { config, tokenizer } = describeCheckpoint(data.baseFolder);
  const limits = servingLimits(openLoraOptionsSchema.parse(data.options), config);
  requireMemory(config, limits, process.availableMemory());
  const { weights } = loadCheckpoint(data.baseFolder);
  const decoder = await createDecoder(
    { config, weights },
    {
      ...limits,
      maxLength: limits.contextTokens,
      deterministic: limits.deterministic ? { prefillChunk: deterministicChunk } : undefined,
    },
  );
  const pooling = poolingOf(data.baseFolder);
  const { modules, contextTokens: maxLength, threads, device } = limits;
  const embedder =
    pooling && (await createEmbedder({ config, weights }, { pooling, modules, maxLength, threads, device }));
  return { config, tokenizer, limits, decoder, embedder };
}

/** Loads everything and publishes the thread's methods. @throws CheckpointError, UnsupportedModelError, OpenLoraError */
export async function setUpServing(data: ServingSetUp) {
  const { config, tokenizer, limits, decoder, embedder } = await loadBase(data);
  const baseDigest = data.baseDigest ?? (await baseDigestOf(data.baseFolder));

  const expected = new Map<Digest, PromiseWithResolvers<AdapterFiles>>();
  let ask: ((digest: Digest) => void) | undefined;
  const source = {
    base: { name: data.baseName, config, rank: limits.rank },
    loadTimeoutMs: limits.adapterLoadTimeoutMs,
    async load(digest: Digest) {
      const under = expected.get(digest);
      if (under !== undefined) return under.promise;
      if (ask === undefined) throw new Error("Nobody answers this worker's requests for adapters.");
      const delivery = Promise.withResolvers<AdapterFiles>();
      expected.set(digest, delivery);
      ask(digest);
      return delivery.promise;
    },
  };
  const adapters = createAdapterTiers({
    ...source,
    memoryBytes: limits.adapterMemoryBytes,
    bytesPerAdapter: packedBytes(config, limits),
    pack: decoder.pack,
  });
  const embedding = createEmbedding({
    embedder,
    tokenizer,
    limits,
    read: (digest) => readAdapter(digest, source),
  });
  const scheduler = createScheduler({ tokenizer, decoder, adapters, limits });
  const info: OpenLoraInfo = {
    baseName: data.baseName,
    baseDigest,
    contextTokens: limits.contextTokens,
    defaultMaxTokens: limits.defaultMaxTokens,
    maxRows: limits.maxRows,
    rank: limits.rank,
    modules: limits.modules,
    vocabTokens: config.vocab,
    eosId: tokenizer.eosId,
    threads: limits.threads,
    toolTemplate: tokenizer.toolTemplate,
    precision: limits.precision,
    device: limits.device,
    deterministic: limits.deterministic,
    embeddings: embedder !== undefined,
  };

  return {
    info: () => info,
    metrics: () => ({ scheduler: scheduler.metrics(), adapters: adapters.metrics() }),
    /** `aborted`: the signal was aborted before the call, and its message would come after the first step. */
    generate: ({ request, aborted }: { request: GenerateRequest; aborted: boolean }, call: WorkerCall) =>
      settle(() =>
        scheduler.generate(request, { emit: call.emit, signal: aborted ? AbortSignal.abort() : call.signal }),
      ),
    countPromptTokens: (prompt: Prompt) => settle(() => scheduler.promptIds(prompt).length),
    pin: (digest: Digest) => settle(() => adapters.pin(digest)),
    unpin: (digest: Digest) => adapters.unpin(digest),
    embed: (request: EmbedRequest, call: WorkerCall) => settle(() => embedding(request, call.signal)),
    close: () => scheduler.close(),
    /** Stays open; emits the digest of every adapter that is needed here. */
    adapterRequests: (_: undefined, call: WorkerCall) => {
      ask = call.emit;
      return new Promise<never>(() => {});
    },
    deliverAdapter: (delivery: AdapterDelivery) => {
      const waiting = expected.get(delivery.digest);
      expected.delete(delivery.digest);
      if ("files" in delivery) waiting?.resolve(delivery.files);
      else waiting?.reject(new Error(delivery.error));
    },
  };
}
