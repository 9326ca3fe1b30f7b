/** The model that ships, held to schemas: what ends by itself is valid after its schema. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { createOpenLora } from "./index.ts";

const person = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1, maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
    height: { type: "number", minimum: 0.4, maximum: 2.5 },
    married: { type: ["boolean", "null"] },
  },
  required: ["name", "age", "married"],
  additionalProperties: false,
};
const schemas: object[] = [
  person,
  { type: "array", items: { $ref: "#/$defs/person" }, minItems: 1, maxItems: 2, $defs: { person } },
  { enum: ["naïve", "日本語", "😀", 'quoted "text"', "line\nbreak"] },
  {
    type: "array",
    items: { type: "array", items: { type: "integer", minimum: -5, maximum: 5 }, maxItems: 3 },
    maxItems: 3,
  },
  { anyOf: [{ type: "string", format: "date" }, { type: "null" }, { const: { a: [1, "b"] } }] },
  { type: "string", pattern: "^(?:[A-Z][a-z]{1,8} ){1,3}[0-9]{4}$" },
  {
    $ref: "#/$defs/node",
    $defs: {
      node: {
        type: "object",
        properties: { v: { enum: [1, 2] }, next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
        required: ["v", "next"],
      },
    },
  },
  { type: "object", additionalProperties: { type: "boolean" }, maxProperties: 3 },
  { type: "array", prefixItems: [{ type: "string", maxLength: 10 }, { type: "number" }], items: false },
  z.toJSONSchema(
    z.object({ mail: z.email(), tags: z.array(z.enum(["a", "b"])).max(4), when: z.iso.date().optional() }),
  ),
];

test("every answer that ends by itself is valid after its schema", async () => {
  await using openLora = await createOpenLora({
    baseFolder: join(import.meta.dirname, "../../models/openledger-tiny"),
    baseName: "openledger-tiny",
    loadAdapter: () => Promise.reject(new Error("there are none")),
    options: { threads: 1, modules: ["q_proj"], rank: 1, maxRows: 8 },
  });
  const answers = await Promise.all(
    schemas.flatMap((schema) =>
      [1, 2, 3].map(async (seed) => {
        const format = { type: "json-schema", schema: JSON.stringify(schema) } as const;
        const prompt = { prompt: "An answer as JSON: " };
        return {
          schema,
          ...(await openLora.generate({ prompt, seed, temperature: 1, maxTokens: 200, format, logprobs: 1 })),
        };
      }),
    ),
  );
  const ended = answers.filter(({ finishReason }) => finishReason === "stop");
  assert.ok(ended.length > 20, `only ${ended.length} of ${answers.length} ended`);
  for (const { schema, text, logprobs, outputIds } of ended) {
    z.fromJSONSchema(schema as never).parse(JSON.parse(text));
    assert.equal(logprobs?.length, outputIds.length);
    assert.equal(Buffer.from(logprobs.flatMap(({ bytes }) => [...bytes])).toString(), text);
  }
});
