/** vLLM's dialect of OpenAI's completions: what is sent, and what may come back. */
import { z } from "zod";
import type { Choice } from "../engine/index.ts";
import type { GrammarSource } from "./format.ts";
import type { GenerateRequest } from "./request.ts";

const tokenId = z.int().min(0);
/** The answer of `/v1/models`. */
export const modelsSchema = z.object({
  data: z
    .array(
      z.object({
        id: z.string(),
        root: z.string().nullish(),
        parent: z.string().nullish(),
        max_model_len: z.int().min(1).nullish(),
      }),
    )
    .max(100_000),
});
/** Tokens as `token_id:<id>`; of each place the chosen one and the most likely ones. */
const logprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
});
const choiceSchema = z.object({
  logprobs: logprobsSchema.nullish(),
  token_ids: z.array(tokenId).nullish(),
  prompt_token_ids: z.array(tokenId).nullish(),
  finish_reason: z.string().max(64).nullish(),
});
/** One event of a streamed completion. */
export const chunkSchema = z.object({ choices: z.array(choiceSchema).max(1) });

/** What a server that sends no ids lacks. */
export const noIds =
  "it does not return the ids of tokens, by which answers are scored and receipted. Use a server that knows return_token_ids (vLLM 0.10.2 or newer)";

/** The most likely tokens, nothing else asked. */
export const plainRequest = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: {},
  seed: 0,
  stop: [],
  tenant: "",
} satisfies Omit<GenerateRequest, "prompt">;

/** Tokens to go on from, and how. */
export type Asked = {
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly request: GenerateRequest;
  /** Of `request.format`. */
  readonly grammar?: GrammarSource | undefined;
};

/**
 * A request in vLLM's words. Everything is said, since what is left out a server takes from the model's `generation_config.json`; for the
 * same reason the tokens that end an answer are named, and others are not heeded. Stop strings are looked for here.
 */
export function completionBody(
  model: string,
  endIds: readonly number[],
  { promptIds, maxTokens, request, grammar }: Asked,
): object {
  return {
    model,
    prompt: promptIds,
    max_tokens: maxTokens,
    stream: true,
    return_token_ids: true,
    ignore_eos: true,
    stop_token_ids: endIds,
    seed: request.seed,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    min_p: request.minP,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    repetition_penalty: request.repetitionPenalty,
    ...(Object.keys(request.logitBias).length > 0 ? { logit_bias: request.logitBias } : {}),
    ...(request.logprobs === undefined
      ? {}
      : { logprobs: request.logprobs, return_tokens_as_token_ids: true }),
    ...(grammar === undefined
      ? {}
      : {
          structured_outputs:
            grammar.kind === "ebnf" ? { grammar: grammar.text } : { structural_tag: grammar.text },
        }),
  };
}

/**
 * The tokens of an event with their chances: the most likely first, `count` of them. vLLM adds the chosen token where it is none of those.
 *
 * @returns undefined where the log-probabilities are not those of these tokens
 */
export function choicesOf(
  ids: readonly number[],
  logprobs: z.output<typeof logprobsSchema> | null | undefined,
  count: number,
): Choice[] | undefined {
  const choices: Choice[] = [];
  for (const [i, id] of ids.entries()) {
    const logprob = logprobs?.token_logprobs[i];
    const others = Object.entries(logprobs?.top_logprobs[i] ?? {});
    if (logprobs?.tokens[i] !== `token_id:${id}` || logprob === undefined) return undefined;
    const known = others.map(([name, value]) => ({
      id: Number(/^token_id:(\d{1,9})$/.exec(name)?.[1]),
      logprob: value,
    }));
    if (known.some((other) => Number.isNaN(other.id))) return undefined;
    const top = known.sort((a, b) => b.logprob - a.logprob || a.id - b.id).slice(0, count);
    choices.push({ id, chances: { logprob, top } });
  }
  return choices;
}
