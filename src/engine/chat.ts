/**
 * Chats as the model was taught to read them: the checkpoint's own Jinja template, run within bounds.
 *
 * A template comes with a model folder and sees text from strangers. Bounded are its own size, the time it runs and the text it writes.
 * Not bounded is the memory it takes within that time, and what a template makes of text that spells no control token: where turns are
 * told apart by ordinary words, as in Llama 2's, a message can spell those.
 */
import vm from "node:vm";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { z } from "zod";
import { CheckpointError } from "./safetensors.ts";

export type ToolCall = {
  readonly id: string;
  readonly type: "function";
  /** `arguments` is JSON text of an object. */
  readonly function: { readonly name: string; readonly arguments: string };
};

/** A turn of a chat, as OpenAI's API writes it. */
export type ChatMessage = {
  readonly role: string;
  /** null where the turn is nothing but tool calls. */
  readonly content: string | null;
  readonly name?: string | undefined;
  readonly tool_calls?: readonly ToolCall[] | undefined;
  readonly tool_call_id?: string | undefined;
};

/** A function the model may call; `parameters` is a JSON schema. */
export type ChatTool = {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  };
};

export type ChatOptions = {
  /** End where the model's answer begins. */
  readonly addGenerationPrompt: boolean;
  readonly tools?: readonly ChatTool[] | undefined;
};

/** A chat that cannot be put to this model: its template refuses it, fails or takes too long. */
export class ChatError extends Error {
  override name = "ChatError";
}

/** A text from outside that spells a control token. */
export class ControlTokenError extends ChatError {
  override name = "ControlTokenError";
}

const template = z.string().max(1 << 20);
const name = z.string().max(256);

/** `chat_template` of a tokenizer_config.json: one template, or several by name. */
export const chatTemplates = z
  .union([
    template.transform((text) => [{ name: "default", template: text }]),
    z.array(z.object({ name, template })).max(64),
  ])
  .transform((list) => new Map(list.map((item) => [item.name, item.template])));

export type ChatFormat = {
  /** By name; "default" and, for chats with tools, "tool_use" are used. */
  readonly templates: ReadonlyMap<string, string>;
  /** Tokens that only the template may write. */
  readonly controls: readonly string[];
  /** What templates call special tokens: `bos_token`, `eos_token`, … */
  readonly tokens: Readonly<Record<string, string>>;
};

const timeLimitMs = 2_000;
const rangeLimit = 10_000;
/** Characters a template may write: this many, and so many for each character it was given (tools are often indented). */
const freeCharacters = 1 << 16;
const growthLimit = 8;

/**
 * @returns a function that renders chats. It throws CheckpointError where the model has no template, ChatError or ControlTokenError where
 * this chat cannot be put to it.
 */
export function createChat({ templates, controls, tokens }: ChatFormat) {
  const parsed = new Map<string, ReturnType<typeof parse>>();

  /** As transformers chooses. */
  function choose(tools: boolean): [name: string, text: string] {
    for (const name of tools ? ["tool_use", "default"] : ["default"]) {
      const text = templates.get(name);
      if (text !== undefined) return [name, text];
    }
    throw new CheckpointError(
      templates.size === 0
        ? "This model has no chat template: use completions, not chat, or add one to tokenizer_config.json."
        : `This model has chat templates named ${[...templates.keys()].map((n) => `"${n}"`).join(", ")}, but no "default".`,
    );
  }

  return (messages: readonly ChatMessage[], { addGenerationPrompt, tools = [] }: ChatOptions): string => {
    const [name, text] = choose(tools.length > 0);
    const given = { messages: messages.map(forTemplate), tools: tools.length > 0 ? tools : null };
    const characters = refuseControls(given, controls);
    const limit = freeCharacters + growthLimit * characters;
    let rendered: string;
    try {
      rendered = withinTime(() => {
        const program = parsed.get(name) ?? parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
        parsed.set(name, program);
        return new Interpreter(
          environment({ ...tokens, ...given, documents: null, add_generation_prompt: addGenerationPrompt }),
        ).run(program).value as string;
      });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new ChatError(
        code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
          ? `The model's chat template did not end within ${timeLimitMs} ms.`
          : `The model's chat template refuses this chat: ${message}`,
        { cause },
      );
    }
    if (rendered.length > limit)
      throw new ChatError(
        `The model's chat template made ${rendered.length} characters of ${characters}; at most ${limit} are read.`,
      );
    return rendered;
  };
}

/**
 * The names a template may use. There is no clock: a template that asks whether `strftime_now` is defined falls back to its fixed date, so
 * that the same chat is the same tokens on every day.
 */
function environment(values: Record<string, unknown>): Environment {
  const env = new Environment();
  const constants = { false: false, true: true, none: null, False: false, True: true, None: null };
  for (const [key, value] of Object.entries({ ...constants, ...values })) env.set(key, value);
  env.set("raise_exception", (message: unknown) => {
    throw new ChatError(String(message));
  });
  env.set("range", (first: number, second?: number, step = 1) => {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (!(length <= rangeLimit)) throw new ChatError(`range() may count to ${rangeLimit}`);
    return Array.from({ length }, (_, i) => start + i * step);
  });
  return env;
}

/** A message as templates expect it: only what is there, arguments of calls as the objects their JSON stands for. */
function forTemplate({ role, content, name, tool_calls: calls, tool_call_id: callId }: ChatMessage) {
  return {
    role,
    content,
    ...(name === undefined ? {} : { name }),
    ...(callId === undefined ? {} : { tool_call_id: callId }),
    ...(calls === undefined
      ? {}
      : {
          tool_calls: calls.map(({ id, type, function: called }) => ({
            id,
            type,
            function: { name: called.name, arguments: parseArguments(called.arguments) },
          })),
        }),
  };
}

function parseArguments(json: string): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ChatError(
      `A tool call's arguments must be the JSON text of an object, not ${JSON.stringify(json.slice(0, 80))}.`,
    );
  return value;
}

/**
 * Refuses control tokens in any text a stranger wrote, names of parameters included, also where only normalisation would make them.
 *
 * @returns the number of characters looked at
 */
function refuseControls(given: unknown, controls: readonly string[]): number {
  let characters = 0;
  const rest = [given];
  while (rest.length > 0) {
    const value = rest.pop();
    if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value)) rest.push(key, item);
    } else if (typeof value === "string") {
      characters += value.length;
      const normal = value.normalize("NFKC");
      const control = controls.find((token) => value.includes(token) || normal.includes(token));
      if (control !== undefined)
        throw new ControlTokenError(
          `A message or tool contains "${control}", which this model reads as a control token. Take it out or write it otherwise.`,
        );
    }
  }
  return characters;
}

const sandbox = vm.createContext({ work: () => {} });
const call = new vm.Script("work()");

/** Runs synchronous work and ends it when its time is over, wherever it is: a template's loops cannot be asked to stop. */
function withinTime<T>(work: () => T): T {
  sandbox.work = work;
  try {
    return call.runInContext(sandbox, { timeout: timeLimitMs }) as T;
  } finally {
    sandbox.work = () => {};
  }
}
