/** Schemas made at random, walked at random, checked by Zod's reading of them; and what is hostile. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { createRandom, loadTokenizer, type Random } from "../engine/index.ts";
import { OpenLoraError } from "./errors.ts";
import { createGrammars, grammarLimits } from "./grammars.ts";
import type { Format } from "./request.ts";

const vocabTokens = 2_048;
const tokenizer = loadTokenizer(join(import.meta.dirname, "../../models/openledger-tiny"));
const { bytes } = tokenizer.vocabulary;
const grammars = createGrammars({ tokenizer, vocabTokens });
after(() => grammars.close());

const schemaFormat = (schema: unknown): Format => ({ type: "json-schema", schema: JSON.stringify(schema) });

/** Follows the masks to the end of an answer, in a hurry the longer it gets. @returns its text, or undefined where it never ends */
async function walk(
  format: Format,
  random: Random,
  most = 400,
  from = grammars,
): Promise<string | undefined> {
  const constraint = await from.begin(format);
  try {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < most; i++) {
      const mask = constraint.mask();
      const allowed = Array.from({ length: vocabTokens }, (_, id) => id).filter(
        (id) => (((mask[id >> 5] as number) >>> (id & 31)) & 1) === 1,
      );
      assert.ok(allowed.length > 0, "no token may follow");
      if (allowed.includes(tokenizer.eosId) && (random.uniform() < 0.4 || allowed.length === 1))
        return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
      const closing = allowed.filter((id) => /^["\]}]+$/.test(Buffer.from(bytes(id)).toString()));
      const among = closing.length > 0 && random.uniform() < 0.05 + i / 100 ? closing : allowed;
      const words = among.filter((id) => id !== tokenizer.eosId);
      const token = words[random.below(words.length)] as number;
      parts.push(bytes(token));
      constraint.accept(token);
    }
    return undefined;
  } finally {
    constraint.end();
  }
}

const key = fc.oneof(
  fc.constantFrom("name", "n", "na", "é", "日本", 'a"b', "a\\b", "a b", "__proto__x", "😀", "tab\t", ""),
  fc.string({ minLength: 1, maxLength: 6 }),
);
const constant = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom("/", '"', "\\", "\n", "naïve 日本語 😀", 1.5, -0.25, 1e21),
);
const bounds = (min: string, max: string, value: fc.Arbitrary<number>) =>
  fc.record({ low: fc.option(value), high: fc.option(value) }).map(({ low, high }) => {
    const [a, b] = low !== null && high !== null && low > high ? [high, low] : [low, high];
    return { ...(a === null ? {} : { [min]: a }), ...(b === null ? {} : { [max]: b }) };
  });
const decimals = fc.integer({ min: -30_000, max: 30_000 }).map((n) => n / 100);
const { schema: anySchema } = fc.letrec<{ schema: object; leaf: object }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<object>(
      {},
      { type: "null" },
      { type: "boolean" },
      { type: "string" },
      { type: "number" },
    ),
    fc.constantFrom<object>({ type: ["integer", "null"] }, { type: "object" }, { type: "array" }),
    fc.constantFrom("date", "uuid", "ipv4").map((format) => ({ type: "string", format })),
    fc
      .constantFrom("^[a-c]{2,4}$", "b\\.c", '^[^"a]x?"$', "^(?:ja|nein)+\\d{2}$", "^\\w+ \\\\ é[à-ü]$")
      .map((pattern) => ({
        type: "string",
        pattern,
      })),
    fc.uniqueArray(constant, { minLength: 1, maxLength: 4 }).map((values) => ({ enum: values })),
    constant.map((value) => ({ const: value })),
    bounds("minimum", "maximum", fc.integer()).map((own) => ({ type: "integer", ...own })),
    bounds("minimum", "maximum", decimals).map((own) => ({ type: "number", ...own })),
    decimals.map((n) => ({ type: "number", exclusiveMinimum: n, exclusiveMaximum: n + 0.5 })),
    fc.integer({ min: -99, max: 99 }).map((n) => ({ type: "integer", exclusiveMinimum: n })),
    bounds("minLength", "maxLength", fc.nat(12)).map((own) => ({ type: "string", ...own })),
  ),
  schema: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc
      .record({ items: tie("schema"), own: bounds("minItems", "maxItems", fc.nat(4)) })
      .map(({ items, own }) => ({ type: "array", items, ...own })),
    fc
      .array(tie("schema"), { minLength: 1, maxLength: 3 })
      .map((prefixItems) => ({ type: "array", prefixItems })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc
      .record({
        properties: fc.dictionary(key, tie("schema"), { maxKeys: 4 }),
        omitted: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        additionalProperties: fc.option(fc.oneof(fc.boolean(), tie("leaf")), { nil: undefined }),
      })
      .map(({ properties, omitted, additionalProperties }) => ({
        type: "object",
        properties,
        required: Object.keys(properties).filter((_, i) => !omitted[i]),
        ...(additionalProperties === undefined ? {} : { additionalProperties }),
      })),
  ),
}));

