import type { Message } from "../../protocol/index.ts";
import type { Shaped } from "./shapes.ts";

/** Names of roles that other formats use (ShareGPT's `human` and `gpt` among them). */
const roles: Readonly<Record<string, Message["role"]>> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  prompter: "user",
  assistant: "assistant",
  gpt: "assistant",
  chatgpt: "assistant",
  model: "assistant",
  bot: "assistant",
  ai: "assistant",
};

/** Turns as `{role, content}` or ShareGPT's `{from, value}`. */
export function readChat(turns: readonly unknown[] | undefined, system: string): Shaped {
  if (turns === undefined) return { problem: "The conversation is no list of turns." };
  const messages: Message[] = [];
  if (system.trim() !== "") messages.push({ role: "system", content: system });
  for (const [at, turn] of turns.entries()) {
    const read = readTurn(turn);
    if (typeof read === "string") return { problem: `Turn ${at + 1} ${read}.` };
    messages.push(read);
  }
  return { example: { messages } };
}

/** @returns the message, or what is wrong with it */
function readTurn(turn: unknown): Message | string {
  if (typeof turn !== "object" || turn === null || Array.isArray(turn)) return "is no object";
  const { role, from, content, value, tool_calls: calls } = turn as Record<string, unknown>;
  const said = role ?? from;
  const known = typeof said === "string" ? roles[said.toLowerCase()] : undefined;
  if (known === undefined)
    return `has the role ${JSON.stringify(said ?? null).slice(0, 60)}; known are system, user (human) and assistant (gpt)`;
  if (Array.isArray(calls) && calls.length > 0) return "calls tools, which an example cannot say";
  const text = contentOf(content ?? value);
  return text === undefined ? "holds no text" : { role: known, content: text };
}

/** Text, or OpenAI's list of parts where all of them are text. */
function contentOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part: unknown) =>
    typeof part === "object" && part !== null && "text" in part && typeof part.text === "string"
      ? part.text
      : undefined,
  );
  return texts.every((text) => text !== undefined) ? texts.join("") : undefined;
}
