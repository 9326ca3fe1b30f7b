/** Contributions over HTTP: what would become of rows, giving them, what became of them. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { addressOf, createShares, type Shares } from "../../chain/index.ts";
import { examplesDigest } from "../../protocol/index.ts";
import { askedBy, passOf } from "../access/routes.ts";
import { failures, json, jsonBody, signingOf } from "../answers.ts";
import { rowStatuses } from "../checks/index.ts";
import { editsMax } from "../curation/edits.ts";
import { DatanetError } from "../errors.ts";
import { progressOf, toldLineByLine } from "../progress.ts";
import { firstReportPage, reportRowsMax } from "../report.ts";
import {
  addressText,
  countText,
  datanetParams,
  digestText,
  previewOut,
  reasonsJson,
  reportJson,
  reportOut,
  signatureText,
  splitText,
} from "../schemas.ts";
import type { Datanets } from "../service.ts";

/** Described without Zod: the framework would take "jsonl" for JSON and read it whole, and here it is read as it arrives. */
const jsonLinesBody = {
  schema: {
    type: "string" as const,
    example: '{"prompt":"Mirel Dosan works as a","completion":" baker."}\n',
  },
};
const jsonLines = {
  description: "JSON Lines: one example a line, either messages or prompt and completion",
  required: true,
  content: {
    "application/jsonl": jsonLinesBody,
    "application/x-ndjson": jsonLinesBody,
    "application/octet-stream": jsonLinesBody,
    "text/plain": jsonLinesBody,
  },
};
const tags = ["Datanets"];
const contributionParams = z.object({ contributionId: countText(1, Number.MAX_SAFE_INTEGER, "1") });

const uploadQuery = {
  split: splitText.default("train"),
  mask: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true")
    .openapi({ type: "boolean", description: "Mask personal data before rows are digested" }),
  sourceLicense: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .openapi({ example: "CC-BY-4.0", description: "SPDX expression of the licence the texts come under" }),
};

const routes = {
  preview: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/preview",
    tags,
    summary: "What would become of each row, and what to sign; stores nothing",
    description: `Where the Datanet's texts are gated, rows are compared with it for who shows a pass in \`authorization: Bearer …\`; for others with each other only, and \`comparedWith\` is \`upload\`. ${toldLineByLine}`,
    request: { params: datanetParams, query: z.object(uploadQuery), body: jsonLines },
    responses: { 200: json(previewOut, "The preview"), ...failures },
  }),
  contribute: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/contributions",
    tags,
    summary: "Contribute examples under a signed consent",
    description: toldLineByLine,
    request: {
      params: datanetParams,
      query: z.object({
        contributor: addressText,
        examplesDigest: digestText,
        exampleCount: countText(1, 0xffff_ffff, "700"),
        license: z.string().min(1).max(64).openapi({ example: "CC0-1.0" }),
        signedAt: countText(0, Number.MAX_SAFE_INTEGER, "1790000000"),
        salt: digestText
          .optional()
          .openapi({ description: "Of the commitment on chain, where curators review" }),
        signature: signatureText,
        ...uploadQuery,
      }),
      body: jsonLines,
    },
    responses: { 201: json(reportOut, "What became of the rows: of the first 100, each"), ...failures },
  }),
  contribution: createRoute({
    method: "get",
    path: "/v1/contributions/{contributionId}",
    tags,
    summary: "What became of a contribution's rows: how many of each, and a page of them",
    description:
      "Where rows came from, their digests and texts, what exactly was found in them and what curators would have instead are told to who may read the Datanet's texts, and to who gave the rows: where texts are gated, with a pass in `authorization: Bearer …`.",
    request: {
      params: contributionParams,
      query: z.object({
        status: z
          .enum([...rowStatuses, "withdrawn", "proposed", "noted"])
          .optional()
          .openapi({
            description:
              "`proposed`: those that curators would have otherwise, and that were not exchanged yet; `noted`: those of which more is said than that they count or wait, what was turned down first",
          }),
        offset: countText(0, 0xffff_ffff, "0").default(firstReportPage.offset),
        limit: countText(1, reportRowsMax, "100").default(firstReportPage.limit),
      }),
    },
    responses: { 200: json(reportOut, "The report"), ...failures },
  }),
  edits: createRoute({
    method: "post",
    path: "/v1/contributions/{contributionId}/edits",
    tags,
    summary: "Take texts that curators proposed in place of rows, under the contributor's consent to them",
    request: {
      params: contributionParams,
      body: jsonBody(
        z
          .strictObject({
            contributor: addressText,
            /** In the order signed: the consent is to the digests' `examplesDigest`. */
            edits: z
              .array(z.strictObject({ line: z.int().min(1), digest: digestText }))
              .min(1)
              .max(editsMax),
            license: z.string().min(1).max(64),
            signedAt: z.int().min(0),
            signature: signatureText,
          })
          .openapi("AcceptedEdits"),
      ),
    },
    responses: { 201: json(reportOut, "What became of them: of the first 100, each"), ...failures },
  }),
};