test("what ends is valid after its schema, whatever schema and whatever is chosen", async () => {
  let ended = 0;
  await fc.assert(
    fc.asyncProperty(anySchema, fc.nat(), async (schema, seed) => {
      const text = await walk(schemaFormat(schema), createRandom(seed));
      if (text === undefined) return;
      ended++;
      const read = (json: string) => z.fromJSONSchema(schema as never).safeParse(JSON.parse(json));
      // Characters are code points in JSON Schema; Zod counts and matches halves of those beyond 16 bits.
      const halved = text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, "é");
      const { error } = read(text);
      assert.ok(error === undefined || read(halved).success, `${text}: ${error && z.prettifyError(error)}`);
    }),
    { numRuns: 100 },
  );
  assert.ok(ended > 60, `only ${ended} answers ended`);
});

/** Texts that end, by walks from several seeds. */
async function walks(format: Format, count = 8, most = 400): Promise<string[]> {
  const texts: string[] = [];
  for (let seed = 0; seed < count; seed++) texts.push((await walk(format, createRandom(seed), most)) ?? "");
  return texts.filter((text) => text !== "");
}

test("references, recursion and cases that exclude each other", async () => {
  const tree = {
    $ref: "#/$defs/node",
    $defs: {
      node: {
        type: "object",
        properties: {
          value: { enum: [1, 2] },
          left: { $ref: "#/$defs/node" },
          right: { $ref: "#/$defs/node" },
        },
        required: ["value"],
        additionalProperties: false,
      },
    },
  };
  const cases = {
    oneOf: ["a", "b"].map((kind) => ({
      type: "object",
      properties: { kind: { const: kind }, [kind]: { type: "boolean" } },
      required: ["kind", kind],
    })),
  };
  const kinds = new Set<string>();
  for (const schema of [tree, cases]) {
    const texts = await walks(schemaFormat(schema), 16);
    assert.ok(texts.length > 3);
    for (const text of texts) {
      z.fromJSONSchema(schema as never).parse(JSON.parse(text));
      kinds.add(text.slice(0, 9));
    }
  }
  assert.ok(kinds.size > 2, "the walks must differ for this to prove anything");
});

test("what Zod writes for its own schemas is understood", async () => {
  const schema = z.object({
    mail: z.email(),
    id: z.uuid(),
    at: z.iso.datetime(),
    day: z.iso.date(),
    site: z.url(),
    share: z.number().min(0).max(1).nullable(),
    note: z.string().max(9).optional(),
    kind: z.literal(["a", "b"]),
    scores: z.record(z.enum(["x", "y"]), z.int()),
    pair: z.tuple([z.boolean(), z.number()]),
    shape: z.discriminatedUnion("of", [
      z.object({ of: z.literal("line") }),
      z.object({ of: z.literal("circle"), radius: z.int().positive() }),
    ]),
  });
  const texts = await walks(schemaFormat(z.toJSONSchema(schema)), 6, 2_000);
  assert.ok(texts.length > 3, `${texts.length}`);
  for (const text of texts) schema.parse(JSON.parse(text));
});

test("any JSON object, and text with a tagged call", async () => {
  for (const text of await walks({ type: "json" })) assert.equal(typeof JSON.parse(text), "object");
  const call = {
    type: "triggered_tags",
    triggers: ["<call="],
    tags: ["add", "drop"].map((name) => ({
      type: "tag",
      begin: `<call=${name}>`,
      content: {
        type: "json_schema",
        json_schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      },
      end: "</call>",
    })),
    at_least_one: true,
    stop_after_first: true,
  };
  const texts = await walks({ type: "structural-tag", tag: JSON.stringify({ format: call }) });
  assert.ok(texts.length > 3);
  for (const text of texts) {
    const [, json] = /<call=(?:add|drop)>(.*)<\/call>$/s.exec(text) ?? assert.fail(text);
    assert.equal(Number.isInteger(JSON.parse(json as string).n), true);
  }
});

