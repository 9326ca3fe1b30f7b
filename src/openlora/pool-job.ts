/** A request on its way through a pool: from its prompt's tokens to its answer's, by one attempt at a server after another. */
import type { Tokenizer } from "../engine/index.ts";
import { type Answer, type AnswerEnd, createAnswer } from "./answer.ts";
import type { GrammarSource } from "./format.ts";
import { ServerError } from "./pool-http.ts";
import type { Member } from "./pool-member.ts";
import type { PoolMeter } from "./pool-meter.ts";
import { answerLimit, type GenerateRequest, type Piece } from "./request.ts";
import type { Outcome } from "./scheduler.ts";

export type Job = {
  readonly request: GenerateRequest;
  readonly grammar: GrammarSource | undefined;
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly answer: Answer;
  readonly arrivedAtMs: number;
  /** When a server was first asked for it. */
  startedAtMs: number | undefined;
  /** Ends its request to a server. */
  readonly abort: AbortController;
  state: "waiting" | "running" | "ended";
  overtakenBy: number;
  cancelledBy: "signal" | "deadline" | null;
  settle(end: AnswerEnd | Error): void;
};

export function createJob(
  {
    tokenizer,
    limits,
    meter,
  }: {
    tokenizer: Tokenizer;
    limits: { readonly contextTokens: number; readonly defaultMaxTokens: number };
    meter: PoolMeter;
  },
  request: GenerateRequest,
  grammar: GrammarSource | undefined,
  promptIds: readonly number[],
  emit: (piece: Piece) => void,
  done: PromiseWithResolvers<Outcome>,
): Job {
  const maxTokens = answerLimit(limits, promptIds.length, request.maxTokens);
  const job: Job = {
    request,
    grammar,
    promptIds,
    maxTokens,
    answer: createAnswer(tokenizer, { stop: request.stop, maxTokens }, emit),
    arrivedAtMs: Date.now(),
    startedAtMs: undefined,
    abort: new AbortController(),
    state: "waiting",
    overtakenBy: 0,
    cancelledBy: null,
    settle(end) {
      if (job.state === "ended") return;
      job.state = "ended";
      if (end instanceof Error) return done.reject(end);
      meter.finished(end.finishReason, job.answer.outputIds.length, job.arrivedAtMs, job.startedAtMs);
      done.resolve(outcomeOf(job, end));
    },
  };
  return job;
}

function outcomeOf(job: Job, { finishReason, endedByEos }: AnswerEnd): Outcome {
  const { request, promptIds, answer, arrivedAtMs, maxTokens, cancelledBy } = job;
  const endedAtMs = Date.now();
  return {
    text: answer.text,
    promptIds,
    outputIds: answer.outputIds,
    ...(request.logprobs === undefined ? {} : { logprobs: answer.logprobs }),
    finishReason,
    endedByEos,
    cancelledBy,
    maxTokens,
    seed: request.seed,
    seconds: (endedAtMs - arrivedAtMs) / 1_000,
    waitedSeconds: ((job.startedAtMs ?? endedAtMs) - arrivedAtMs) / 1_000,
  };
}

/** One attempt at one server. @throws ServerError, OpenLoraError; anything once the job is aborted */
export async function attempt(
  job: Job,
  { server, residents }: Pick<Member, "server" | "residents">,
  meter: PoolMeter,
): Promise<AnswerEnd> {
  const { request, grammar, promptIds, answer, maxTokens } = job;
  const { signal } = job.abort;
  const { adapter } = request;
  const hold = adapter === undefined ? undefined : residents.hold(adapter);
  if (adapter !== undefined && hold === undefined)
    throw new ServerError("busy", `All adapters that the server ${server.name} has room for are in use.`);
  try {
    if (hold !== undefined) await unlessAborted(hold.ready, signal);
    job.startedAtMs ??= Date.now();
    const watch = meter.asked(promptIds.length);
    const parts = server.complete({ adapter, promptIds, maxTokens, request, grammar, signal });
    for await (const { choices, finishReason } of parts) {
      for (const choice of choices) {
        signal.throwIfAborted();
        watch.token();
        const end = answer.push(choice);
        if (end !== undefined) return end;
      }
      if (finishReason !== null) throw tooEarly(server.name, answer, maxTokens, finishReason);
    }
    throw tooEarly(server.name, answer, maxTokens, "no reason given");
  } finally {
    hold?.release();
  }
}

const tooEarly = (server: string, { outputIds }: Answer, maxTokens: number, reason: string) =>
  new ServerError(
    "failed",
    `The server ${server} ended its answer (${JSON.stringify(reason)}) after ${outputIds.length} of ${maxTokens} tokens, without the end-of-text token.`,
  );

/** What `promise` resolves to, or an error as soon as the signal is aborted. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
