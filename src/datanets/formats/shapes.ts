import type { Example } from "../../protocol/index.ts";
import { readChat } from "./chat.ts";
import type { Row } from "./source.ts";

/** What a row's columns are taken for. `ask` and `answer` name columns; what is known of the rest goes around the question. */
export type Shape =
  | { readonly kind: "example" }
  | { readonly kind: "chat"; readonly messages: string; readonly system?: string }
  | {
      readonly kind: "alpaca" | "question-answer" | "prompt-completion";
      readonly ask: string;
      readonly answer: string;
      readonly context?: string;
      readonly system?: string;
      readonly history?: string;
    }
  | { readonly kind: "text"; readonly text: string };

/** What a row becomes: an example, a text that is still to be parted, or why neither. */
export type Shaped = { readonly example: Example } | { readonly text: string } | { readonly problem: string };

/** Names of columns, the likeliest first; compared without case, spaces, dashes and underscores. */
const names = {
  messages: ["messages", "conversations", "conversation", "dialog", "chat"],
  ask: ["instruction", "question", "query", "prompt", "user", "input", "text"],
  answer: ["output", "response", "completion", "answer", "longanswer", "assistant", "reply", "target"],
  context: ["input", "context", "contexts", "passage", "document", "text"],
  system: ["system", "systemprompt"],
  history: ["history"],
  text: ["text", "content", "document", "body"],
} as const;

const folded = (name: string) => name.toLowerCase().replace(/[\s_-]+/g, "");

/** Whether a column's name says that it holds what is to be learned. */
export const isAnswer = (column: string): boolean =>
  (names.answer as readonly string[]).includes(folded(column));

/** What a row looks like, or undefined where its columns fit nothing that is known. */
export function shapeOf(row: Row): Shape | undefined {
  if (isExample(row)) return { kind: "example" };
  const columns = Object.keys(row);
  const find = (wanted: readonly string[], except: readonly (string | undefined)[] = []) =>
    wanted
      .map((name) => columns.find((column) => folded(column) === name && !except.includes(column)))
      .find((column) => column !== undefined);
  const messages = find(names.messages);
  const system = find(names.system);
  const around = { ...(system === undefined ? {} : { system }) };
  if (messages !== undefined && listOf(row[messages]) !== undefined)
    return { kind: "chat", messages, ...around };
  const ask = find(names.ask);
  const answer = find(names.answer, [ask]);
  if (ask !== undefined && answer !== undefined) {
    if (folded(ask) === "prompt" && folded(answer) === "completion" && system === undefined)
      return { kind: "prompt-completion", ask, answer };
    const alpaca = folded(ask) === "instruction";
    // Alpaca's own `text` repeats the whole row.
    const context = find(alpaca ? names.context.filter((name) => name !== "text") : names.context, [
      ask,
      answer,
    ]);
    const history = find(names.history);
    return {
      kind: alpaca ? "alpaca" : "question-answer",
      ask,
      answer,
      ...around,
      ...(context === undefined ? {} : { context }),
      ...(history === undefined ? {} : { history }),
    };
  }
  const text = answer === undefined ? find(names.text) : undefined;
  return text === undefined ? undefined : { kind: "text", text };
}

/** Whether a row is an example already, alone or beside its source. */
export function isExample(row: Row): boolean {
  const columns = Object.keys(row);
  const only = (...wanted: string[]) => columns.every((column) => wanted.includes(column));
  if ("example" in row) return only("example", "source");
  if ("messages" in row) return only("messages") && Array.isArray(row.messages);
  return "prompt" in row && "completion" in row && only("prompt", "completion");
}

/** The columns that a shape reads. */
export function columnsOf(shape: Shape): string[] {
  const { kind: _, ...columns } = shape;
  return Object.values(columns);
}

/** What a row becomes in a shape. */
export function shapeRow(row: Row, shape: Exclude<Shape, { kind: "example" }>): Shaped {
  const missing = [
    shape.kind === "chat" ? shape.messages : shape.kind === "text" ? shape.text : [shape.ask, shape.answer],
  ]
    .flat()
    .filter((column) => !(column in row));
  if (missing.length > 0)
    return {
      problem: `The row has no column ${missing.join(" and no column ")}. Its columns: ${columnList(Object.keys(row))}.`,
    };
  if (shape.kind === "chat") {
    const system = shape.system === undefined ? "" : textOf(row[shape.system]);
    return readChat(listOf(row[shape.messages]), system ?? "");
  }
  const words = new Map<string, string>();
  for (const column of columnsOf(shape)) {
    if ("history" in shape && column === shape.history) continue;
    const text = textOf(row[column]);
    if (text === undefined) return { problem: `Column ${column} holds no text, but a list or an object.` };
    words.set(column, text);
  }
  const word = (column: string | undefined) => (column === undefined ? "" : (words.get(column) ?? ""));
  if (shape.kind === "text") return { text: word(shape.text) };
  const [ask, answer] = [word(shape.ask), word(shape.answer)];
  if (shape.kind === "prompt-completion") return { example: { prompt: ask, completion: answer } };
  const history = historyOf(shape.history === undefined ? undefined : row[shape.history]);
  if (history === undefined) return { problem: `Column ${shape.history} is no list of question and answer.` };
  const context = word(shape.context);
  const parts = shape.kind === "alpaca" ? [ask, context] : [context, ask];
  const asked = parts.filter((part) => part.trim() !== "").join(shape.kind === "alpaca" ? "\n" : "\n\n");
  if (asked === "") return { problem: `Column ${shape.ask} is blank: there is no question.` };
  return { example: chatExample(word(shape.system), [...history, { role: "user", content: asked }], answer) };
}

type Turn = { readonly role: "user" | "assistant"; readonly content: string };

/** A chat whose last turn is the answer. */
export function chatExample(system: string, turns: readonly Turn[], answer: string): Example {
  const before = system.trim() === "" ? [] : [{ role: "system" as const, content: system }];
  return { messages: [...before, ...turns, { role: "assistant", content: answer }] };
}

/** Earlier turns as pairs of question and answer. @returns undefined where it is something else */
function historyOf(value: unknown): Turn[] | undefined {
  const list = value === undefined || value === null || value === "" ? [] : listOf(value);
  if (list === undefined) return undefined;
  const turns: Turn[] = [];
  for (const pair of list) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const [asked, answered] = pair as unknown[];
    if (typeof asked !== "string" || typeof answered !== "string") return undefined;
    turns.push({ role: "user", content: asked }, { role: "assistant", content: answered });
  }
  return turns;
}

/** A list, or the JSON text of one: cells of CSV hold only text. */
function listOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (typeof value !== "string" || !value.trimStart().startsWith("[")) return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** A cell as text; a list of texts is one a line. @returns undefined for what is no text */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join("\n");
  return undefined;
}

/** Names of columns for people, at most forty. */
export const columnList = (columns: readonly string[]): string =>
  columns.length === 0
    ? "none"
    : columns
        .slice(0, 40)
        .map((column) => column.slice(0, 60))
        .join(", ") + (columns.length > 40 ? ` and ${columns.length - 40} more` : "");
