/** Which functions a chat may call, and how its answer is held to them. */
import { z } from "zod";
import type { Format, Tool } from "../openlora/index.ts";
import { badRequest } from "./errors.ts";
import { textSchema } from "./messages.ts";
import { invalidValue } from "./parameters.ts";
import { callTag, type ToolFormat, toolFormats } from "./tool-format.ts";

const functionName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 _ . -");

export const toolSchema = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: functionName,
    description: textSchema.nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

export const toolShape = {
  tools: z.array(toolSchema).max(128).default([]),
  tool_choice: z
    .union(
      [
        z.enum(["none", "auto", "required"]),
        z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: functionName }) }),
      ],
      'expected none, auto, required, or {"type": "function", "function": {"name": …}}',
    )
    .optional(),
  parallel_tool_calls: z.boolean().default(true),
};
type Given = z.output<z.ZodObject<typeof toolShape>>;

export const responseFormatSchema = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("text") }),
    z.strictObject({ type: z.literal("json_object") }),
    z.strictObject({
      type: z.literal("json_schema"),
      json_schema: z.strictObject({
        name: z.string().regex(/^[\w-]{1,64}$/, "expected 1 to 64 of the characters A-Z a-z 0-9 _ -"),
        description: textSchema.nullish(),
        schema: z.record(z.string(), z.unknown()),
        strict: z.boolean().nullish(),
      }),
    }),
  ],
  "expected the type text, json_object or json_schema",
);
type ResponseFormat = z.output<typeof responseFormatSchema>;

/** How a chat's answer is read: as the calls of these functions, in this notation. */
export type ToolUse = { readonly format: ToolFormat; readonly names: ReadonlySet<string> };

export type ToolPlan = {
  /** What the chat template is told of. */
  readonly tools: Tool[];
  /** Null where no call is possible: the answer is read as text. */
  readonly use: ToolUse | null;
  readonly format: Format | undefined;
};

const anyObject = { type: "object", additionalProperties: true };
/** No parameters: OpenAI's way of saying "none". */
const noParameters = { type: "object", properties: {}, additionalProperties: false };

/**
 * With `tool_choice: "none"` the model is not told of the tools at all. It is held to the notation where calls are required, where at
 * most one may come, and where a function is strict; otherwise it is free, and what it writes is read as it comes.
 *
 * @param toolFormat - of the checkpoint's template
 * @throws InferenceError 400
 */
export function planTools(
  given: Given,
  responseFormat: ResponseFormat | undefined,
  toolFormat: ToolFormat | null,
): ToolPlan {
  const { tools, tool_choice: choice = "auto", parallel_tool_calls } = given;
  const names = new Set(tools.map((tool) => tool.function.name));
  if (names.size < tools.length) throw invalidValue("tools", "two functions have the same name");
  const named = typeof choice === "object" ? choice.function.name : undefined;
  if (named !== undefined && !names.has(named))
    throw invalidValue("tool_choice", `there is no function '${named}' in 'tools'`);
  if (choice === "required" && tools.length === 0)
    throw invalidValue("tool_choice", "it requires a call, and 'tools' names no function");
  if (choice === "none" || tools.length === 0)
    return { tools: [], use: null, format: formatOf(responseFormat) };
  requireToolFormat(toolFormat, "tools");
  const required = choice !== "auto";
  const held = required || !parallel_tool_calls || tools.some((tool) => tool.function.strict === true);
  const otherwise = schemaOf(responseFormat);
  const callable = tools
    .filter((tool) => named === undefined || tool.function.name === named)
    .map(({ function: { name, parameters, strict } }) => ({
      name,
      schema: required || strict === true ? (parameters ?? noParameters) : anyObject,
    }));
  const rule = { required, single: named !== undefined || !parallel_tool_calls, otherwise };
  return {
    tools: tools.map(templateTool),
    use: { format: toolFormat, names },
    format:
      held || otherwise !== undefined
        ? { type: "structural-tag", tag: callTag(toolFormat, callable, rule) }
        : undefined,
  };
}

/** @throws InferenceError 400 where the base's template cannot show its model tools, or calls in a way that is known here */
export function requireToolFormat(format: ToolFormat | null, param: string): asserts format is ToolFormat {
  if (format === null)
    throw badRequest(
      "unsupported_parameter",
      param,
      `Unsupported parameter: '${param}': this base model's chat template takes no tools, or writes calls in a way that is not read here (known: ${toolFormats.join(", ")}). Leave tools out, or serve a base whose template takes them, as those of Qwen, Llama 3.x and Mistral do.`,
    );
}

/** Templates read `parameters` without asking whether it is there. */
function templateTool({ function: { name, description, parameters } }: z.output<typeof toolSchema>): Tool {
  return {
    type: "function",
    function: {
      name,
      ...(description == null ? {} : { description }),
      parameters: parameters ?? { type: "object", properties: {} },
    },
  };
}

function schemaOf(format: ResponseFormat | undefined): Record<string, unknown> | undefined {
  if (format === undefined || format.type === "text") return undefined;
  return format.type === "json_object" ? anyObject : format.json_schema.schema;
}

/** A schema is kept to whether or not it is called strict. */
export function formatOf(format: ResponseFormat | undefined): Format | undefined {
  if (format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { type: "json" };
  return { type: "json-schema", schema: JSON.stringify(format.json_schema.schema) };
}
