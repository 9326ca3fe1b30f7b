/**
 * What runs in a thread that `grammars` starts: xgrammar, compiled to WebAssembly, which ends with a trap at whatever it does not like. Nothing is
 * repaired after that: the thread tells everybody who waits for it, and is ended from outside.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { MessagePort } from "node:worker_threads";
import type * as XGrammar from "@mlc-ai/web-xgrammar";
import { OpenLoraError } from "./errors.ts";
import { grammarSource } from "./format.ts";
import type { Format } from "./request.ts";
import { utf8After, utf8Masks } from "./utf8.ts";

export type GrammarSetUp = {
  /** As the tokenizer spells them, and as bytes; as many as there are logits. */
  readonly tokens: readonly string[];
  readonly bytes: readonly Uint8Array[];
  readonly spelling: "byte-level" | "byte-fallback" | "raw";
  readonly vocabTokens: number;
  readonly endIds: readonly number[];
  /** Compiled grammars kept. */
  readonly grammarsMax: number;
  /** What WebAssembly's memory may grow to. */
  readonly memoryBytes: number;
};

export type GrammarOrder =
  | { readonly order: "compile"; readonly name: string; readonly format: Format }
  | {
      readonly order: "begin";
      readonly id: number;
      readonly name: string;
      readonly memory: SharedArrayBuffer;
    }
  | { readonly order: "accept"; readonly id: number; readonly token: number }
  | { readonly order: "end"; readonly id: number };

export type GrammarReply =
  | { readonly reply: "ready" }
  /** `dropped` are the names of grammars that made room; `maskMs` is how long masks took on trial: the longest, and mean computing time. */
  | {
      readonly reply: "compiled";
      readonly dropped: readonly string[];
      readonly maskMs: { readonly longest: number; readonly mean: number };
    }
  /** The format cannot be held to; the thread is none the worse for it. */
  | { readonly reply: "refused"; readonly message: string }
  /** Nothing more comes from this thread. */
  | { readonly reply: "failed"; readonly message: string };

/** Words of an answer's shared memory: masks written so far, −1 where no more come; then the latest mask. */
export const maskWords = { written: 0, mask: 1 } as const;
export const noMoreMasks = -1;

const trialTokens = 48;
const trialChoices = 4_096;
const pageBytes = 65_536;

type Answer = { readonly matcher: XGrammar.GrammarMatcher; readonly words: Int32Array; utf8: number };
type Memory = { readonly buffer: ArrayBuffer; grow(pages: number): number };

/** Loads the library: a script whose package says that it is a module, so it is given what a script finds by itself. */
async function loadLibrary(
  memoryBytes: number,
  onComplaint: (message: string) => void,
): Promise<typeof XGrammar> {
  const url = import.meta.resolve("@mlc-ai/web-xgrammar");
  Object.assign(globalThis, { require: createRequire(url), __filename: fileURLToPath(url) });
  // It says there, and only there, why it ends.
  console.error = (...words) => onComplaint(words.join(" "));
  console.log = () => {};
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: { prototype: Memory } } })
    .WebAssembly;
  const { grow } = Memory.prototype;
  Memory.prototype.grow = function (pages) {
    if (this.buffer.byteLength + pages * pageBytes > memoryBytes)
      throw new RangeError("The grammar needs too much memory.");
    return grow.call(this, pages);
  };
  await import(url);
  return (globalThis as unknown as { xgrammar: typeof XGrammar }).xgrammar;
}

