/**
 * Constrained output: which tokens an answer may go on with. Grammars are compiled and followed in threads of their own, at most so many:
 * compiling takes seconds for some, a grammar that the library does not like ends its thread, and a thread can be stopped. So a grammar
 * that is not known yet is compiled only where no answer depends on the thread; where all are in use, no more answers join the least
 * used one until it is free.
 */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type Tokenizer, workerUrl } from "../engine/index.ts";
import { closedError, OpenLoraError, OverloadedError } from "./errors.ts";
import {
  type GrammarOrder,
  type GrammarReply,
  type GrammarSetUp,
  maskWords,
  noMoreMasks,
} from "./grammar-thread.ts";
import type { Format } from "./request.ts";

/** Holds one answer to its grammar. */
export type Constraint = {
  /**
   * The tokens that may come next: bit `i & 31` of word `i >> 5` stands for token i. Waits, blocking, where they are not known yet.
   *
   * @throws OpenLoraError `engine-failed` when they will not be known
   */
  mask(): Int32Array;
  /** Takes the token that was chosen, and has the next mask made meanwhile. */
  accept(token: number): void;
  /** Must be called once the answer has ended, however. */
  end(): void;
};

export type GrammarLimits = {
  /** Threads at most, each with the whole vocabulary: 20 to 60 MB. */
  readonly threads: number;
  /** Grammars kept compiled by each thread. */
  readonly grammarsPerThread: number;
  readonly memoryBytesPerThread: number;
  /** Longest that compiling may take, and that an answer waits for a mask. */
  readonly compileMs: number;
  readonly maskMs: number;
  /** Computing time of a mask, on average over some tokens tried on a new grammar. */
  readonly trialMaskMs: number;
  /** Grammars waiting to be compiled. */
  readonly waiting: number;
};

export const grammarLimits: GrammarLimits = {
  threads: 4,
  grammarsPerThread: 32,
  memoryBytesPerThread: 512 * 2 ** 20,
  compileMs: 15_000,
  maskMs: 3_000,
  trialMaskMs: 25,
  waiting: 64,
};

export type Grammars = {
  /**
   * Compiles the format's grammar, unless it is known, and begins to follow it.
   *
   * @throws OpenLoraError `invalid-request` naming what of it cannot be held to, `engine-failed`
   * @throws OverloadedError when too many wait for theirs
   */
  begin(format: Format): Promise<Constraint>;
  close(): Promise<void>;
};

type Thread = {
  readonly worker: Worker;
  /** Grammars that it has compiled, by name. */
  readonly known: Set<string>;
  /** Answers that depend on it. */
  users: number;
  /** It is compiling, or starting. */
  busy: string | undefined;
  /** No more answers join it until it has none. */
  draining: boolean;
  /** Why it will do nothing more. */
  failed: string | undefined;
  /** Takes the reply to what was asked last. */
  onReply: ((reply: GrammarReply) => void) | undefined;
};

/** Refusals kept, so that the same mistake does not end a thread each time. */
const refusalsMax = 256;

/** Starting a thread takes a second for a large vocabulary on a busy machine. */
const startMs = 60_000;

