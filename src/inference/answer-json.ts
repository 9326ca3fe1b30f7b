/** Answers in OpenAI's shapes, whole and in chunks. Both read tool calls with the same reader. */
import { createHash } from "node:crypto";
import type { z } from "@hono/zod-openapi";
import type { TokenLogprob } from "../openlora/index.ts";
import type { Answer, Choice, Opening } from "./answering.ts";
import type { AnswerPiece } from "./generating.ts";
import type { ServedRelease } from "./ports.ts";
import type { AnswerKind, Ask } from "./request.ts";
import { type answerFacts, type chatOut, seconds, type textOut, type usageOut } from "./schemas.ts";
import type { ToolFormat } from "./tool-format.ts";
import { createToolParser, parseToolCalls, type ToolCall, type ToolEvent } from "./tool-parser.ts";

type ChatChoice = z.input<typeof chatOut>["choices"][number];
type TextChoice = z.input<typeof textOut>["choices"][number];
type FinishReason = ChatChoice["finish_reason"];

/** OpenAI's id of an answer: the same for all chunks of a stream. */
export function answerId(kind: AnswerKind, opening: Opening, random: string): string {
  const id = opening.requestId?.replace(/^req_/, "") ?? random;
  return kind === "chat" ? `chatcmpl-${id}` : `cmpl-${id}`;
}

/** A call's id: the same whenever the answer is shown. Mistral's templates take nine letters and digits and nothing else. */
function callId(format: ToolFormat, answer: string, choice: number, index: number): string {
  const digest = createHash("sha256").update(`${answer} ${choice} ${index}`).digest("hex");
  return format === "mistral" ? digest.slice(0, 9) : `call_${digest.slice(0, 24)}`;
}

const callJson = (format: ToolFormat, answer: string, choice: number, index: number, call: ToolCall) => ({
  id: callId(format, answer, choice, index),
  type: "function" as const,
  function: { name: call.name, arguments: call.arguments },
});

/** Of all choices: the prompt counts once for each, as it is charged. */
function usageJson({ choices }: Answer): z.input<typeof usageOut> {
  const sum = (of: (choice: Choice) => number) => choices.reduce((total, choice) => total + of(choice), 0);
  const prompt_tokens = sum((choice) => choice.promptTokens);
  const completion_tokens = sum((choice) => choice.completionTokens);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

function factsJson(
  choice: Choice,
  release: ServedRelease | null,
  readAsCalls: boolean,
): z.input<typeof answerFacts> {
  return {
    request_id: choice.requestId,
    release: release?.id ?? null,
    receipt: choice.receipt,
    fee_wei: choice.feeWei.toString(),
    seed: choice.seed,
    ...(readAsCalls ? { text: choice.text } : {}),
  };
}

const finishOf = (choice: Choice, calls: number): FinishReason =>
  calls > 0 && choice.finishReason === "stop" ? "tool_calls" : choice.finishReason;

function chatLogprobs(logprobs: readonly TokenLogprob[] | null | undefined): ChatChoice["logprobs"] {
  if (!logprobs) return null;
  const chance = ({ token, logprob, bytes }: Omit<TokenLogprob, "top">) => ({
    token,
    logprob,
    bytes: [...bytes],
  });
  return {
    content: logprobs.map(({ top, ...chosen }) => ({ ...chance(chosen), top_logprobs: top.map(chance) })),
    refusal: null,
  };
}

/** @param offset - characters of the choice's text before these tokens */
function textLogprobs(
  logprobs: readonly TokenLogprob[] | null | undefined,
  offset: number,
): TextChoice["logprobs"] {
  if (!logprobs) return null;
  let at = offset;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map((one) => [one.token, one.logprob]))),
    text_offset: logprobs.map(({ token }) => {
      at += token.length;
      return at - token.length;
    }),
  };
}