/** Loads the library and the vocabulary, then obeys orders until the thread is ended. */
export async function serveGrammars(port: MessagePort, data: GrammarSetUp): Promise<void> {
  let complaint = "";
  const xgrammar = await loadLibrary(data.memoryBytes, (message) => {
    if (message.includes("[FATAL]")) complaint = message.replace(/^.*?\[FATAL\] \S+ /, "");
  });
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(
    [...data.tokens],
    data.spelling.replace("-", "_"),
    false,
    data.vocabTokens,
    [...data.endIds],
  );
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
  const wellFormed = utf8Masks(data.bytes);
  /** Least recently used first. */
  const compiled = new Map<string, XGrammar.CompiledGrammar>();
  const answers = new Map<number, Answer>();

  function tell({ words }: Answer, written: number): void {
    Atomics.store(words, maskWords.written, written);
    Atomics.notify(words, maskWords.written);
  }

  async function writeMask(answer: Answer): Promise<void> {
    const mask = await answer.matcher.getNextTokenBitmask();
    const whole = wellFormed(answer.utf8);
    for (let i = 0; i < whole.length; i++)
      answer.words[maskWords.mask + i] = (mask[i] as number) & (whole[i] as number);
    tell(answer, (answer.words[maskWords.written] as number) + 1);
  }

  /** Walks a new grammar at random: what is slow to walk is refused before it holds up anybody's answer. */
  async function walk(grammar: XGrammar.CompiledGrammar): Promise<{ longest: number; mean: number }> {
    const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
    let longest = 0;
    let steps = 0;
    let draw = 1;
    const cpuMs = () => process.threadCpuUsage().user / 1_000;
    const beganCpuMs = cpuMs();
    while (steps++ < trialTokens) {
      const began = performance.now();
      const mask = await matcher.getNextTokenBitmask();
      longest = Math.max(longest, performance.now() - began);
      const allowed: number[] = [];
      for (let id = 0; id < data.vocabTokens && allowed.length < trialChoices; id++)
        if ((((mask[id >> 5] as number) >>> (id & 31)) & 1) === 1 && !data.endIds.includes(id))
          allowed.push(id);
      draw = (Math.imul(draw, 1_664_525) + 1_013_904_223) >>> 0;
      const next = allowed[Math.floor((draw / 2 ** 32) * allowed.length)];
      if (next === undefined || !matcher.acceptToken(next)) break;
    }
    matcher.dispose();
    return { longest, mean: (cpuMs() - beganCpuMs) / steps };
  }

  async function compile(name: string, format: Format): Promise<GrammarReply> {
    const source = grammarSource(format);
    const grammar =
      source.kind === "ebnf"
        ? await compiler.compileGrammar(source.text)
        : await compiler.compileStructuralTag(source.text);
    const maskMs = await walk(grammar);
    compiled.set(name, grammar);
    const dropped = [...compiled.keys()].slice(0, Math.max(0, compiled.size - data.grammarsMax));
    for (const old of dropped) {
      compiled.get(old)?.dispose();
      compiled.delete(old);
    }
    return { reply: "compiled", dropped, maskMs };
  }

  async function begin(id: number, name: string, memory: SharedArrayBuffer): Promise<void> {
    const grammar = compiled.get(name) as XGrammar.CompiledGrammar;
    compiled.delete(name);
    compiled.set(name, grammar);
    const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
    const answer = { matcher, words: new Int32Array(memory), utf8: 0 };
    answers.set(id, answer);
    await writeMask(answer);
  }

  async function obey(message: GrammarOrder): Promise<void> {
    if (message.order === "compile") {
      const reply = compile(message.name, message.format).catch((error: unknown): GrammarReply => {
        if (error instanceof OpenLoraError) return { reply: "refused", message: error.message };
        throw error;
      });
      port.postMessage(await reply);
      return;
    }
    if (message.order === "begin") {
      await begin(message.id, message.name, message.memory);
      return;
    }
    const answer = answers.get(message.id);
    if (answer === undefined) return;
    if (message.order === "accept") {
      if (!answer.matcher.acceptToken(message.token))
        throw new Error(`Token ${message.token} was not allowed.`);
      answer.utf8 = utf8After(answer.utf8, data.bytes[message.token] as Uint8Array) ?? 0;
      await writeMask(answer);
      return;
    }
    answer.matcher.dispose();
    answers.delete(message.id);
  }

  port.on("message", (message: GrammarOrder) => {
    obey(message).catch((error: unknown) => {
      for (const answer of answers.values()) tell(answer, noMoreMasks);
      answers.clear();
      const reason = complaint || (error instanceof Error ? error.message : String(error));
      port.postMessage({ reply: "failed", message: reason } satisfies GrammarReply);
    });
  });
  port.postMessage({ reply: "ready" } satisfies GrammarReply);
}