export function createGrammars(
  {
    tokenizer,
    vocabTokens,
  }: { readonly tokenizer: Pick<Tokenizer, "vocabulary" | "eosIds">; readonly vocabTokens: number },
  limits: GrammarLimits = grammarLimits,
): Grammars {
  const threads = new Set<Thread>();
  const refusals = new Map<string, string>();
  let changed = Promise.withResolvers<void>();
  let waiting = 0;
  let ids = 0;
  let closed = false;
  const maskLength = Math.ceil(vocabTokens / 32);

  function change(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  const post = (thread: Thread, order: GrammarOrder) => thread.worker.postMessage(order);

  function end(thread: Thread, why: string): void {
    if (thread.failed !== undefined) return;
    thread.failed = why;
    threads.delete(thread);
    thread.onReply?.({ reply: "failed", message: why });
    void thread.worker.terminate();
    change();
  }

  /** The thread's next reply; one that does not come in time ends it. */
  async function replyOf(thread: Thread, withinMs: number, late: string): Promise<GrammarReply> {
    const { promise, resolve } = Promise.withResolvers<GrammarReply>();
    thread.onReply = resolve;
    const timer = setTimeout(() => end(thread, late), withinMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      thread.onReply = undefined;
    }
  }

  function start(): Thread {
    const data: GrammarSetUp = {
      ...tokensFor(tokenizer, vocabTokens),
      spelling: tokenizer.vocabulary.spelling,
      vocabTokens,
      endIds: tokenizer.eosIds.filter((id) => id < vocabTokens),
      grammarsMax: limits.grammarsPerThread,
      memoryBytes: limits.memoryBytesPerThread,
    };
    const worker = new Worker(workerUrl(import.meta.url, "grammar-worker"), { workerData: data });
    const thread: Thread = {
      worker,
      known: new Set(),
      users: 0,
      busy: "",
      draining: false,
      failed: undefined,
      onReply: undefined,
    };
    worker.on("message", (reply: GrammarReply) => {
      if (reply.reply === "failed") end(thread, reply.message);
      else thread.onReply?.(reply);
    });
    worker.on("error", (error) => end(thread, (error as Error).message));
    worker.on("exit", () => end(thread, "The thread ended."));
    worker.unref();
    threads.add(thread);
    return thread;
  }

  /** A thread for this grammar: one that knows it, or one that may compile it now. */
  function choose(name: string): Thread | undefined {
    const all = [...threads];
    const knowing = all.find(
      (thread) => thread.known.has(name) && !thread.draining && thread.busy === undefined,
    );
    if (knowing !== undefined) return knowing;
    if (all.some((thread) => thread.busy === name)) return undefined;
    const idle = all.find((thread) => thread.users === 0 && thread.busy === undefined);
    if (idle !== undefined) return idle;
    if (threads.size < limits.threads) return start();
    if (!all.some((thread) => thread.draining)) {
      const least = all.filter(({ busy }) => busy === undefined).sort((a, b) => a.users - b.users)[0];
      if (least !== undefined) least.draining = true;
    }
    return undefined;
  }

  async function compile(thread: Thread, name: string, format: Format): Promise<void> {
    const starting = thread.busy === "";
    thread.busy = name;
    thread.draining = false;
    if (starting) {
      const ready = await replyOf(thread, startMs, "The grammar thread did not start in time.");
      if (ready.reply === "failed")
        throw closed
          ? closedError()
          : new OpenLoraError("engine-failed", `The grammar thread failed: ${ready.message}`);
    }
    const reply = replyOf(
      thread,
      limits.compileMs,
      `compiling it took longer than ${limits.compileMs / 1_000} s`,
    );
    post(thread, { order: "compile", name, format });
    const answer = await reply;
    if (answer.reply === "failed") throw tooHard(name, answer.message);
    if (answer.reply === "refused") throw refused(name, answer.message);
    if (answer.reply !== "compiled") return;
    for (const old of answer.dropped) thread.known.delete(old);
    const { longest, mean } = answer.maskMs;
    if (longest > limits.maskMs || mean > limits.trialMaskMs)
      throw refused(
        name,
        `following it takes ${Math.ceil(mean)} ms for a token, at times ${Math.ceil(longest)} ms`,
      );
    thread.known.add(name);
  }

  const tooHard = (name: string, why: string) =>
    refused(
      name,
      `The format cannot be held to: ${why}. Simplify it: shorter lists, lengths and repetitions.`,
    );

  function refused(name: string, message: string): OpenLoraError {
    if (closed) return closedError();
    refusals.set(name, message);
    if (refusals.size > refusalsMax) refusals.delete(refusals.keys().next().value as string);
    return new OpenLoraError("invalid-request", message);
  }

  /** @returns a thread that knows the grammar, with one more user */
  async function lease(name: string, format: Format): Promise<Thread> {
    for (;;) {
      if (closed) throw closedError();
      const refusal = refusals.get(name);
      if (refusal !== undefined) throw new OpenLoraError("invalid-request", refusal);
      const thread = choose(name);
      if (thread === undefined) {
        await changed.promise;
        continue;
      }
      if (!thread.known.has(name)) {
        try {
          await compile(thread, name, format);
        } finally {
          thread.busy = undefined;
          change();
        }
      }
      if (thread.failed !== undefined || !thread.known.has(name)) continue;
      thread.users++;
      return thread;
    }
  }

  function constraintOn(thread: Thread, name: string): Constraint {
    const id = ids++;
    const memory = new SharedArrayBuffer((1 + maskLength) * 4);
    const words = new Int32Array(memory);
    const mask = words.subarray(maskWords.mask);
    let accepted = 0;
    let ended = false;
    post(thread, { order: "begin", id, name, memory });
    return {
      mask() {
        for (let written = accepted; ; ) {
          written = Atomics.load(words, maskWords.written);
          if (written > accepted) return mask;
          const lost = thread.failed !== undefined || written === noMoreMasks;
          if (lost || Atomics.wait(words, maskWords.written, written, limits.maskMs) === "timed-out") {
            const why = lost
              ? "another grammar has ended its thread"
              : `it took longer than ${limits.maskMs} ms`;
            end(thread, why);
            throw new OpenLoraError(
              "engine-failed",
              `The answer's format could not be followed: ${why}. Try again.`,
            );
          }
        }
      },
      accept(token) {
        accepted++;
        post(thread, { order: "accept", id, token });
      },
      end() {
        if (ended) return;
        ended = true;
        post(thread, { order: "end", id });
        thread.users--;
        change();
      },
    };
  }

  return {
    async begin(format) {
      const name = createHash("sha256").update(JSON.stringify(format)).digest("hex");
      if (waiting >= limits.waiting)
        throw new OverloadedError(
          `${waiting} answers wait for their format's grammar already. Try again later.`,
          1_000,
        );
      waiting++;
      try {
        return constraintOn(await lease(name, format), name);
      } finally {
        waiting--;
      }
    },
    async close() {
      closed = true;
      const workers = [...threads].map((thread) => {
        thread.worker.ref();
        end(thread, "OpenLoRA was closed.");
        return thread.worker.terminate();
      });
      await Promise.all(workers);
    },
  };
}

/** Tokens as the library reads them: without text where they end an answer or stand for none. */
function tokensFor(
  { vocabulary, eosIds }: Pick<Tokenizer, "vocabulary" | "eosIds">,
  vocabTokens: number,
): Pick<GrammarSetUp, "tokens" | "bytes"> {
  const ids = Array.from({ length: vocabTokens }, (_, id) => (eosIds.includes(id) ? -1 : id));
  return {
    tokens: ids.map((id) => vocabulary.tokens[id] ?? ""),
    bytes: ids.map((id) => vocabulary.bytes(id)),
  };
}
