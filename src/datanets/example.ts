import { canonicalJson, type Example, exampleSchema, ProtocolError } from "../protocol/index.ts";

/** An example that a model can learn from, with its canonical JSON. */
export type ReadExample = { readonly example: Example; readonly json: string };

/** What keeps a value from being an example, and where in the value it is. */
export type ExampleProblem = { readonly path: readonly PropertyKey[]; readonly message: string };

const expected = 'expected an object with "messages", or with "prompt" and "completion"';

/** Reads an example (docs/protocol.md, section 3) that has something to learn in it. */
export function readExample(value: unknown): ReadExample | { readonly problem: ExampleProblem } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { problem: { path: [], message: expected } };
  const parsed = exampleSchema.safeParse(value);
  if (!parsed.success) return { problem: shapeProblem(value, parsed.error.issues[0]) };
  const example = parsed.data;
  const lesson = lessonOf(example);
  if (lesson.text.trim() === "") return { problem: { path: lesson.path, message: lesson.message } };
  try {
    return { example, json: canonicalJson(example) };
  } catch (error) {
    if (error instanceof ProtocolError) return { problem: { path: [], message: error.message } };
    throw error;
  }
}

type Issue = { code: string; message: string; path: PropertyKey[]; errors?: Issue[][] };

/** Zod reports a union's branches side by side, unless all but one are ruled out; the one that the keys announce is the one that was meant. */
function shapeProblem(value: object, given: unknown): ExampleProblem {
  const issue = given as Issue;
  if (issue.code !== "invalid_union") return placed(issue);
  const branch = "messages" in value ? 0 : "prompt" in value || "completion" in value ? 1 : undefined;
  const meant = branch === undefined ? undefined : issue.errors?.[branch]?.[0];
  return meant ? placed(meant) : { path: [], message: expected };
}

function placed({ path, message }: Issue): ExampleProblem {
  return { path, message: `${path.length === 0 ? "the example" : path.map(String).join(".")}: ${message}` };
}

/** The text that a model is trained to produce: an example without one teaches nothing. */
function lessonOf(example: Example): { text: string; path: readonly PropertyKey[]; message: string } {
  if ("prompt" in example) {
    return {
      text: example.completion,
      path: ["completion"],
      message: "completion is blank: nothing to learn from",
    };
  }
  const at = example.messages.length - 1;
  const last = example.messages[at]!;
  return {
    text: last.role === "assistant" ? last.content : "",
    path: ["messages", at],
    message: "the last message must be the assistant's and must not be blank: it is what a model learns from",
  };
}