/** A whole answer. */
export function answerJson(
  { kind, model, tools }: Ask,
  id: string,
  answer: Answer,
): z.input<typeof chatOut> | z.input<typeof textOut> {
  const { choices, release } = answer;
  const [first] = choices as [Choice];
  const read = choices.map(({ text }) =>
    tools === null ? { content: text, calls: [] } : parseToolCalls(tools.format, tools.names, text),
  );
  const facts = choices.map((choice, at) => factsJson(choice, release, (read[at]?.calls.length ?? 0) > 0));
  const several = choices.length > 1;
  const shared = {
    id,
    created: seconds(answer.createdAtMs),
    model,
    system_fingerprint: first.fingerprint,
    usage: usageJson(answer),
    ...(several ? {} : { openledger: facts[0] }),
  };
  const own = (index: number) => (several ? { openledger: facts[index] } : {});
  if (kind === "text")
    return {
      ...shared,
      object: "text_completion",
      choices: choices.map((choice, index) => ({
        index,
        text: choice.text,
        logprobs: textLogprobs(choice.logprobs, 0),
        finish_reason: choice.finishReason,
        ...own(index),
      })),
    };
  const messageOf = (index: number) => {
    const { content, calls } = read[index] as (typeof read)[number];
    const tool_calls = calls.map((call, at) =>
      callJson((tools as NonNullable<typeof tools>).format, id, index, at, call),
    );
    return {
      role: "assistant" as const,
      content,
      refusal: null,
      ...(tool_calls.length > 0 ? { tool_calls } : {}),
    };
  };
  return {
    ...shared,
    object: "chat.completion",
    choices: choices.map((choice, index) => ({
      index,
      message: messageOf(index),
      logprobs: chatLogprobs(choice.logprobs),
      finish_reason: finishOf(choice, read[index]?.calls.length ?? 0),
      ...own(index),
    })),
  };
}

export type Chunks = {
  /** Only chats say who speaks. */
  opening(): object[];
  piece(choice: number, piece: AnswerPiece): object[];
  /** What was still undecided, each choice's last chunk, and the usage where it was asked for. */
  ending(answer: Answer): object[];
};

/** The chunks of a streamed answer; those of several choices come as they are written. */
export function createChunks(ask: Ask, id: string, createdAtMs: number): Chunks {
  const { kind, tools, includeUsage } = ask;
  const head = {
    id,
    object: kind === "chat" ? "chat.completion.chunk" : "text_completion",
    created: seconds(createdAtMs),
    model: ask.model,
    ...(includeUsage ? { usage: null } : {}),
  };
  const states = Array.from({ length: ask.prompts.length * ask.n }, () => ({
    parser: tools === null ? undefined : createToolParser(tools.format, tools.names),
    calls: 0,
    offset: 0,
  }));
  type State = (typeof states)[number];

  const chunk = (index: number, part: object, logprobs: unknown, finish_reason: FinishReason | null) => ({
    ...head,
    choices: [
      { index, ...(kind === "text" ? { text: "", ...part } : { delta: part }), logprobs, finish_reason },
    ],
  });

  function deltaOf(index: number, state: State, event: ToolEvent): object {
    if ("content" in event) return { content: event.content };
    const call = callJson((tools as NonNullable<typeof tools>).format, id, index, state.calls, event.call);
    return { tool_calls: [{ index: state.calls++, ...call }] };
  }

  return {
    opening: () =>
      kind === "chat"
        ? states.map((_, index) => chunk(index, { role: "assistant", content: "" }, null, null))
        : [],
    piece(index, { text, logprobs }) {
      const state = states[index] as State;
      if (kind === "text") {
        const told = textLogprobs(logprobs, state.offset);
        state.offset += text.length;
        return [chunk(index, { text }, told, null)];
      }
      const told = chatLogprobs(logprobs);
      const deltas =
        state.parser === undefined
          ? [{ content: text }]
          : state.parser.push(text).map((event) => deltaOf(index, state, event));
      if (deltas.length === 0 && told !== null) deltas.push({});
      return deltas.map((delta, at) => chunk(index, delta, at === 0 ? told : null, null));
    },
    ending(answer) {
      const several = answer.choices.length > 1;
      const endings = answer.choices.flatMap((choice, index) => {
        const state = states[index] as State;
        const left = (state.parser?.end() ?? []).map((event) =>
          chunk(index, deltaOf(index, state, event), null, null),
        );
        const { choices, ...rest } = chunk(index, {}, null, finishOf(choice, state.calls));
        const facts = { openledger: factsJson(choice, answer.release, state.calls > 0) };
        const last = {
          ...rest,
          system_fingerprint: choice.fingerprint,
          choices: several ? choices.map((one) => ({ ...one, ...facts })) : choices,
          ...(several ? {} : facts),
        };
        return [...left, last];
      });
      if (!includeUsage) return endings;
      const system_fingerprint = answer.choices[0]?.fingerprint;
      return [...endings, { ...head, system_fingerprint, choices: [], usage: usageJson(answer) }];
    },
  };
}
