/** Versions over HTTP: what each consists of, without its texts. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { canonicalJson } from "../../protocol/index.ts";
import { asItWas, failures, json, unchanged } from "../answers.ts";
import { versionsMax } from "../publication.ts";
import { countText, datanetParams, versionJson, versionOut, versionParams } from "../schemas.ts";
import type { Datanets } from "../service.ts";

const tags = ["Datanets"];

const routes = {
  versions: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions",
    tags,
    summary: "A Datanet's versions, newest first",
    request: {
      params: datanetParams,
      query: z.object({
        before: countText(1, 0xffff_ffff, "21").optional(),
        limit: countText(1, versionsMax, "20").default(20),
      }),
    },
    responses: { 200: json(z.object({ versions: z.array(versionOut) }), "A page"), ...failures },
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
};

export function mountVersions(app: OpenAPIHono, service: Datanets): void {
  app.openapi(routes.versions, async (context) => {
    const { datanetId } = context.req.valid("param");
    const versions = await service.listVersions(datanetId, context.req.valid("query"));
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
}
