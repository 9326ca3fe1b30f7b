/**
 * OpenLoRA over a pool of servers: prompts become tokens here, tokens become text here, and what is between runs wherever a server has room.
 * The same port as {@link createOpenLora}, so that everything above it stays as it is.
 */
import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { describeCheckpoint } from "../engine/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";
import { OpenLoraError } from "./errors.ts";
import { contextOf } from "./options.ts";
import { createDispatcher } from "./pool-dispatcher.ts";
import { openAdapterFolder } from "./pool-folder.ts";
import { createMember, type Member } from "./pool-member.ts";
import { type PoolOptions, type PoolServer, poolOptionsSchema, poolServersSchema } from "./pool-options.ts";
import { createResidents } from "./pool-residents.ts";
import { createCompletionServer } from "./pool-server.ts";
import { fingerprintOf, generateRequestSchema, promptSchema } from "./request.ts";
import type { CreateOpenLora, OpenLora } from "./service.ts";
import { baseDigestOf, type OpenLoraInfo } from "./serving.ts";
import { valid } from "./valid.ts";

export type CreateServerPool = Omit<CreateOpenLora, "options"> & {
  readonly servers: readonly PoolServer[];
  /** Where adapters are written for the servers, which must be able to read it under the same path. A folder of this pool's own. */
  readonly adapterFolder: string;
  readonly options?: PoolOptions | undefined;
};

/**
 * Opens a pool over servers that speak vLLM's dialect: `/v1/completions` with token ids in and out, `/v1/load_lora_adapter`, `/health`.
 * Servers that do not answer yet come in when they do; one must.
 *
 * @throws OpenLoraError `invalid-request` for impossible options; `engine-failed` when no server answers, or one answers that cannot be used
 */
export async function createServerPool(given: CreateServerPool): Promise<OpenLora> {
  const log = given.log ?? (() => {});
  const options = valid(poolOptionsSchema, given.options ?? {}, "The pool's options");
  const servers = valid(poolServersSchema, given.servers, "The pool's servers");
  const { config, tokenizer } = describeCheckpoint(given.baseFolder);
  const baseDigest = given.baseDigest ?? (await baseDigestOf(given.baseFolder));
  const base = {
    name: given.baseName,
    vocabTokens: config.vocab,
    bosId: tokenizer.bosId,
    eosIds: tokenizer.eosIds,
  };
  const pins = new Set<Digest>();
  const members: Member[] = [];
  const folder = await openAdapterFolder({
    path: resolve(given.adapterFolder),
    base: { name: given.baseName, config, rank: options.rank },
    modules: options.modules,
    load: given.loadAdapter,
    loadTimeoutMs: options.adapterLoadTimeoutMs,
    keep: Math.max(64, 2 * options.slots * servers.length),
    inUse: (digest) => members.some(({ residents }) => residents.has(digest)),
  });
  let admit = () => {};
  for (const each of servers) {
    const server = createCompletionServer(each, base, options);
    const residents = createResidents(server, {
      slots: options.slots,
      prepare: folder.prepare,
      pinned: (digest) => pins.has(digest),
    });
    const { pathOf } = folder;
    members.push(createMember(server, residents, { ...options, pathOf, onChange: () => admit(), log }));
  }
  const contextTokens = await openMembers(members, contextOf(options.contextTokens, config), options);
  const limits = { ...options, contextTokens, vocabTokens: config.vocab };
  const dispatcher = createDispatcher({ tokenizer, members, pins, folder, limits });
  admit = dispatcher.admit;
  for (const member of members) member.watch(contextTokens);

  const info: OpenLoraInfo = {
    baseName: given.baseName,
    baseDigest,
    contextTokens,
    defaultMaxTokens: options.defaultMaxTokens,
    maxRows: options.maxRows * members.length,
    rank: options.rank,
    modules: options.modules,
    vocabTokens: config.vocab,
    eosId: tokenizer.eosId,
    threads: 0,
    toolTemplate: tokenizer.toolTemplate,
    precision: "f32",
    deterministic: false,
    embeddings: false,
  };
  log(
    `${info.baseName} is ready on ${members.filter(({ up }) => up).length} of ${members.length} servers: ${info.maxRows} rows of ${contextTokens} tokens, ${options.slots} adapters each.`,
  );
  const digestOf = (adapter: Digest) => valid(digestSchema, adapter, "The adapter's digest");
  let closing: Promise<void> | undefined;

  async function shutDown(): Promise<void> {
    await dispatcher.close();
    await Promise.all(members.map((member) => member.close()));
  }

  function close(): Promise<void> {
    closing ??= shutDown();
    return closing;
  }

  return {
    async generate({ signal, ...input }, onToken) {
      const parsed = valid(generateRequestSchema, input, "The request");
      const request = { ...parsed, seed: parsed.seed ?? randomInt(2 ** 32) };
      const outcome = await dispatcher.generate(request, signal, onToken);
      return { ...outcome, fingerprint: fingerprintOf(baseDigest, info.precision, request.adapter) };
    },
    async countPromptTokens(prompt) {
      return dispatcher.promptIds(valid(promptSchema, prompt, "The prompt")).length;
    },
    async embed() {
      throw new OpenLoraError(
        "invalid-request",
        "A pool of servers answers prompts only, it makes no embeddings.",
      );
    },
    pin: async (adapter) => dispatcher.pin(digestOf(adapter)),
    async unpin(adapter) {
      pins.delete(digestOf(adapter));
    },
    info: () => info,
    metrics: async () => dispatcher.metrics(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The first look at every server.
 *
 * @returns the context that all of them have
 * @throws OpenLoraError
 */
async function openMembers(
  members: readonly Member[],
  contextTokens: number,
  options: { readonly contextTokens?: number | undefined },
): Promise<number> {
  const looks = await Promise.allSettled(members.map((member) => member.open()));
  const unfit = looks.filter((look) => look.status === "rejected").map(({ reason }) => reason as Error);
  if (unfit.length > 0)
    throw new OpenLoraError("engine-failed", unfit.map(({ message }) => message).join(" "));
  const facts = looks.flatMap((look) => (look.status === "fulfilled" && look.value ? [look.value] : []));
  if (facts.length === 0)
    throw new OpenLoraError(
      "engine-failed",
      `None of the pool's servers answers: ${members.map(({ name }) => name).join(", ")}. Start one, or correct engine.servers.`,
    );
  const least = Math.min(contextTokens, ...facts.map((fact) => fact.contextTokens));
  if (options.contextTokens !== undefined && least < options.contextTokens)
    throw new OpenLoraError(
      "invalid-request",
      `A context of ${options.contextTokens} tokens was asked for; a server has ${least}. Lower contextTokens, or raise --max-model-len.`,
      { limit: least, actual: options.contextTokens },
    );
  return least;
}