test("what cannot be held to is refused by name and place", async () => {
  const deep = (levels: number): object =>
    levels === 0 ? {} : { type: "object", properties: { a: deep(levels - 1) } };
  for (const [schema, message] of [
    [{ type: "nope" }, /type "nope"; there are object/],
    [{ properties: { a: { not: {} } } }, /at \/properties\/a has "not"/],
    [{ type: "array", uniqueItems: true }, /"uniqueItems"/],
    [{ $ref: "#/$defs/x" }, /refers to "#\/\$defs\/x", which is not in it/],
    [{ $ref: "https://example.org/schema" }, /only "#" and "#\/…"/],
    [{ $ref: "#" }, /refers to itself and nothing else/],
    [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, /no value would ever end/],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, /cases 0 and 1 may hold at once/],
    [{ type: "string", pattern: "^(?=a)b" }, /pattern that cannot be used: assertions.*character 4/],
    [{ type: "string", pattern: "(a)\\1" }, /backreferences/],
    [{ type: "string", pattern: "a{99999999}" }, /more than 10000 repetitions/],
    [{ type: "string", pattern: "((a{99}){99}){99}" }, /grammar that cannot be used: it is too complicated/],
    [{ type: "array", minItems: 1e9 }, /minItems above 10000/],
    [{ type: "integer", minimum: 1.2, maximum: 1.8 }, /bounds that no number/],
    [{ enum: [] }, /enum without a list/],
    [false, /is false/],
    [deep(60), /nests deeper than/],
  ] as const)
    await assert.rejects(grammars.begin(schemaFormat(schema)), (error: OpenLoraError) => {
      assert.equal(error.code, "invalid-request");
      assert.match(error.message, message);
      return true;
    });
  for (const [format, message] of [
    [{ type: "json-schema", schema: "{nope" }, /not JSON/],
    [{ type: "json-schema", schema: "[".repeat(60_000) + "]".repeat(60_000) }, /nests deeper than 128/],
    [
      { type: "structural-tag", tag: '{"format":{"type":"grammar","grammar":"root ::= root"}}' },
      /structural tag cannot be/,
    ],
  ] as const)
    await assert.rejects(grammars.begin(format), { code: "invalid-request", message });
});

test("what takes too long ends its own thread, and is remembered", async () => {
  const long = schemaFormat({ type: "array", items: { type: "string", maxLength: 250 }, maxItems: 3 });
  const strict = createGrammars({ tokenizer, vocabTokens }, { ...grammarLimits, compileMs: 1 });
  await assert.rejects(strict.begin(long), { code: "invalid-request", message: /took longer than/ });
  const began = performance.now();
  await assert.rejects(strict.begin(long), { code: "invalid-request", message: /took longer than/ });
  assert.ok(performance.now() - began < 100, "it was compiled again");
  await strict.close();
  await assert.rejects(strict.begin(long), { code: "closed" });
});

test("patterns that are slow to follow for others are not", async () => {
  for (const pattern of ["^(([a-z]*)*)*x$", "^((a|a)*)*b$", "^(a?){200}a{200}$", "^(a|b)*a(a|b){6}$"]) {
    const began = performance.now();
    const text = await walk(schemaFormat({ type: "string", pattern }), createRandom(1), 60);
    assert.ok(performance.now() - began < 5_000);
    if (text !== undefined) assert.match(JSON.parse(text), new RegExp(pattern));
  }
});

test("one thread: a new grammar waits for the answers under way, known ones do not; closing ends them", async () => {
  const single = createGrammars(
    { tokenizer, vocabTokens },
    { ...grammarLimits, threads: 1, grammarsPerThread: 2 },
  );
  const known = schemaFormat({ enum: [1] });
  const first = await single.begin(known);
  let begun = false;
  const second = single.begin(schemaFormat({ enum: [2] })).then((constraint) => {
    begun = true;
    return constraint;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(begun, false);
  first.end();
  const other = await second;
  const again = await single.begin(known);
  for (const [constraint, digit] of [
    [again, 1],
    [other, 2],
  ] as const) {
    const mask = constraint.mask();
    const [id] = tokenizer.encode(String(digit)) as [number];
    const one = new Int32Array(mask.length);
    one[id >> 5] = 1 << (id & 31);
    assert.deepEqual(mask, one);
  }
  again.end();
  other.end();
  for (let i = 3; i < 9; i++)
    assert.equal(await walk(schemaFormat({ enum: [i] }), createRandom(i), 9, single), `${i}`);
  const left = await single.begin(known);
  await single.close();
  left.accept(0);
  assert.throws(() => left.mask(), OpenLoraError);
});
