/** What an answer must be, as a grammar that can be compiled. */
import { z } from "zod";
import type { Budget } from "./automaton.ts";
import { formatRules, sizeOf } from "./ebnf.ts";
import { OpenLoraError } from "./errors.ts";
import { schemaRules } from "./json-schema.ts";
import type { Format } from "./request.ts";
import { SchemaError } from "./schema-reader.ts";

/** A grammar's source, and its name among all others. */
export type GrammarSource = { readonly kind: "ebnf" | "structural-tag"; readonly text: string };

const sizeMax = 60_000;
/** Half a second. */
const stepsMax = 600_000;
const depthMax = 128;

/**
 * Takes half a second for the worst: not for a thread that others wait for.
 *
 * @throws OpenLoraError `invalid-request`, naming what cannot be held to and where it stands
 */
export function grammarSource(format: Format): GrammarSource {
  const budget: Budget = { steps: stepsMax };
  if (format.type === "json") return { kind: "ebnf", text: ebnf({ type: "object" }, budget) };
  if (format.type === "json-schema")
    return { kind: "ebnf", text: ebnf(parse(format.schema, "The format's JSON schema"), budget) };
  const tag = structuralTag.safeParse(parse(format.tag, "The format's structural tag"));
  if (!tag.success)
    throw new OpenLoraError(
      "invalid-request",
      `The format's structural tag cannot be understood: ${z.prettifyError(tag.error)}`,
    );
  return {
    kind: "structural-tag",
    text: JSON.stringify({ ...tag.data, format: spelt(tag.data.format, budget) }),
  };
}

function ebnf(schema: unknown, budget: Budget): string {
  try {
    const rules = schemaRules(schema, budget);
    const size = sizeOf(rules);
    if (size > sizeMax)
      throw new SchemaError(
        `The schema makes a grammar of size ${size}; at most ${sizeMax} is supported. Shorten its lists, lengths and repetitions.`,
      );
    return formatRules(rules);
  } catch (cause) {
    if (!(cause instanceof SchemaError)) throw cause;
    throw new OpenLoraError("invalid-request", cause.message, {}, { cause });
  }
}

function parse(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OpenLoraError(
      "invalid-request",
      `${what} is not JSON: ${(cause as Error).message}`,
      {},
      { cause },
    );
  }
  // Breadth first: how deep it nests must not depend on this stack.
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax)
      throw new OpenLoraError(
        "invalid-request",
        `${what} nests deeper than ${depthMax}, the most that is read.`,
      );
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return value;
}

type Tag = { type: "tag"; begin: string; content: Part; end: string };
type Part =
  | { type: "any_text" }
  | { type: "const_string"; value: string }
  | { type: "json_schema"; json_schema: unknown }
  | { type: "sequence" | "or"; elements: Part[] }
  | Tag
  | ({ type: "triggered_tags"; triggers: string[]; tags: Tag[] } & Repeated)
  | ({ type: "tags_with_separator"; tags: Tag[]; separator: string } & Repeated);
type Repeated = { at_least_one?: boolean | undefined; stop_after_first?: boolean | undefined };

const text = z.string().max(4_096);
const repeated = { at_least_one: z.boolean().optional(), stop_after_first: z.boolean().optional() };
const tag: z.ZodType<Tag> = z.lazy(() =>
  z.strictObject({ type: z.literal("tag"), begin: text.min(1), content: part, end: text }),
);
const tags = z.array(tag).min(1).max(128);
const part: z.ZodType<Part> = z.lazy(() =>
  z.union([
    z.strictObject({ type: z.literal("any_text") }),
    z.strictObject({ type: z.literal("const_string"), value: text.min(1) }),
    z.strictObject({ type: z.literal("json_schema"), json_schema: z.unknown() }),
    z.strictObject({ type: z.enum(["sequence", "or"]), elements: z.array(part).min(1).max(128) }),
    tag,
    z
      .strictObject({
        type: z.literal("triggered_tags"),
        triggers: z.array(text.min(1)).min(1).max(128),
        tags,
        ...repeated,
      })
      .refine(
        ({ triggers, tags }) =>
          tags.every(({ begin }) => triggers.filter((trigger) => begin.startsWith(trigger)).length === 1),
        "expected every tag to begin with exactly one of the triggers",
      ),
    z.strictObject({ type: z.literal("tags_with_separator"), tags, separator: text.min(1), ...repeated }),
  ]),
);

/** The part of xgrammar's structural tags that says nothing in a grammar of the asker's own. */
const structuralTag = z.strictObject({
  type: z.literal("structural_tag").default("structural_tag"),
  format: part,
});

/** With every schema as the grammar that it stands for. */
function spelt(given: Part, budget: Budget): unknown {
  const each = (part: Part) => spelt(part, budget);
  if (given.type === "json_schema") return { type: "grammar", grammar: ebnf(given.json_schema, budget) };
  if (given.type === "tag") return { ...given, content: each(given.content) };
  if ("elements" in given) return { ...given, elements: given.elements.map(each) };
  return "tags" in given ? { ...given, tags: given.tags.map(each) } : given;
}
