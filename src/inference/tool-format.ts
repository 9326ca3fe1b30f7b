/**
 * How models write tool calls. A checkpoint's chat template shows its model calls in one notation, and the model answers in it:
 *
 * - `hermes` (Hermes, Qwen 2.5 and 3): `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, several after each other
 * - `llama` (Llama 3.1 to 3.3): the answer is `{"name": …, "parameters": {…}}`, several after semicolons
 * - `mistral` (Mistral v0.3, Nemo): `[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`; the mark is a control token, which decoding drops
 *
 * A tag (xgrammar's structural tag) holds an answer to the notation and to the functions' own schemas.
 */
import type { StructuralTagFormat, TagFormat } from "@mlc-ai/web-xgrammar";

export const toolFormats = ["hermes", "llama", "mistral"] as const;
export type ToolFormat = (typeof toolFormats)[number];

type Notation = {
  /** Announces calls; in `llama` nothing but the call's own brace does. */
  readonly mark: string;
  /** Opens calls without the mark, where nothing stands before it. */
  readonly bare: "{" | "[" | null;
  /** Closes what the mark announced. */
  readonly end: string;
  /** What stands between two calls besides white space. */
  readonly between: string;
  /** The member that holds the arguments. */
  readonly member: "arguments" | "parameters";
};

export const notations: Readonly<Record<ToolFormat, Notation>> = {
  hermes: { mark: "<tool_call>", bare: null, end: "</tool_call>", between: "", member: "arguments" },
  llama: { mark: "", bare: "{", end: "", between: ";", member: "parameters" },
  mistral: { mark: "[TOOL_CALLS]", bare: "[", end: "", between: "", member: "arguments" },
};

/**
 * The notation a chat template teaches, by its own text; null for a template that takes no tools, or writes calls in none of these.
 *
 * @param template - Jinja text; null for a checkpoint without one
 */
export function detectToolFormat(template: string | null): ToolFormat | null {
  if (template === null || !/\btools\b/.test(template)) return null;
  // Notations that share a mark and write what follows it otherwise: [TOOL_CALLS]name[ARGS]{…}, <tool_call><function=name>…
  if (/\[ARGS\]|<function=/.test(template)) return null;
  if (template.includes("[TOOL_CALLS]")) return "mistral";
  if (template.includes("<tool_call>")) return "hermes";
  return /"name": /.test(template) && /"parameters": /.test(template) ? "llama" : null;
}

/** A function as an answer is held to it: its name, and the JSON schema of its arguments. */
export type CallableTool = { readonly name: string; readonly schema: Record<string, unknown> };

export type CallRule = {
  /** The answer must be calls and nothing else. */
  readonly required: boolean;
  /** One call at most. */
  readonly single: boolean;
  /** What an answer without calls must be; free text unless given. */
  readonly otherwise?: Record<string, unknown> | undefined;
};

/** @returns xgrammar's structural tag, as JSON */
export function callTag(format: ToolFormat, tools: readonly CallableTool[], rule: CallRule): string {
  const answer = rule.required ? requiredCalls(format, tools, rule.single) : freeCalls(format, tools, rule);
  return JSON.stringify({ type: "structural_tag", format: answer });
}

/** One call of a function, between `open` and `close`. */
function callOf(format: ToolFormat, { name, schema }: CallableTool, open: string, close: string): TagFormat {
  return {
    type: "tag",
    begin: `${open}{"name": ${JSON.stringify(name)}, "${notations[format].member}": `,
    content: { type: "json_schema", json_schema: schema },
    end: `}${close}`,
  };
}

const opening = { hermes: "<tool_call>\n", llama: "", mistral: "[" };
const closing = { hermes: "\n</tool_call>", llama: "", mistral: "]" };

function requiredCalls(
  format: ToolFormat,
  tools: readonly CallableTool[],
  single: boolean,
): StructuralTagFormat {
  const [open, close] = format === "hermes" ? [opening.hermes, closing.hermes] : ["", ""];
  const calls: StructuralTagFormat = {
    type: "tags_with_separator",
    tags: tools.map((tool) => callOf(format, tool, open, close)),
    separator: { hermes: "\n", llama: "; ", mistral: ", " }[format],
    at_least_one: true,
    stop_after_first: single,
  };
  // In xgrammar 0.1.27 such a list may stand in a tag, and traps in a sequence or a choice.
  return format === "mistral" ? { type: "tag", begin: "[", content: calls, end: "]" } : calls;
}

/** Where the answer without calls is held to a schema too, one call may stand in its place. */
function freeCalls(
  format: ToolFormat,
  tools: readonly CallableTool[],
  { single, otherwise }: CallRule,
): StructuralTagFormat {
  const tags = tools.map((tool) => callOf(format, tool, opening[format], closing[format]));
  if (otherwise !== undefined)
    return { type: "or", elements: [...tags, { type: "json_schema", json_schema: otherwise }] };
  const trigger = { hermes: "<tool_call>", llama: '{"name": ', mistral: '[{"name": ' }[format];
  return { type: "triggered_tags", triggers: [trigger], tags, stop_after_first: single };
}
