/** Datanets over HTTP: which there are, and what each asks of rows and contributors. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { failures, json, signingOf } from "../answers.ts";
import { licenses } from "../licenses.ts";
import {
  addressText,
  countText,
  datanetJson,
  datanetOut,
  datanetParams,
  idText,
  licenseOut,
  rulesOut,
  signingOut,
  stakeOut,
} from "../schemas.ts";
import type { Datanets } from "../service.ts";

const tags = ["Datanets"];

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
  stake: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/contributors/{contributor}/stake",
    tags,
    summary: "What stake a Datanet asks of its contributors, and what one of them has",
    request: { params: datanetParams.extend({ contributor: addressText }) },
    responses: { 200: json(stakeOut, "Both, in wei"), ...failures },
  }),
};

export function mountDatanets(app: OpenAPIHono, service: Datanets): void {
  const signing = signingOf(service);
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
}
