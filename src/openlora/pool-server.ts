/**
 * One server that speaks vLLM's dialect of OpenAI's API: prompts and answers as token ids, adapters loaded by name. Nothing that it sends is
 * believed unchecked.
 */
import { z } from "zod";
import type { Choice } from "../engine/index.ts";
import {
  type Asked,
  choicesOf,
  chunkSchema,
  completionBody,
  modelsSchema,
  noIds,
  plainRequest,
} from "./pool-dialect.ts";
import { EventsError, readEvents } from "./pool-events.ts";
import { createServerHttp, failureIn, parseJson, quoted, ServerError } from "./pool-http.ts";
import type { PoolLimits, PoolServer } from "./pool-options.ts";

export type Completion = Asked & {
  /** The adapter's name; left out, the base model answers. */
  readonly adapter: string | undefined;
  readonly signal: AbortSignal;
};

/** Tokens as they come, the end-of-text token among them. */
export type CompletionPart = {
  readonly choices: readonly Choice[];
  /** The server's own word for how it ended, in its last part. */
  readonly finishReason: string | null;
};

export type ServerFacts = {
  readonly contextTokens: number;
  /** Adapters that are loaded already: folder by name. */
  readonly adapters: ReadonlyMap<string, string>;
};

export type CompletionServer = {
  /** Its address, without a slash at the end. */
  readonly name: string;
  /** @throws ServerError unless it says that it is well */
  health(): Promise<void>;
  /**
   * Makes sure that the server serves the base model, returns the ids of tokens and loads adapters: an answer is scored and receipted by its
   * tokens, and to tokenise its text again would be a guess.
   *
   * @throws ServerError saying what it lacks
   */
  verify(): Promise<ServerFacts>;
  /** Ending the iteration early ends the request. @throws ServerError; what `signal` was aborted with */
  complete(completion: Completion): AsyncGenerator<CompletionPart>;
  /** @throws ServerError */
  loadAdapter(name: string, folder: string): Promise<void>;
  /** @throws ServerError */
  unloadAdapter(name: string): Promise<void>;
};

const modelsAnswerBytes = 16 * 2 ** 20;
/** Bytes for a token in a stream: its id, its text and what stands around them; a token's text is rarely longer than 100 bytes. */
const bytesPerToken = 4_096;

