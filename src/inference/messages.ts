/** A chat's messages: OpenAI's shapes to what a chat template reads. Members that would change nothing are dropped, others refused. */
import { z } from "zod";
import type { Message } from "../openlora/index.ts";
import { badRequest } from "./errors.ts";
import { invalidValue, isEmpty } from "./parameters.ts";

/** Text that is UTF-8 when it is written. */
export const textSchema = z.string().refine((value) => value.isWellFormed(), "expected well-formed Unicode");

const contentSchema = z.union(
  [
    textSchema,
    z
      .array(z.strictObject({ type: z.literal("text"), text: textSchema }))
      .min(1)
      .max(1_024),
  ],
  "expected a string of well-formed Unicode, or parts of the type text",
);

const name = textSchema.min(1).max(256);
const callSchema = z.strictObject({
  id: name,
  type: z.literal("function").default("function"),
  function: z.strictObject({ name, arguments: textSchema }),
});

export const messageSchema = z.discriminatedUnion(
  "role",
  [
    z.strictObject({ role: z.enum(["system", "developer", "user"]), content: contentSchema }),
    z.strictObject({
      role: z.literal("assistant"),
      content: contentSchema.nullable().default(null),
      tool_calls: z.array(callSchema).min(1).max(128).optional(),
    }),
    z.strictObject({
      role: z.literal("tool"),
      content: contentSchema,
      tool_call_id: name,
      name: name.optional(),
    }),
  ],
  "expected one of system, developer, user, assistant, tool",
);
type GivenMessage = z.output<typeof messageSchema>;

const known: Readonly<Record<string, readonly string[]>> = {
  assistant: ["tool_calls"],
  tool: ["tool_call_id", "name"],
};

/** Messages may carry members that are null or empty, as clients send back what they got; those that say something are refused. */
export function plainMessages(messages: unknown): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.map((message: unknown, at) => {
    if (typeof message !== "object" || message === null) return message;
    const role = (message as { role?: unknown }).role;
    const honoured = ["role", "content", ...((typeof role === "string" && known[role]) || [])];
    return Object.fromEntries(
      Object.entries(message).filter(([member, value]) => {
        if (value === null && member !== "content") return false;
        if (honoured.includes(member)) return member !== "tool_calls" || !isEmpty(value);
        if (isEmpty(value)) return false;
        throw badRequest(
          "unsupported_parameter",
          `messages[${at}].${member.slice(0, 80)}`,
          `Unsupported parameter: 'messages[${at}].${member.slice(0, 80)}' has no effect on this server. Leave it out.`,
        );
      }),
    );
  });
}

/** Whether anything here speaks of tools. */
export const mentionTools = (messages: readonly GivenMessage[]): boolean =>
  messages.some((message) => message.role === "tool" || "tool_calls" in message);

/** @throws InferenceError 400 for calls whose arguments are no object, and results of calls that nobody made */
export function templateMessages(messages: readonly GivenMessage[]): Message[] {
  /** Names of the functions called so far, by call id. */
  const called = new Map<string, string>();
  return messages.map((message, at): Message => {
    const content = message.content === null ? null : plainText(message.content);
    if (message.role === "tool") return { ...toolResult(message, at, called), content };
    if (message.role !== "assistant")
      return { role: message.role === "developer" ? "system" : message.role, content };
    const calls = message.tool_calls;
    if (calls === undefined) {
      if (content === null)
        throw invalidValue(`messages[${at}].content`, "expected a text where there are no tool_calls");
      return { role: "assistant", content };
    }
    return {
      role: "assistant",
      content,
      tool_calls: calls.map((call, i) => readCall(call, `messages[${at}].tool_calls[${i}]`, called)),
    };
  });
}

function readCall(call: z.output<typeof callSchema>, place: string, called: Map<string, string>) {
  const { name: function_, arguments: json } = call.function;
  called.set(call.id, function_);
  // A function without parameters is called with nothing by some models.
  const text = json.trim() === "" ? "{}" : json;
  if (!isObjectText(text))
    throw invalidValue(
      `${place}.function.arguments`,
      "expected the text of a JSON object, as the call had it",
    );
  return { ...call, function: { name: function_, arguments: text } };
}

function toolResult(
  { tool_call_id, name: given }: Extract<GivenMessage, { role: "tool" }>,
  at: number,
  called: ReadonlyMap<string, string>,
) {
  const of = called.get(tool_call_id);
  if (of === undefined)
    throw invalidValue(
      `messages[${at}].tool_call_id`,
      "no assistant message before it has a tool call with this id",
    );
  return { role: "tool", tool_call_id, name: given ?? of };
}

const plainText = (content: z.output<typeof contentSchema>): string =>
  typeof content === "string" ? content : content.map((part) => part.text).join("");

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
