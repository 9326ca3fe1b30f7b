/** Texts as vectors, where the base was made for it: one request at a time, in parts between which answers go on. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Adapter, areFinite, type Embedder, type Tokenizer } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import { OpenLoraError, OverloadedError } from "./errors.ts";
import type { ServingLimits } from "./options.ts";
import { readPrompt, readText } from "./prompt.ts";
import type { Embeddings, EmbedRequest } from "./request.ts";

/** Requests under way and waiting. */
const pendingMax = 32;
/** Tokens of one request, all texts together: it keeps the others waiting. */
const tokensMax = 65_536;
/** Texts computed before answers under way advance again. */
const textsAtOnce = 16;

export type Embedding = (request: EmbedRequest, signal: AbortSignal) => Promise<Embeddings>;

/** @param embedder - undefined where the base was not made for it: every request is refused */
export function createEmbedding(deps: {
  embedder: Embedder | undefined;
  tokenizer: Tokenizer;
  limits: ServingLimits;
  /** Reads an adapter. @throws OpenLoraError `adapter-unavailable`, `adapter-refused` */
  read(digest: Digest): Promise<Adapter>;
}): Embedding {
  const { embedder, tokenizer, limits, read } = deps;
  let pending = 0;
  let last: Promise<unknown> = Promise.resolve();

  /** Stops at the first text that is too much: reading texts is work too, and answers wait for it. */
  function readTexts(prompts: EmbedRequest["prompts"]): { texts: number[][]; promptTokens: number } {
    const texts: number[][] = [];
    let promptTokens = 0;
    for (const prompt of prompts) {
      const text =
        typeof prompt === "string"
          ? readText(tokenizer, limits, prompt)
          : readPrompt(tokenizer, limits, { ids: prompt });
      promptTokens += text.length;
      if (promptTokens > tokensMax)
        throw new OpenLoraError(
          "prompt-too-long",
          `The first ${texts.length + 1} of ${prompts.length} texts have ${promptTokens} tokens together; one request may have ${tokensMax}. Send fewer at once.`,
          { limit: tokensMax, actual: promptTokens },
        );
      texts.push(text);
    }
    return { texts, promptTokens };
  }

  async function compute(
    from: Embedder,
    { adapter: digest }: EmbedRequest,
    adapter: Adapter | undefined,
    texts: readonly (readonly number[])[],
    signal: AbortSignal,
  ): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let at = 0; at < texts.length; at += textsAtOnce) {
      if (signal.aborted) throw new OpenLoraError("cancelled", "The request was cancelled.");
      const some = await from.embed(texts.slice(at, at + textsAtOnce), adapter);
      if (!some.every(areFinite))
        throw new OpenLoraError(
          "engine-failed",
          `${digest === undefined ? "The base model" : `Adapter ${digest}`} gives vectors with values that are not numbers.`,
        );
      vectors.push(...some);
      await nextTurn();
    }
    return vectors;
  }

  return async (request, signal) => {
    if (embedder === undefined)
      throw new OpenLoraError(
        "invalid-request",
        "This base model was not made for embeddings: its folder has no 1_Pooling/config.json. Serve one that was.",
      );
    if (pending >= pendingMax)
      throw new OverloadedError(
        `${pendingMax} requests for embeddings are waiting already. Try again later.`,
        1_000,
      );
    const { texts, promptTokens } = readTexts(request.prompts);
    pending++;
    try {
      // Before its turn: nobody waits for somebody else's adapter.
      const adapter = request.adapter === undefined ? undefined : await read(request.adapter);
      const turn = last.then(() => compute(embedder, request, adapter, texts, signal));
      last = turn.catch(() => {});
      const vectors = await turn;
      return { vectors, promptTokens };
    } finally {
      pending--;
    }
  };
}
