/** Spans of answers over HTTP: for who paid for the answer, and the operator, because they show its text. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { type SpanData, type Spans, SpansNotReadyError } from "../attribution/index.ts";
import type { Datanets } from "../datanets/index.ts";
import { type Example, jsonDigest } from "../protocol/index.ts";
import {
  AnswerError,
  type AnswerServices,
  answered,
  answerFailures,
  answerParams,
  json,
  limitText,
  type PaidAnswer,
} from "./answers.ts";
import { gatedDatanets, type TrainedRelease, trainedRows } from "./trained-rows.ts";

export type SpansServices = AnswerServices & {
  readonly spans: Pick<Spans, "find">;
  readonly datanets: Pick<Datanets, "getVersion" | "access">;
};

/** Most spans that are listed. */
const spansMax = 200;

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
    words: z.int().openapi({
      description: "Words of the answer that were looked at; a sign such as a full stop is one, too",
    }),
    searched: z.int().openapi({ description: "UTF-16 code units of the answer that were looked at" }),
    gated: z.array(z.string()).openapi({
      description:
        "Datanets of the release that are not open to all: where there are any, nothing was looked for, because a span would tell what stands in them. The operator is told",
    }),
    total: z.int().openapi({ description: "Spans of enough rarity, those not listed too" }),
    spans: z.array(
      z.object({
        text: z.string(),
        at: z
          .array(z.object({ start: z.int(), end: z.int() }))
          .openapi({ description: "Where in the answer, UTF-16 code units" }),
        words: z.int().openapi({ description: "Signs such as a full stop are words, too" }),
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
const route = createRoute({
  method: "get",
  path: "/v1/receipts/{receipt}/spans",
  tags: ["Attribution"],
  summary: "Runs of an answer that stand word for word in the release's training data",
  description:
    "Shows where words come from and pays nobody: who is paid is in the receipt. For the operator's token, or the API key that paid.",
  request: { params: answerParams, query: z.object({ limit: limitText(spansMax, "32") }) },
  responses: { 200: json(spansOut, "The spans, the rarest first"), ...answerFailures },
});

export function spansRoutes(services: SpansServices, guard: MiddlewareHandler): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openapi(route, async (context) => {
    const { limit } = context.req.valid("query");
    const found = await answered(services, guard, context, context.req.valid("param").receipt, (answer) =>
      spansIn(services, answer, limit),
    );
    return found instanceof Response ? (found as never) : context.json(found, 200);
  });
  return app;
}

async function spansIn(
  { spans, datanets }: SpansServices,
  { id, evidence, release, asker }: PaidAnswer,
  limit: number | undefined,
): Promise<z.infer<typeof spansOut>> {
  const about = { receiptId: id, releaseId: release.id, answer: evidence.response };
  // Whoever asks may have had the answer written that it wants to find.
  const gated = asker === "payer" ? await gatedDatanets(datanets, release) : [];
  if (gated.length > 0) return { ...about, gated, words: 0, searched: 0, total: 0, spans: [] };
  const { spans: listed, ...counts } = await spans
    .find(spanDataOf(datanets, release), evidence.response, limit === undefined ? {} : { limit })
    .catch((error: Error) => {
      if (error instanceof SpansNotReadyError) throw new AnswerError(503, "not-ready", error.message);
      throw error;
    });
  const shown = listed.map(({ documents, ...span }) => ({
    ...span,
    at: [...span.at],
    contributors: { ...span.contributors, first: [...span.contributors.first] },
    documents: {
      count: documents.count,
      first: documents.first.map(({ source, row, contributor }) => ({ ...source, row, contributor })),
    },
  }));
  return { ...about, gated, ...counts, spans: shown };
}

/** A prompt's completion goes on where the prompt ends; messages stand each for itself. */
const textsOf = (example: Example): string[] =>
  "messages" in example
    ? example.messages.map(({ content }) => content)
    : [example.prompt + example.completion];

/** What a release was trained on, in the order in which it was committed to: by the consents' times, then by Datanet and row. */
export function spanDataOf(
  datanets: Pick<Datanets, "getVersion" | "access">,
  release: TrainedRelease,
): SpanData {
  const { manifest, contributors } = release;
  return {
    key: jsonDigest({
      contributors: [...new Set(contributors)],
      versions: manifest.datanets.map(({ datanetId, version, root }) => ({ datanetId, version, root })),
    }),
    sources: manifest.datanets.map(({ datanetId, version, license }) => ({ datanetId, version, license })),
    isPrivate: async () => (await gatedDatanets(datanets, release)).length > 0,
    async documents() {
      const rows = await trainedRows(datanets, release);
      // A stable sort: Datanets and rows keep their order.
      return rows
        .sort((a, b) => a.signedAt - b.signedAt)
        .map(({ example, ...rest }) => ({ ...rest, texts: textsOf(example) }));
    },
  };
}
