/** What is done in the name of the node's operator: creating Datanets, setting their rules, publishing and importing versions. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { Account } from "viem";
import { toHex } from "../../protocol/index.ts";
import { passPrefix } from "../access/access.ts";
import { passOf } from "../access/routes.ts";
import { accessRuleSchema } from "../access/rule.ts";
import { failures, json } from "../answers.ts";
import { askNode } from "../ask-node.ts";
import { rulesSchema } from "../checks/index.ts";
import { progressOf, toldLineByLine } from "../progress.ts";
import {
  datanetJson,
  datanetOut,
  datanetParams,
  nextVersionOut,
  rulesOut,
  versionJson,
  versionOut,
  versionParams,
} from "../schemas.ts";
import type { Datanets } from "../service.ts";

const tags = ["Datanets"];

const routes = {
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
                access: accessRuleSchema
                  .optional()
                  .openapi({ description: "Who may read its texts: everybody, if it is not said" }),
              })
              .openapi("NewDatanet"),
          },
        },
      },
    },
    responses: { 200: json(datanetOut, "It exists already"), 201: json(datanetOut, "Created"), ...failures },
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
  next: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/next",
    tags,
    summary: "What a version published now would hold, and cost, as this node's operator",
    description: "With a curator's pass, too.",
    request: { params: datanetParams },
    responses: { 200: json(nextVersionOut, "Nothing is published by asking"), ...failures },
  }),
  publish: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/versions",
    tags,
    summary: "Publish what has been accepted so far as a version, as this node's operator",
    description: `With a curator's pass, named or elected, in \`authorization: Bearer …\` too: the operator signs the transaction, and a version says nothing of who asked for it. ${toldLineByLine}`,
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
};

/** The node's own account, and who may use it over HTTP. */
export type Operator = { readonly account: Account; readonly guard: MiddlewareHandler };

export function mountOperator(app: OpenAPIHono, service: Datanets, { account, guard }: Operator): void {
  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const { access, ...card } = context.req.valid("json");
    const { created, ...datanet } = await service.create(account, card, { access });
    return context.json(datanetJson(datanet), created ? 201 : 200);
  });
  app.openapi({ ...routes.setRules, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    return context.json(await service.setRules(account, datanetId, context.req.valid("json")), 200);
  });
  const operatorOrCurator: MiddlewareHandler = async (context, next) => {
    const pass = passOf(context);
    if (pass?.startsWith(passPrefix) !== true) return guard(context, next);
    const named = datanetParams.safeParse(context.req.param());
    // What is no number is refused by name, below.
    if (!named.success) return next();
    const { datanetId } = named.data;
    await service.curation.requireCurator(datanetId, await service.access.readerOf(datanetId, pass));
    return next();
  };
  app.openapi({ ...routes.next, middleware: [operatorOrCurator] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { cost, ...next } = await service.nextVersion(datanetId, toHex(account.address));
    const said = cost && { gas: cost.gas.toString(), feeWei: cost.feeWei.toString() };
    return context.json({ ...next, datanetId: datanetId.toString(), cost: said }, 200);
  });
  app.openapi({ ...routes.publish, middleware: [operatorOrCurator] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { created, ...summary } = await service.publishVersion(datanetId, account, progressOf(context));
    return context.json(versionJson(summary), created ? 201 : 200);
  });
  app.openapi({ ...routes.imports, middleware: [guard] }, async (context) => {
    const { datanetId, version } = context.req.valid("param");
    const ask = askNode(context.req.valid("json").from);
    const { created, ...summary } = await service.importVersion(ask, datanetId, version);
    return context.json(versionJson(summary), created ? 201 : 200);
  });
}
