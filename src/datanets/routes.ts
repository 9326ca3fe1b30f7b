import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Account } from "viem";
import { canonicalJson, examplesDigest } from "../protocol/index.ts";
import { askedBy, mountAccess } from "./access/routes.ts";
import { asItWas, failures, json, jsonBody, unchanged } from "./answers.ts";
import { askNode } from "./ask-node.ts";
import { rulesSchema } from "./checks/index.ts";
import { mountContributors } from "./contributors-routes.ts";
import { mountConvert } from "./convert-route.ts";
import { editsMax } from "./curation/edits.ts";
import { mountCuration } from "./curation/routes.ts";
import { mountElections } from "./elections/routes.ts";
import { DatanetError, type DatanetErrorCode } from "./errors.ts";
import { exportNames } from "./export/index.ts";
import { licenses } from "./licenses.ts";
import { mountProgress, progressOf } from "./progress.ts";
import { rowsPage } from "./rows-page.ts";
import {
  addressText,
  countText,
  datanetJson,
  datanetOut,
  digestText,
  idText,
  licenseOut,
  previewOut,
  reasonsJson,
  reportJson,
  reportOut,
  rulesOut,
  signatureText,
  signingOut,
  splitText,
  stakeOut,
  versionDiffOut,
  versionJson,
  versionOut,
  versionRowsOut,
  withdrawalOut,
  withdrawnRowsOut,
} from "./schemas.ts";
import type { Datanets } from "./service.ts";
import { withdrawnMax } from "./withdrawal.ts";

export type DatanetRoutesOptions = {
  /**
   * The node's own account and who may use it over HTTP: creating and publishing is done in its name. Without it those two
   * routes do not exist; contributing and reading always do.
   */
  readonly operator?: { readonly account: Account; readonly guard: MiddlewareHandler };
};

