/** Releases over HTTP. Reading is open; which one a name serves is the operator's. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { etag } from "hono/etag";
import {
  calibrationOf,
  type Digest,
  describeCalibration,
  digestSchema,
  releaseStanding,
  toHex,
} from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { diffReleases } from "./release-diff.ts";
import type { Release } from "./releases.ts";
import { failures, json, roomApp, tags } from "./route-parts.ts";
import { diffOut, givenOut, indexOut, releaseOut, reportOut, servedOut, versionsOut } from "./schemas.ts";
import type { ModelFactory } from "./service.ts";

const releaseParams = z.object({ release: z.string().min(1).max(128) });

const routes = {
  release: createRoute({
    method: "get",
    path: "/v1/releases/{release}",
    tags,
    summary: "A release by id, or a model's newest",
    request: { params: releaseParams },
    responses: { 200: json(releaseOut, "Manifest, signature and file digests"), ...failures },
  }),
  evaluation: createRoute({
    method: "get",
    path: "/v1/releases/{release}/evaluation",
    tags,
    summary: "Base against tuned, as it was found before the release was made",
    request: { params: releaseParams },
    responses: { 200: json(reportOut, "The report, in millionths"), ...failures },
  }),
  contributors: createRoute({
    method: "get",
    path: "/v1/releases/{release}/contributors",
    tags,
    summary: "Whose examples a release was trained on, and how many of each, most first",
    request: { params: releaseParams },
    responses: { 200: json(givenOut, "Contributors and their examples"), ...failures },
  }),
  versions: createRoute({
    method: "get",
    path: "/v1/releases/{release}/versions",
    tags,
    summary: "A model's releases, newest first: parent, successor, and which one its name serves",
    request: { params: releaseParams },
    responses: { 200: json(versionsOut, "The releases"), ...failures },
  }),
  diff: createRoute({
    method: "get",
    path: "/v1/releases/{release}/diff/{other}",
    tags,
    summary: "What two releases say differently, place by place of their manifests",
    request: { params: releaseParams.extend({ other: z.string().min(1).max(128) }) },
    responses: { 200: json(diffOut, "The differences"), ...failures },
  }),
  serve: createRoute({
    method: "post",
    path: "/v1/releases/{release}/serve",
    tags,
    summary:
      "Have a model's name serve one of its releases: the one before unless named, until its next release",
    request: {
      params: releaseParams,
      body: {
        required: true,
        content: { "application/json": { schema: z.strictObject({ releaseId: digestSchema.optional() }) } },
      },
    },
    responses: { 200: json(servedOut, "What it serves now, and what it served"), ...failures },
  }),
  index: createRoute({
    method: "get",
    path: "/v1/releases/{release}/index",
    tags,
    summary: "A release's pay index: every row, to recompute scores with",
    request: { params: releaseParams },
    responses: { 200: json(indexOut, "Contributors, then null rows, as hex"), ...failures },
  }),
};

type Withdrawn = Awaited<ReturnType<ModelFactory["withdrawnSince"]>>;
const releaseJson = (release: Release, attested: boolean | undefined, withdrawn: Withdrawn) => ({
  ...release,
  /** Rows of its versions that their contributors have taken back since. */
  withdrawn,
  object: "release" as const,
  calibration: describeCalibration(release.manifest),
  standing: releaseStanding(attested, undefined, calibrationOf(release.manifest).status !== "unmeasured"),
});

/**
 * @param guard lets only the operator through
 * @param attestedOf whether validators have attested a release's index
 */
export function releaseRoutes(
  service: ModelFactory,
  guard: MiddlewareHandler,
  attestedOf?: (releaseId: Digest) => Promise<boolean>,
): OpenAPIHono {
  const app = roomApp();
  const tagged = etag();
  const found = async (name: string): Promise<Release> => {
    const release = await service.findRelease(name);
    if (release === undefined)
      throw new ModelFactoryError(
        "unknown-release",
        `There is no model or release "${name}" here. GET /v1/models lists them.`,
      );
    return release;
  };

  app.openapi({ ...routes.release, middleware: [tagged] }, async (context) => {
    const release = await found(context.req.valid("param").release);
    const withdrawn = await service.withdrawnSince(release);
    return context.json(releaseJson(release, await attestedOf?.(release.id), withdrawn), 200);
  });
  app.openapi({ ...routes.evaluation, middleware: [tagged] }, async (context) => {
    const release = await found(context.req.valid("param").release);
    const report = await service.releaseReport(release);
    if (report !== undefined) return context.json(report, 200);
    throw new ModelFactoryError("unknown-report", `Release ${release.id} names no report of an evaluation.`);
  });
  app.openapi({ ...routes.contributors, middleware: [tagged] }, async (context) => {
    const release = await found(context.req.valid("param").release);
    return context.json({ release: release.id, contributors: await service.givenTo(release) }, 200);
  });
  app.openapi({ ...routes.versions, middleware: [tagged] }, async (context) =>
    context.json(
      { object: "list" as const, data: await service.versions(context.req.valid("param").release) },
      200,
    ),
  );
  app.openapi({ ...routes.diff, middleware: [tagged] }, async (context) => {
    const names = context.req.valid("param");
    const [before, after] = [await found(names.release), await found(names.other)];
    const differences = diffReleases(before.manifest, after.manifest);
    return context.json({ before: before.id, after: after.id, differences }, 200);
  });
  app.openapi({ ...routes.serve, middleware: [guard] }, async (context) => {
    const { releaseId } = context.req.valid("json");
    const { release: model } = context.req.valid("param");
    const { serves, served } = await service.serve(model, releaseId as Digest | undefined);
    return context.json({ model, serves: serves.id, served: served.id }, 200);
  });
  app.openapi({ ...routes.index, middleware: [tagged] }, async (context) => {
    const { id, manifest } = await found(context.req.valid("param").release);
    const { rows, release } = await service.releaseIndex(digestSchema.parse(id) as Digest);
    return context.json(
      {
        release: id,
        k: manifest.index.k,
        contributors: release.contributors,
        rows: rows.map((row) => toHex(row)),
      },
      200,
    );
  });
  return app;
}
