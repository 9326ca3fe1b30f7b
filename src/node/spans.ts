/** Spans of answers over HTTP: for who paid for the answer, and the operator, because they show its text. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { type SpanData, type SpanDocument, type Spans, SpansNotReadyError } from "../attribution/index.ts";
import type { Datanets } from "../datanets/index.ts";
import type { Inference } from "../inference/index.ts";
import { PaymentError, PaymentRequiredError, type Payments } from "../payments/index.ts";
import { type Digest, digestSchema, type Example, jsonDigest, type Manifest } from "../protocol/index.ts";

export type SpansServices = {
  readonly spans: Pick<Spans, "find">;
  readonly payments: Pick<Payments, "authenticate">;
  readonly inference: Pick<Inference, "evidence">;
  /** Undefined for a receipt that is not here. */
  readonly receipt: (id: Digest) => Promise<{ channelId: Digest; releaseId: Digest } | undefined>;
  /** Undefined for a release that is not here. */
  readonly dataOf: (release: Digest) => Promise<SpanData | undefined>;
};

const placeOut = z.object({
  datanetId: z.string(),
  version: z.int(),
  row: z.int().openapi({ description: "Row of that version, from 0" }),
  license: z.string().openapi({ description: "SPDX identifier" }),
  contributor: z.string(),
});
const spansOut = z
  .object({
    receiptId: z.string(),
    releaseId: z.string(),
    answer: z.string(),
    words: z.int().openapi({ description: "Words of the answer that were looked at" }),
    searched: z.int().openapi({ description: "UTF-16 code units of the answer that were looked at" }),
    total: z.int().openapi({ description: "Spans of enough rarity, those not listed too" }),
    spans: z.array(
      z.object({
        text: z.string(),
        at: z
          .array(z.object({ start: z.int(), end: z.int() }))
          .openapi({ description: "Where in the answer, UTF-16 code units" }),
        words: z.int(),
        bits: z
          .number()
          .openapi({ description: "Rarity: −log₂ of the product of its words' shares of the data" }),
        occurrences: z.int(),
        complete: z
          .boolean()
          .openapi({ description: "False: counts of documents and contributors are at least so many" }),
        documents: z.object({
          count: z.int(),
          first: z.array(placeOut).openapi({ description: "Earliest commitment first" }),
        }),
        contributors: z.object({ count: z.int(), first: z.array(z.string()) }),
      }),
    ),
  })
  .openapi("AnswerSpans");
const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});

const route = createRoute({
  method: "get",
  path: "/v1/receipts/{receipt}/spans",
  tags: ["Attribution"],
  summary: "Runs of an answer that stand word for word in the release's training data",
  description:
    "Shows where words come from and pays nobody: who is paid is in the receipt. For the operator's token, or the API key that paid.",
  request: {
    params: z.object({ receipt: digestSchema }),
    query: z.object({
      limit: z
        .string()
        .regex(/^([1-9]\d?|1\d\d|200)$/, "expected a whole number from 1 to 200")
        .transform(Number)
        .optional()
        .openapi({ type: "string", example: "32" }),
    }),
  },
  responses: {
    200: json(spansOut, "The spans, the rarest first"),
    401: json(errorOut, "Neither the operator nor who paid"),
    404: json(errorOut, "There is no such receipt here, or not its answer"),
    503: json(errorOut, "The index is being built; Retry-After says when to come back"),
  },
});

export function spansRoutes(services: SpansServices, guard: MiddlewareHandler): OpenAPIHono {
  const { spans, inference, receipt, dataOf } = services;
  const app = new OpenAPIHono();
  app.openapi(route, async (context) => {
    const id = context.req.valid("param").receipt;
    const { limit } = context.req.valid("query");
    const found = await receipt(id);
    // Who may not see the answer is not told either whether there is one.
    if (found === undefined || !(await hasPaid(services, context.req.header("authorization"), found))) {
      const refused = await guard(context, async () => {});
      if (refused instanceof Response) return refused as never;
    }
    const missing = (what: string) =>
      context.json({ error: { code: "unknown-receipt", message: `${what} is not here.` } }, 404);
    if (found === undefined) return missing(`The receipt ${id}`);
    const evidence = await inference.evidence(id);
    if (evidence === undefined) return missing(`The answer of receipt ${id}`);
    const data = await dataOf(found.releaseId);
    if (data === undefined) return missing(`The release ${found.releaseId}`);
    try {
      const { spans: listed, ...counts } = await spans.find(
        data,
        evidence.response,
        limit === undefined ? {} : { limit },
      );
      const shown = listed.map(({ documents, ...span }) => ({
        ...span,
        at: [...span.at],
        contributors: { ...span.contributors, first: [...span.contributors.first] },
        documents: {
          count: documents.count,
          first: documents.first.map(({ source, row, contributor }) => ({ ...source, row, contributor })),
        },
      }));
      return context.json(
        { receiptId: id, releaseId: found.releaseId, answer: evidence.response, ...counts, spans: shown },
        200,
      );
    } catch (error) {
      if (!(error instanceof SpansNotReadyError)) throw error;
      return context.json({ error: { code: "not-ready", message: error.message } }, 503, {
        "retry-after": "5",
      });
    }
  });
  return app;
}

/** Whether this API key belongs to the channel that paid. */
export async function hasPaid(
  { payments }: { readonly payments: Pick<Payments, "authenticate"> },
  authorization: string | undefined,
  { channelId }: { readonly channelId: Digest },
): Promise<boolean> {
  if (authorization === undefined) return false;
  try {
    return (await payments.authenticate({ authorization })).channelId === channelId;
  } catch (error) {
    // Whatever does not pay here did not pay for that answer; anything else is not about the payer.
    if (error instanceof PaymentRequiredError || error instanceof PaymentError) return false;
    throw error;
  }
}

/** A prompt's completion goes on where the prompt ends; messages stand each for itself. */
const textsOf = (example: Example): string[] =>
  "messages" in example
    ? example.messages.map(({ content }) => content)
    : [example.prompt + example.completion];

/** What a release was trained on, in the order in which it was committed to: by the consents' times, then by Datanet and row. */
export function spanDataOf(
  datanets: Pick<Datanets, "getVersion">,
  {
    manifest,
    contributors,
  }: { readonly manifest: Pick<Manifest, "datanets">; readonly contributors: readonly string[] },
): SpanData {
  const sources = manifest.datanets.map(({ datanetId, version, license }) => ({
    datanetId,
    version,
    license,
  }));
  return {
    key: jsonDigest({
      contributors,
      versions: manifest.datanets.map(({ datanetId, version, root }) => ({ datanetId, version, root })),
    }),
    sources,
    async documents() {
      const trained = new Set(contributors);
      const found: (SpanDocument & { signedAt: number })[] = [];
      for (const [source, { datanetId, version }] of sources.entries()) {
        const { rows, manifest: content } = await datanets.getVersion(BigInt(datanetId), version);
        for (const [row, { contributor, example }] of rows.entries()) {
          if (!trained.has(contributor)) continue;
          const { signedAt } = content.contributions[content.rows[row]!.contribution]!;
          found.push({ texts: textsOf(example), source, row, contributor, signedAt });
        }
      }
      // A stable sort: Datanets and rows keep their order.
      return found.sort((a, b) => a.signedAt - b.signedAt);
    },
  };
}