const statusOf: Record<DatanetErrorCode, 400 | 403 | 404 | 409 | 413 | 429 | 503> = {
  "malformed-upload": 400,
  "too-large": 413,
  "empty-upload": 400,
  "unknown-license": 400,
  "unknown-datanet": 404,
  "unknown-contribution": 404,
  "unknown-row": 404,
  "unknown-version": 404,
  "consent-mismatch": 400,
  "consent-forged": 403,
  "consent-replayed": 409,
  "withdrawal-forged": 403,
  "withdrawal-mismatch": 400,
  "unknown-example": 404,
  "stake-needed": 403,
  "not-owner": 403,
  "nothing-to-publish": 409,
  "chain-conflict": 409,
  "unknown-election": 404,
  "election-refused": 409,
  "vote-forged": 403,
  "not-curator": 403,
  "no-proposal": 404,
  "not-pending": 409,
  "not-committed": 409,
  "access-forged": 403,
  "access-mismatch": 400,
  "access-needed": 403,
  "readers-full": 429,
  "unknown-reader": 404,
  "unknown-token": 400,
  "texts-sealed": 503,
  "bad-import": 409,
  "imported-datanet": 409,
};

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
const datanetParams = z.object({ datanetId: idText });
const versionParams = z.object({ datanetId: idText, version: countText(1, 0xffff_ffff, "1") });
const rowsPerPageMax = 500;
/** Thousands of rows take longer than some clients wait for an answer's beginning. */
const toldLineByLine =
  "With `Accept: application/x-ndjson` the answer begins at once: lines of `{progress: {stage, done, of}}`, then `{status, answer}`, what is answered otherwise.";

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
  licenses: createRoute({
    method: "get",
    path: "/v1/licenses",
    tags,
    summary: "Licences a Datanet may carry",
    responses: { 200: json(z.object({ licenses: z.array(licenseOut) }), "The licences") },
  }),
  list: createRoute({
    method: "get",
    path: "/v1/datanets",
    tags,
    summary: "List Datanets, newest first",
    request: { query: z.object({ before: idText.optional(), limit: countText(1, 100, "20").optional() }) },
    responses: {
      200: json(z.object({ datanets: z.array(datanetOut), signing: signingOut }), "A page"),
      400: failures[400],
    },
  }),
  create: createRoute({
    method: "post",
    path: "/v1/datanets",
    tags,
    summary: "Create a Datanet owned by this node's operator",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z
              .strictObject({
                name: z.string().trim().min(1).max(120),
                description: z.string().trim().max(4_000).default(""),
                domain: z.string().trim().min(1).max(120),
                license: z.string().openapi({ example: "CC0-1.0" }),
              })
              .openapi("NewDatanet"),
          },
        },
      },
    },
    responses: { 200: json(datanetOut, "It exists already"), 201: json(datanetOut, "Created"), ...failures },
  }),
  get: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}",
    tags,
    summary: "A Datanet",
    request: { params: datanetParams },
    responses: { 200: json(datanetOut.extend({ signing: signingOut }), "The Datanet"), ...failures },
  }),
  rules: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/rules",
    tags,
    summary: "What a Datanet asks of its rows",
    request: { params: datanetParams },
    responses: { 200: json(rulesOut, "The rules"), ...failures },
  }),
  setRules: createRoute({
    method: "put",
    path: "/v1/datanets/{datanetId}/rules",
    tags,
    summary: "Set what a Datanet of this node's operator asks of its rows, from the next contribution on",
    request: {
      params: datanetParams,
      body: { required: true, content: { "application/json": { schema: rulesSchema } } },
    },
    responses: { 200: json(rulesOut, "The rules as they hold now"), ...failures },
  }),
  stake: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/contributors/{contributor}/stake",
    tags,
    summary: "What stake a Datanet asks of its contributors, and what one of them has",
    request: { params: datanetParams.extend({ contributor: addressText }) },
    responses: { 200: json(stakeOut, "Both, in wei"), ...failures },
  }),
  preview: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/preview",
    tags,
    summary: "What would become of each row, and what to sign; stores nothing",
    description: toldLineByLine,
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
    responses: { 201: json(reportOut, "What became of each row"), ...failures },
  }),
  contribution: createRoute({
    method: "get",
    path: "/v1/contributions/{contributionId}",
    tags,
    summary: "What became of a contribution's rows",
    request: { params: z.object({ contributionId: countText(1, Number.MAX_SAFE_INTEGER, "1") }) },
    responses: { 200: json(reportOut, "The report"), ...failures },
  }),
  edits: createRoute({
    method: "post",
    path: "/v1/contributions/{contributionId}/edits",
    tags,
    summary: "Take texts that curators proposed in place of rows, under the contributor's consent to them",
    request: {
      params: z.object({ contributionId: countText(1, Number.MAX_SAFE_INTEGER, "1") }),
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
    responses: { 201: json(reportOut, "What became of each of them"), ...failures },
  }),
  publish: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/versions",
    tags,
    summary: "Publish what has been accepted so far as a version, as this node's operator",
    request: { params: datanetParams },
    responses: {
      200: json(versionOut, "It is published already"),
      201: json(versionOut, "Published"),
      ...failures,
    },
  }),
  imports: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/versions/{version}/import",
    tags,
    summary: "Keep a copy of a version that another node gives, checked row by row against the chain",
    request: {
      params: versionParams,
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z
              .strictObject({ from: z.url().max(2_048).openapi({ example: "https://node.example" }) })
              .openapi("VersionImport"),
          },
        },
      },
    },
    responses: {
      200: json(versionOut, "It is here already"),
      201: json(versionOut, "Imported"),
      ...failures,
    },
  }),
  versions: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions",
    tags,
    summary: "A Datanet's versions, newest first",
    request: { params: datanetParams },
    responses: { 200: json(z.object({ versions: z.array(versionOut) }), "The versions"), ...failures },
  }),
  version: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}",
    tags,
    summary: "A version",
    request: { params: versionParams },
    responses: { 200: json(versionOut, "The version"), ...unchanged, ...failures },
  }),
  manifest: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/manifest",
    tags,
    summary: "A version's manifest, byte for byte: its Keccak-256 is the manifest digest",
    request: { params: versionParams },
    responses: { 200: json(z.unknown(), "The manifest"), ...unchanged, ...failures },
  }),
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
      }),
    },
    responses: { 200: json(versionRowsOut, "A page of rows"), ...failures },
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
  withdrawn: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/withdrawn",
    tags,
    summary: "Rows of a version that their contributors have taken back since",
    request: { params: versionParams },
    responses: { 200: json(withdrawnRowsOut, "The rows"), ...failures },
  }),
  withdraw: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/withdrawals",
    tags,
    summary: "Take examples back, with their contributor's signature: later versions leave them out",
    request: {
      params: datanetParams,
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z
              .strictObject({
                contributor: addressText,
                digests: z.array(digestText).min(1).max(withdrawnMax),
                signedAt: z.int().min(0),
                signature: signatureText,
              })
              .openapi("NewWithdrawal"),
          },
        },
      },
    },
    responses: { 200: json(withdrawalOut, "What was taken back"), ...failures },
  }),
};