export function createCompletionServer(
  given: PoolServer,
  base: {
    readonly name: string;
    readonly vocabTokens: number;
    readonly bosId: number;
    readonly eosIds: readonly number[];
  },
  limits: Pick<PoolLimits, "healthTimeoutMs" | "stallTimeoutMs" | "adapterLoadTimeoutMs">,
): CompletionServer {
  const { name, failed, troubled, send, ask } = createServerHttp(given.url, given.apiKey);
  const model = given.model ?? base.name;

  /** An event's content. A failure in its place is the server's own; anything else is no completion. */
  function chunk(data: string): z.output<typeof chunkSchema> {
    const json = parseJson(data);
    const parsed = chunkSchema.safeParse(json);
    if (parsed.success) return parsed.data;
    const failure = failureIn(json);
    throw failure === undefined
      ? failed(`a part of its answer is not what it should be (${z.prettifyError(parsed.error)})`)
      : troubled(`it broke off with ${quoted(failure)}`);
  }

  async function* complete({ adapter, promptIds, maxTokens, request, grammar, signal }: Completion) {
    const stalled = new AbortController();
    const either = AbortSignal.any([signal, stalled.signal]);
    const timer = setTimeout(() => stalled.abort(), limits.stallTimeoutMs);
    // The first event repeats the prompt; every token may carry alternatives.
    const eventBytes = 16 * promptIds.length + 16 * bytesPerToken;
    const bounds = { eventBytes, totalBytes: eventBytes + maxTokens * bytesPerToken };
    const body = completionBody(adapter ?? model, base.eosIds, { promptIds, maxTokens, request, grammar });
    let promptChecked = false;
    try {
      const response = await send("/v1/completions", body, either);
      if (response.body === null) throw failed("its answer is empty");
      for await (const data of readEvents(response.body, bounds)) {
        if (data === "[DONE]") return;
        const [choice] = chunk(data).choices;
        if (choice === undefined) continue;
        if (!promptChecked) requirePrompt(choice.prompt_token_ids, promptIds);
        promptChecked = true;
        const ids = choice.token_ids;
        if (ids === null || ids === undefined) throw failed(noIds);
        const { logprobs } = request;
        const choices: Choice[] | undefined =
          logprobs === undefined ? ids.map((id) => ({ id })) : choicesOf(ids, choice.logprobs, logprobs);
        if (choices === undefined) throw failed("its log-probabilities are not those of its tokens");
        const named = choices.flatMap(({ id, chances }) => [id, ...(chances?.top ?? []).map((t) => t.id)]);
        const unknown = named.find((id) => id >= base.vocabTokens);
        if (unknown !== undefined)
          throw failed(`it sent token ${unknown}; the base model knows 0 to ${base.vocabTokens - 1}`);
        if (ids.length > 0) timer.refresh();
        yield { choices, finishReason: choice.finish_reason ?? null };
      }
    } catch (error) {
      if (error instanceof ServerError || signal.aborted) throw error;
      if (stalled.signal.aborted) throw troubled(`no token came for ${limits.stallTimeoutMs} ms`, error);
      const { message } = error as Error;
      throw failed(error instanceof EventsError ? message : `it broke off its answer (${message})`, error);
    } finally {
      clearTimeout(timer);
      stalled.abort();
    }
  }

  function requirePrompt(echoed: readonly number[] | null | undefined, sent: readonly number[]): void {
    if (echoed === null || echoed === undefined) throw failed(noIds);
    if (echoed.length !== sent.length || echoed.some((id, i) => id !== sent[i]))
      throw failed(`it answers another prompt: ${sent.length} tokens were sent, it read ${echoed.length}`);
  }

  /** Whether the route for adapters is there: a call that says nothing is refused as such. */
  async function requireAdapterRoute(): Promise<void> {
    try {
      await ask("/v1/load_lora_adapter", {}, limits.adapterLoadTimeoutMs);
    } catch (error) {
      if (error instanceof ServerError && error.fault === "refused") return;
      if (!(error instanceof ServerError) || error.fault !== "missing") throw error;
      throw failed(
        "it does not load adapters. Start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
        error,
      );
    }
  }

  return {
    name,
    complete,
    async health() {
      await ask("/health", undefined, limits.healthTimeoutMs);
    },
    async verify() {
      const answer = await ask("/v1/models", undefined, limits.healthTimeoutMs, modelsAnswerBytes);
      const parsed = modelsSchema.safeParse(parseJson(answer));
      if (!parsed.success)
        throw failed(`its list of models is not what it should be (${z.prettifyError(parsed.error)})`);
      const { data } = parsed.data;
      const served = data.find(({ id }) => id === model);
      if (served === undefined)
        throw failed(
          `it serves no model ${quoted(model)}, but ${data
            .slice(0, 8)
            .map(({ id }) => quoted(id))
            .join(", ")}. Start it with --served-model-name, or name its model in the configuration`,
        );
      await requireAdapterRoute();
      await requireIds(complete);
      return {
        contextTokens: served.max_model_len ?? Number.POSITIVE_INFINITY,
        adapters: new Map(
          data.filter(({ parent }) => parent != null).map(({ id, root }) => [id, root ?? ""]),
        ),
      };
    },
    async loadAdapter(adapter, folder) {
      const load = (inPlace: object) =>
        ask(
          "/v1/load_lora_adapter",
          { lora_name: adapter, lora_path: folder, ...inPlace },
          limits.adapterLoadTimeoutMs,
        );
      try {
        await load({});
      } catch (error) {
        if (!(error instanceof ServerError && /already been loaded/.test(error.message))) throw error;
        await load({ load_inplace: true });
      }
    },
    async unloadAdapter(adapter) {
      await ask("/v1/unload_lora_adapter", { lora_name: adapter }, limits.adapterLoadTimeoutMs);
    },
  };

  /** One token, with its id. */
  async function requireIds(run: CompletionServer["complete"]): Promise<void> {
    const request = { ...plainRequest, prompt: { ids: [base.bosId] } };
    const signal = AbortSignal.timeout(limits.stallTimeoutMs);
    let count = 0;
    for await (const { choices } of run({
      adapter: undefined,
      promptIds: [base.bosId],
      maxTokens: 1,
      request,
      signal,
    }))
      count += choices.length;
    if (count !== 1) throw failed(`asked for one token, it sent ${count}`);
  }
}
