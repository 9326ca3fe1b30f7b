/** The training examples behind a paid answer over HTTP: for who paid for it, and the operator. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import {
  ExplainBusyError,
  type Explained,
  type Explainer,
  type Explanation,
  explainMax,
} from "../attribution/index.ts";
import type { Datanets } from "../datanets/index.ts";
import { describeCalibration, exampleSchema } from "../protocol/index.ts";
import { isStoreError } from "../store/index.ts";
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
import { gatedDatanets, type TrainedRow, trainedRows } from "./trained-rows.ts";

export type ExamplesServices = AnswerServices & {
  readonly explainer: Pick<Explainer, "explain">;
  readonly datanets: Pick<Datanets, "getVersion" | "access">;
};

const exampleOut = z.object({
  example: z.int().openapi({ description: "Row of the release's explain index" }),
  score: z.number().openapi({
    description:
      "Influence, in the release's own unit: above 0 it made the answer likelier, below 0 less likely",
  }),
  shareMillionths: z.int().nullable().openapi({
    description:
      "Of the sum over all examples of the paid contributors, not of the money; null without such a sum",
  }),
  paid: z.boolean().openapi({ description: "Whether its contributor is paid for this answer" }),
  contributor: z.string(),
  datanetId: z.string(),
  version: z.int(),
  row: z.int().openapi({ description: "Row of that version, from 0" }),
  license: z.string().openapi({ description: "SPDX identifier" }),
  exampleDigest: z.string(),
  text: exampleSchema.nullable().openapi({
    type: "object",
    description:
      "The example; null where it is longer than 65,536 characters, or its Datanet is not open to all",
  }),
});
const examplesOut = z
  .object({
    receiptId: z.string(),
    releaseId: z.string(),
    answer: z.string(),
    traced: z.boolean().openapi({ description: "False: the payer opted out, or the answer has no token" }),
    contributors: z.int().openapi({ description: "Contributors who are paid for this answer" }),
    looked: z.int().openapi({ description: "Examples of theirs, of which the helpful ones are the best" }),
    calibration: z
      .looseObject({ status: z.enum(["separates", "not-separated", "unmeasured"]), label: z.string() })
      .openapi({ description: "How right this release's scores are, measured on contributors" }),
    shareErrorMillionths: z.int().nullable().openapi({
      description:
        "95 % of contributors' shares are within this; of single examples' shares nothing was measured. null: nothing tells",
    }),
    helpful: z.array(exampleOut).openapi({ description: "Of the paid contributors, highest score first" }),
    harmful: z
      .array(exampleOut)
      .nullable()
      .openapi({ description: "Of all contributors, lowest score first; null unless asked for" }),
  })
  .openapi("AnswerExamples");
export type AnswerExamples = z.infer<typeof examplesOut>;

const defaultLimit = 10;
/** Longer examples, characters of their JSON, are named and not shown. */
const shownMax = 65_536;

const route = createRoute({
  method: "get",
  path: "/v1/receipts/{receipt}/examples",
  tags: ["Attribution"],
  summary: "The training examples that shaped an answer most, of the contributors who are paid for it",
  description:
    "Shows why contributors are paid; how much they are is in the receipt. For the operator's token, or the API key that paid.",
  request: {
    params: answerParams,
    query: z.object({
      limit: limitText(explainMax, String(defaultLimit)),
      harmful: z.enum(["true", "false"]).default("false"),
    }),
  },
  responses: { 200: json(examplesOut, "The examples"), ...answerFailures },
});

export function examplesRoutes(services: ExamplesServices, guard: MiddlewareHandler): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openapi(route, async (context) => {
    const { limit = defaultLimit, harmful } = context.req.valid("query");
    const found = await answered(services, guard, context, context.req.valid("param").receipt, (answer) =>
      examplesOf(services, answer, { limit, harmful: harmful === "true" }),
    );
    return found instanceof Response ? (found as never) : context.json(found, 200);
  });
  return app;
}

type Ask = { readonly limit: number; readonly harmful: boolean };

async function examplesOf(
  services: ExamplesServices,
  { id, bundle, evidence, release }: PaidAnswer,
  { limit, harmful }: Ask,
): Promise<AnswerExamples> {
  const { manifest, contributors } = release;
  const { explainDigest } = manifest.index;
  if (explainDigest === undefined)
    throw new AnswerError(
      404,
      "no-explain-index",
      `no explain index: the release ${release.id} was made before releases carried one. Train the model again to get a release that has it.`,
    );
  const calibration = describeCalibration(manifest);
  const paid = new Set(bundle.scores.map(({ row }) => contributors[row]));
  const { datanets } = services;
  const rows = await trainedRows(datanets, release);
  // Who pays for an answer has not accepted the terms of the data behind it.
  const gated = new Set(await gatedDatanets(datanets, release));
  const among = rows.flatMap(({ contributor }, i) => (paid.has(contributor) ? [i] : []));
  const traced = bundle.query !== "0x" && evidence.outputIds.length > 0;
  const found: Explained =
    traced && (among.length > 0 || harmful)
      ? await services.explainer
          .explain({
            receipt: id,
            release: release.id,
            index: explainDigest,
            answer: evidence,
            among,
            harmful,
          })
          .catch(refuse)
      : { sum: 0, helpful: [], harmful: harmful ? [] : null };
  const listed = (explanations: readonly Explanation[]) =>
    explanations.slice(0, limit).map(({ example, score }) => {
      const { source, row, contributor, exampleDigest, example: text } = rows[example] as TrainedRow;
      const { datanetId, version, license } = manifest.datanets[source] as (typeof manifest.datanets)[number];
      return {
        ...{ example, score, contributor, datanetId, version, row, license, exampleDigest },
        shareMillionths: found.sum > 0 ? Math.round((score / found.sum) * 1e6) : null,
        paid: paid.has(contributor),
        text: !gated.has(datanetId) && JSON.stringify(text).length <= shownMax ? text : null,
      };
    });
  return {
    ...{ receiptId: id, releaseId: release.id, answer: evidence.response, traced },
    contributors: paid.size,
    looked: among.length,
    calibration,
    shareErrorMillionths: calibration.shareErrorMillionths,
    helpful: listed(found.helpful),
    harmful: found.harmful && listed(found.harmful),
  };
}

function refuse(error: Error): never {
  if (error instanceof ExplainBusyError) throw new AnswerError(503, "busy", error.message);
  if (error.name === "IndexMismatchError" || isStoreError(error, "blob-missing"))
    throw new AnswerError(503, "explain-index-damaged", error.message);
  throw error;
}