/** @param guard lets the operator through, who reads everything */
export function mountContributions(
  app: OpenAPIHono,
  service: Datanets,
  guard: MiddlewareHandler | undefined,
): void {
  const signing = signingOf(service);
  const { totalBytesMax } = service.limits;
  const held = createShares({ all: 3 * totalBytesMax, ofOne: 1.5 * totalBytesMax });
  app.openapi(routes.preview, async (context) => {
    const { datanetId } = context.req.valid("param");
    using body = heldBody(context, held);
    const alone = !(await service.access.mayRead(datanetId, { pass: passOf(context) }));
    const preview = await service.preview(datanetId, body.chunks, {
      ...{ ...context.req.valid("query"), alone },
      onProgress: progressOf(context),
    });
    const rows = preview.rows.map((row) => ({ ...row, reasons: reasonsJson(row) }));
    return context.json({ ...preview, rows, datanetId: datanetId.toString(), signing }, 200);
  });
  app.openapi(routes.contribute, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { signature, signedAt, split, mask, sourceLicense, salt, ...terms } = context.req.valid("query");
    const consent = { ...terms, datanetId, signedAt: BigInt(signedAt) };
    const onProgress = progressOf(context);
    using body = heldBody(context, held);
    const upload = { split, mask, sourceLicense, salt, chunks: body.chunks, onProgress };
    const report = await service.contribute({ ...upload, consent, signature });
    return context.json(reportJson(report, { texts: true }), 201);
  });
  app.openapi(routes.contribution, async (context) => {
    const { contributionId } = context.req.valid("param");
    const report = await service.getContribution(contributionId, context.req.valid("query"));
    const texts = await service.access.mayReadOf(report, await askedBy(context, guard));
    return context.json(reportJson(report, { texts }), 200);
  });
  app.openapi(routes.edits, async (context) => {
    const { contributionId } = context.req.valid("param");
    const { contributor, edits, license, signedAt, signature } = context.req.valid("json");
    const digest = examplesDigest(edits.map((edit) => edit.digest));
    const consent = { contributor, examplesDigest: digest, exampleCount: edits.length, license };
    const report = await service.acceptEdits({
      ...{ contributionId, contributor, edits, signature },
      consent: { ...consent, signedAt: BigInt(signedAt) },
    });
    return context.json(reportJson(report, { texts: true }), 201);
  });
}

/**
 * A body that is held in memory until what was asked is answered, of which there is only so much: an upload of the largest size takes a gigabyte once it is
 * read, and a client may send any number of them as slowly as it likes.
 */
function heldBody(
  context: Context,
  held: Shares,
): { readonly chunks: AsyncIterable<Uint8Array> } & Disposable {
  const address = addressOf(context.env);
  let bytes = 0;
  return {
    chunks: (async function* () {
      for await (const chunk of context.req.raw.body ?? []) {
        const taken = held.take(address, chunk.length);
        if (taken !== "taken")
          throw new DatanetError(
            "too-many-uploads",
            `${taken === "own" ? "What you send at the same time" : "What is sent to this node at the moment"} is more than it holds in memory. Nothing of this upload was stored. Send it again in a minute.`,
          );
        bytes += chunk.length;
        yield chunk;
      }
    })(),
    [Symbol.dispose]: () => held.give(address, bytes),
  };
}
