/** OpenAI's embeddings: texts as vectors, under any model that costs nothing, where the base was made for it. */
import { z } from "@hono/zod-openapi";
import type { OpenLora } from "../openlora/index.ts";
import { badRequest } from "./errors.ts";
import { textSchema } from "./messages.ts";
import type { Target } from "./models.ts";
import { honoured, invalidValue, parsed } from "./parameters.ts";
import { modelName } from "./request.ts";

/** Inputs of one request, as many as OpenAI takes. */
const inputsMax = 2_048;

const someText = textSchema.min(1);
const ids = z.array(z.int().min(0)).min(1);

/** `POST /v1/embeddings`. */
export const embeddingRequestSchema = z.strictObject({
  model: modelName,
  input: z
    .union(
      [
        someText.transform((text) => [text]),
        z.array(someText).min(1).max(inputsMax),
        ids.transform((one) => [one]),
        z.array(ids).min(1).max(inputsMax),
      ],
      `expected a string of well-formed Unicode that is not empty, a list of token numbers, or at most ${inputsMax} of either`,
    )
    .meta({ description: `A text, token numbers, or at most ${inputsMax} of either` }),
  encoding_format: z
    .enum(["float", "base64"])
    .default("float")
    .meta({ description: "base64: 32-bit floats, little-endian" }),
  dimensions: z
    .int()
    .min(1)
    .optional()
    .meta({ description: "Refused unless it is the vectors' own length: they are not cut" }),
  user: z.string().max(256).optional(),
});

export type EmbeddingAsk = z.output<typeof embeddingRequestSchema>;

/** @throws InferenceError 400, naming the parameter */
export const parseEmbeddingAsk = (body: Readonly<Record<string, unknown>>): EmbeddingAsk =>
  parsed(embeddingRequestSchema, honoured(body));

export const embeddingsOut = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.object({
        object: z.literal("embedding"),
        index: z.int(),
        embedding: z.union([z.array(z.number()), z.string()]),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .openapi("Embeddings");

export type EmbeddingsJson = z.input<typeof embeddingsOut>;

/** @throws InferenceError 400; OpenLoraError `invalid-request` where the base is no embedding model */
export async function embed(
  openlora: Pick<OpenLora, "embed">,
  { adapter, release }: Target,
  ask: EmbeddingAsk,
  signal: AbortSignal,
): Promise<EmbeddingsJson> {
  const { price } = release?.manifest ?? {};
  if (price !== undefined && BigInt(price.promptWeiPerToken) > 0n)
    throw badRequest(
      "unsupported_parameter",
      "model",
      `'${ask.model}' has a price, and there is no receipt for a vector: embeddings are given by models that are free, the base among them.`,
    );
  const { vectors, promptTokens } = await openlora.embed({ adapter, prompts: ask.input, signal });
  const length = vectors[0]?.length ?? 0;
  if (ask.dimensions !== undefined && ask.dimensions !== length)
    throw invalidValue("dimensions", `vectors have ${length} here and are not cut; leave it out`);
  return {
    object: "list",
    data: vectors.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: ask.encoding_format === "base64" ? base64(vector) : [...vector],
    })),
    model: ask.model,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
  };
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(value, at * 4);
  return bytes.toString("base64");
}
