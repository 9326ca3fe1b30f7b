/** Withdrawals over HTTP: taking examples back, and which rows of a version were. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { examplesDigest } from "../../protocol/index.ts";
import { failures, json } from "../answers.ts";
import {
  addressText,
  countText,
  datanetParams,
  digestText,
  signatureText,
  versionParams,
  withdrawalOut,
  withdrawnRowsOut,
} from "../schemas.ts";
import type { Datanets } from "../service.ts";
import { withdrawnMax } from "../withdrawal.ts";

const tags = ["Datanets"];

const routes = {
  withdrawn: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/versions/{version}/withdrawn",
    tags,
    summary: "Rows of a version that their contributors have taken back since",
    request: {
      params: versionParams,
      query: z.object({
        offset: countText(0, 0xffff_ffff, "0").default(0),
        limit: countText(1, 500, "100").default(100),
      }),
    },
    responses: { 200: json(withdrawnRowsOut, "How many there are, and a page of them"), ...failures },
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

export function mountWithdrawals(app: OpenAPIHono, service: Datanets): void {
  app.openapi(routes.withdrawn, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const { offset, limit } = context.req.valid("query");
    const rows = await service.withdrawnRows(datanetId, version);
    return context.json({ total: rows.length, rows: rows.slice(offset, offset + limit) }, 200);
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
}