/** The room's HTTP routes, with their OpenAPI description. Reads are open; a contribution carries its contributor's signature. */
export function datanetRoutes(service: Datanets, options: DatanetRoutesOptions = {}): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      const [issue] = result.error.issues;
      const place = issue && issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
      return failure(context, 400, "invalid-request", `${place}${issue?.message ?? "not valid"}`);
    },
  });
  app.onError((error, context) => {
    if (error instanceof HTTPException && error.status === 415) {
      const sent = context.req.header("content-type") ?? "no type";
      const message = `The body is sent as ${sent}; expected application/json, or application/jsonl for examples.`;
      return failure(context, 415, "unsupported-media-type", message);
    }
    if (!(error instanceof DatanetError)) throw error;
    return failure(context, statusOf[error.code], error.code, error.message, error.details);
  });
  const { chainId, verifyingContract } = service.registry.domain;
  const signing = { chainId, verifyingContract };

  mountProgress(app, ["/v1/datanets/:datanetId/preview", "/v1/datanets/:datanetId/contributions"]);
  app.openapi(routes.licenses, (context) => context.json({ licenses: [...licenses] }, 200));
  app.openapi(routes.list, async (context) => {
    const { before, limit = 20 } = context.req.valid("query");
    const found = await service.list(before === undefined ? { limit } : { before, limit });
    return context.json({ datanets: found.map(datanetJson), signing }, 200);
  });
  app.openapi(routes.get, async (context) => {
    const datanet = await service.get(context.req.valid("param").datanetId);
    return context.json({ ...datanetJson(datanet), signing }, 200);
  });
  app.openapi(routes.rules, async (context) =>
    context.json(await service.getRules(context.req.valid("param").datanetId), 200),
  );
  app.openapi(routes.stake, async (context) => {
    const { datanetId, contributor } = context.req.valid("param");
    const { neededWei, bondedWei } = await service.stakeOf(datanetId, contributor);
    const mayContribute = bondedWei >= neededWei;
    const said = { contributor, neededWei: neededWei.toString(), bondedWei: bondedWei.toString() };
    return context.json({ ...said, mayContribute }, 200);
  });
  mountContributors(app, service);
  mountConvert(app);
  app.openapi(routes.preview, async (context) => {
    const { datanetId } = context.req.valid("param");
    const preview = await service.preview(datanetId, bodyOf(context), {
      ...context.req.valid("query"),
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
    const upload = { split, mask, sourceLicense, salt, chunks: bodyOf(context), onProgress };
    const report = await service.contribute({ ...upload, consent, signature });
    return context.json(reportJson(report), 201);
  });
  app.openapi(routes.contribution, async (context) =>
    context.json(reportJson(await service.getContribution(context.req.valid("param").contributionId)), 200),
  );
  app.openapi(routes.edits, async (context) => {
    const { contributionId } = context.req.valid("param");
    const { contributor, edits, license, signedAt, signature } = context.req.valid("json");
    const digest = examplesDigest(edits.map((edit) => edit.digest));
    const consent = { contributor, examplesDigest: digest, exampleCount: edits.length, license };
    const report = await service.acceptEdits({
      ...{ contributionId, contributor, edits, signature },
      consent: { ...consent, signedAt: BigInt(signedAt) },
    });
    return context.json(reportJson(report), 201);
  });
  app.openapi(routes.versions, async (context) => {
    const versions = await service.listVersions(context.req.valid("param").datanetId);
    return context.json({ versions: versions.map(versionJson) }, 200);
  });
  app.openapi(routes.version, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const summary = await service.getVersionSummary(datanetId, version);
    const same = asItWas(context, summary.manifestDigest);
    return same === undefined ? context.json(versionJson(summary), 200) : (same as never);
  });
  app.openapi(routes.manifest, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const same = asItWas(context, (await service.getVersionSummary(datanetId, version)).manifestDigest);
    if (same !== undefined) return same as never;
    const { manifest } = await service.getVersion(datanetId, version);
    return context.body(canonicalJson(manifest), 200, { "content-type": "application/json" }) as never;
  });
  const read = async (context: Context, datanetId: bigint, version: number, what: string) =>
    service.access.read({ datanetId, version, what }, await askedBy(context, options.operator?.guard));
  app.openapi(routes.rows, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    await read(context, datanetId, version, "rows");
    const query = context.req.valid("query");
    const content = await service.getVersion(datanetId, version);
    const head = { datanetId: datanetId.toString(), version, split: query.split, root: content.root };
    return context.json({ ...head, ...(await rowsPage(content, query)) }, 200);
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
  app.openapi(routes.withdrawn, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    return context.json({ rows: await service.withdrawnRows(datanetId, version) }, 200);
  });
  app.openapi(routes.withdraw, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { contributor, digests, signedAt, signature } = context.req.valid("json");
    const withdrawal = {
      ...{ datanetId, contributor, examplesDigest: examplesDigest(digests) },
      ...{ exampleCount: digests.length, signedAt: BigInt(signedAt) },
    };
    const report = await service.withdraw({ withdrawal, signature, digests });
    return context.json({ ...report, datanetId: datanetId.toString() }, 200);
  });
  mountAccess(app, service.access, options.operator?.guard);
  mountCuration(app, service, options.operator);
  mountElections(app, service.voting, options.operator);
  if (options.operator) mountOperator(app, service, options.operator);
  return app;
}

