/** What became of a Datanet: the releases trained on it, what they took in, and what its contributors have of that. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { DatanetError, type Datanets } from "../datanets/index.ts";
import type { ModelFactory } from "../modelfactory/index.ts";
import { decimalSchema, digestSchema } from "../protocol/index.ts";
import type { Settlement } from "../settlement/index.ts";

type Services = {
  readonly datanets: Pick<Datanets, "get" | "contributors">;
  readonly modelFactory: Pick<ModelFactory, "releasesUsing">;
  readonly settlement: Pick<Settlement, "income" | "paidBy">;
};

const listed = 200;
const wei = decimalSchema;
const usesOut = z
  .object({
    releases: z.array(
      z.object({
        releaseId: digestSchema,
        model: z.string(),
        version: z.int(),
        createdAtMs: z.number(),
        answers: z.int(),
        feesWei: wei,
      }),
    ),
    earned: z.array(z.object({ contributor: z.string(), wei })).openapi({
      description: "What those releases' answers gave to contributors of the most rows, settled or not",
    }),
  })
  .openapi("DatanetUses");

const route = createRoute({
  method: "get",
  path: "/v1/datanets/{datanetId}/uses",
  tags: ["Datanets"],
  summary:
    "Releases trained on a Datanet, newest first, what they took in, and what its contributors have of that",
  request: { params: z.object({ datanetId: decimalSchema }) },
  responses: {
    200: { content: { "application/json": { schema: usesOut } }, description: "The newest 200 releases" },
    404: { description: "There is no such Datanet here" },
  },
});

export function usesRoutes({ datanets, modelFactory, settlement }: Services): OpenAPIHono {
  const app = new OpenAPIHono();
  app.onError((error, context) => {
    if (!(error instanceof DatanetError)) throw error;
    return context.json({ error: { code: error.code, message: error.message } }, 404);
  });
  app.openapi(route, async (context) => {
    const datanetId = BigInt(context.req.valid("param").datanetId);
    await datanets.get(datanetId);
    const uses = await modelFactory.releasesUsing(datanetId, listed);
    const contributors = await datanets.contributors(datanetId, { offset: 0, limit: listed });
    const ids = [...new Set(uses.map(({ id }) => id))];
    const [income, paid] = await Promise.all([
      settlement.income(ids),
      settlement.paidBy(
        ids,
        contributors.map(({ contributor }) => contributor),
      ),
    ]);
    const releases = uses.map(({ id, ...use }) => {
      const { receipts = 0, feesWei = 0n } = income.find(({ releaseId }) => releaseId === id) ?? {};
      return { releaseId: id, ...use, answers: receipts, feesWei: feesWei.toString() };
    });
    const earned = paid.map(({ payee, wei }) => ({ contributor: payee, wei: wei.toString() }));
    return context.json({ releases, earned }, 200);
  });
  return app;
}
