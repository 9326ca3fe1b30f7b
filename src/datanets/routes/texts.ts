/** Texts of a version over HTTP: its rows, what it does not share with another, and the files it is had as. Reads are asked for and counted. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { askedBy } from "../access/routes.ts";
import { asItWas, failures, json, unchanged } from "../answers.ts";
import { exportNames } from "../export/index.ts";
import {
  addressText,
  countText,
  histogramsOut,
  splitText,
  versionDiffOut,
  versionParams,
  versionRowsOut,
} from "../schemas.ts";
import type { Datanets } from "../service.ts";

const tags = ["Datanets"];
const rowsPerPageMax = 500;

const routes = {
  rows: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/rows",
    tags,
    summary: "Rows of a version with their texts and proofs",
    request: {
      params: versionParams,
      query: z.object({
        split: splitText.default("train"),
        offset: countText(0, 0xffff_ffff, "0").default(0),
        limit: countText(1, rowsPerPageMax, "100").default(100),
        search: z.string().max(200).optional().openapi({
          description:
            "What a row's text holds, in any case, or a row's digest; `total` counts what is found",
        }),
        contributor: addressText.optional(),
        minTokens: countText(0, 0xffff_ffff, "8").optional(),
        maxTokens: countText(0, 0xffff_ffff, "64").optional(),
        language: z
          .string()
          .regex(/^([a-z]{2}|unknown)$/, "expected a language of two letters, or unknown")
          .optional()
          .openapi({ example: "en", description: "ISO 639-1; `unknown` for what cannot be told" }),
        standing: z
          .enum(["counts", "withdrawn"])
          .optional()
          .openapi({ description: "Rows that were taken back since, or the others" }),
      }),
    },
    responses: { 200: json(versionRowsOut, "A page of rows"), ...failures },
  }),
  histograms: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/histograms",
    tags,
    summary: "How a version's rows are spread by length in tokens, language and contributor",
    description:
      "Computed once a version, for its first 100,000 rows and 64 million characters: `looked` of `total`. Rows are asked for by the same bounds.",
    request: { params: versionParams, query: z.object({ split: splitText.default("train") }) },
    responses: { 200: json(histogramsOut, "The bars"), ...failures },
  }),
  diff: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/diff",
    tags,
    summary: "What a version does not share with another, by default the one before it",
    request: {
      params: versionParams,
      query: z.object({
        from: countText(0, 0xffff_ffff, "1").optional(),
        offset: countText(0, 0xffff_ffff, "0").default(0),
        limit: countText(1, rowsPerPageMax, "100").default(100),
      }),
    },
    responses: { 200: json(versionDiffOut, "How many rows differ, and a page of them"), ...failures },
  }),
  file: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/files/{name}",
    tags,
    summary: "A version as JSON Lines or Parquet, described as Croissant 1.1 or by a dataset card",
    request: { params: versionParams.extend({ name: z.enum(exportNames) }) },
    responses: {
      200: { content: { "application/octet-stream": { schema: z.string() } }, description: "The file" },
      ...unchanged,
      ...failures,
    },
  }),
};

/** @param guard lets the operator through, who reads everything */
export function mountTexts(app: OpenAPIHono, service: Datanets, guard: MiddlewareHandler | undefined): void {
  const read = async (context: Context, datanetId: bigint, version: number, what: string) =>
    service.access.read({ datanetId, version, what }, await askedBy(context, guard));
  app.openapi(routes.rows, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    await read(context, datanetId, version, "rows");
    const query = context.req.valid("query");
    const head = { datanetId: datanetId.toString(), version, split: query.split };
    return context.json({ ...head, ...(await service.rows(datanetId, version, query)) }, 200);
  });
  app.openapi(routes.histograms, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const { split } = context.req.valid("query");
    await read(context, datanetId, version, "histograms");
    const found = await service.histograms(datanetId, version, split);
    const [tokens, languages, contributors] = [
      [...found.tokens],
      [...found.languages],
      [...found.contributors],
    ];
    const head = { datanetId: datanetId.toString(), version, split };
    return context.json({ ...head, ...found, tokens, languages, contributors }, 200);
  });
  app.openapi(routes.diff, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const { from = version - 1, offset, limit } = context.req.valid("query");
    await read(context, datanetId, version, "diff");
    const { rows, ...counts } = await service.diff(datanetId, from, version);
    const head = { datanetId: datanetId.toString(), from, to: version };
    return context.json({ ...head, ...counts, rows: rows.slice(offset, offset + limit) }, 200);
  });
  app.openapi(routes.file, async (context) => {
    const { datanetId, version, name } = context.req.valid("param");
    const url = new URL(context.req.url);
    const at = `${url.origin}${url.pathname.slice(0, -`/${name}`.length)}`;
    if (name.startsWith("rows.")) {
      await read(context, datanetId, version, name);
      const { manifestDigest } = await service.getVersionSummary(datanetId, version);
      // Descriptions tell what was taken back since, and change.
      const same = asItWas(context, `${manifestDigest}/${name}`);
      if (same !== undefined) return same as never;
    }
    const { mediaType, bytes } = await service.exportVersion(datanetId, version, name, at);
    return context.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      "content-type": mediaType,
      "content-disposition": `attachment; filename="${name}"`,
      "x-content-type-options": "nosniff",
    }) as never;
  });
}