function mountOperator(
  app: OpenAPIHono,
  service: Datanets,
  { account, guard }: NonNullable<DatanetRoutesOptions["operator"]>,
): void {
  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const { created, ...datanet } = await service.create(account, context.req.valid("json"));
    return context.json(datanetJson(datanet), created ? 201 : 200);
  });
  app.openapi({ ...routes.setRules, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    return context.json(await service.setRules(account, datanetId, context.req.valid("json")), 200);
  });
  app.openapi({ ...routes.publish, middleware: [guard] }, async (context) => {
    const { created, ...summary } = await service.publishVersion(
      context.req.valid("param").datanetId,
      account,
    );
    return context.json(versionJson(summary), created ? 201 : 200);
  });
  app.openapi({ ...routes.imports, middleware: [guard] }, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const ask = askNode(context.req.valid("json").from);
    const { created, ...summary } = await service.importVersion(ask, datanetId, version);
    return context.json(versionJson(summary), created ? 201 : 200);
  });
}

function bodyOf(context: Context): AsyncIterable<Uint8Array> {
  return context.req.raw.body ?? (async function* () {})();
}

function failure(
  context: Context,
  status: 400 | 403 | 404 | 409 | 413 | 415 | 429 | 503,
  code: string,
  message: string,
  details: Readonly<Record<string, string | number>> = {},
) {
  return context.json({ error: { code, message, details } }, status);
}
