/** Who gave what, over HTTP. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { failures, json } from "../answers.ts";
import type { ContributionSummary } from "../contributors.ts";
import { addressText, countText, idText, splitText } from "../schemas.ts";
import type { Datanets } from "../service.ts";

const tags = ["Datanets"];
const params = z.object({ datanetId: idText });

const contributorOut = z
  .object({
    contributor: z.string(),
    trainRows: z.number(),
    heldoutRows: z.number(),
    contributions: z.number(),
    lastAtMs: z.number(),
  })
  .openapi("Contributor");
const contributionOut = z
  .object({
    contributionId: z.number(),
    datanetId: z.string(),
    datanetName: z.string(),
    contributor: z.string(),
    split: splitText,
    license: z.string(),
    exampleCount: z.number(),
    accepted: z.number(),
    pending: z.number(),
    proposals: z.number(),
    recordedAtMs: z.number(),
  })
  .openapi("ContributionSummary");

const pageQuery = {
  before: countText(1, Number.MAX_SAFE_INTEGER, "7").optional(),
  limit: countText(1, 100, "20").default(20),
};

const routes = {
  contributors: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/contributors",
    tags,
    summary: "Contributors of rows that count, most rows first",
    request: {
      params,
      query: z.object({
        offset: countText(0, 0xffff_ffff, "0").default(0),
        limit: countText(1, 500, "100").default(100),
      }),
    },
    responses: { 200: json(z.object({ contributors: z.array(contributorOut) }), "A page"), ...failures },
  }),
  contributions: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/contributions",
    tags,
    summary: "Contributions to a Datanet, newest first: all, or one contributor's",
    request: {
      params,
      query: z.object({
        contributor: addressText.optional(),
        ...pageQuery,
      }),
    },
    responses: { 200: json(z.object({ contributions: z.array(contributionOut) }), "A page"), ...failures },
  }),
  contributionsOf: createRoute({
    method: "get",
    path: "/v1/contributions",
    tags,
    summary: "One contributor's contributions to all Datanets, newest first",
    request: {
      query: z.object({
        contributor: addressText,
        proposed: z
          .enum(["true", "false"])
          .default("false")
          .transform((text) => text === "true")
          .openapi({
            type: "boolean",
            description: "Those alone with rows that a curator would have otherwise, not exchanged yet",
          }),
        ...pageQuery,
      }),
    },
    responses: { 200: json(z.object({ contributions: z.array(contributionOut) }), "A page"), ...failures },
  }),
};

const withText = ({ datanetId, ...rest }: ContributionSummary) => ({
  ...rest,
  datanetId: datanetId.toString(),
});

export function mountContributors(app: OpenAPIHono, service: Datanets): void {
  app.openapi(routes.contributors, async (context) => {
    const { datanetId } = context.req.valid("param");
    const contributors = await service.contributors(datanetId, context.req.valid("query"));
    return context.json({ contributors }, 200);
  });
  app.openapi(routes.contributions, async (context) => {
    const { datanetId } = context.req.valid("param");
    const contributions = await service.contributions(datanetId, context.req.valid("query"));
    return context.json({ contributions: contributions.map(withText) }, 200);
  });
  app.openapi(routes.contributionsOf, async (context) => {
    const contributions = await service.contributions(undefined, context.req.valid("query"));
    return context.json({ contributions: contributions.map(withText) }, 200);
  });
}
