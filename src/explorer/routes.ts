import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { ExplorerError } from "./errors.ts";
import {
  accountJson,
  accountOut,
  activityJson,
  activityOut,
  addressText,
  blockIdText,
  blockJson,
  blockMax,
  blockOut,
  blockText,
  contractDetailJson,
  contractDetailOut,
  contractJson,
  contractPlaceJson,
  contractPlaceText,
  contractsOut,
  contractText,
  countText,
  digestText,
  errorOut,
  eventJson,
  eventOut,
  hitOut,
  nameText,
  pageOut,
  searchText,
  summaryJson,
  summaryOut,
  transactionDetailOut,
  transactionJson,
  transactionOut,
} from "./schemas.ts";
import type { Explorer } from "./service.ts";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  404: json(errorOut, "There is no such thing in the index"),
};
const tags = ["Explorer"];
const perPageMax = 100;
const safe = Number.MAX_SAFE_INTEGER;

const page = {
  before: countText(0, safe, 7_340_032).optional(),
  limit: countText(1, perPageMax, 20).optional(),
};
const pageQuery = z.object(page);
const addressParams = z.object({ address: addressText });

const read = <path extends string, T extends z.ZodType, R extends object>(
  path: path,
  summary: string,
  schema: T,
  request: R,
) =>
  createRoute({
    method: "get",
    path: `/v1/explorer${path}` as const,
    tags,
    summary,
    request,
    responses: { 200: json(schema, "As of the last indexed block"), ...failures },
  });

const transactionsOut = pageOut("transactions", transactionOut);
const eventsOut = pageOut("events", eventOut);

const routes = {
  summary: read("/summary", "How far the index is, and what it holds", summaryOut, {}),
  blocks: read("/blocks", "List blocks, newest first", pageOut("blocks", blockOut), {
    query: z.object({ ...page, before: blockText.optional() }),
  }),
  block: read("/blocks/{block}", "A block by number or hash", blockOut, {
    params: z.object({ block: blockIdText }),
  }),
  blockTransactions: read(
    "/blocks/{block}/transactions",
    "A block's transactions, last first",
    transactionsOut,
    {
      params: z.object({ block: blockText }),
      query: pageQuery,
    },
  ),
  transactions: read("/transactions", "List transactions, newest first", transactionsOut, {
    query: pageQuery,
  }),
  transaction: read("/transactions/{hash}", "A transaction with its events", transactionDetailOut, {
    params: z.object({ hash: digestText }),
  }),
  account: read("/accounts/{address}", "An account: balance, nonce and code now, and counts", accountOut, {
    params: addressParams,
  }),
  activity: read(
    "/accounts/{address}/transactions",
    "What an address took part in, newest first; what genesis gave it comes last",
    pageOut("activity", activityOut),
    { params: addressParams, query: pageQuery },
  ),
  accountEvents: read(
    "/accounts/{address}/events",
    "Events that an address emitted or that name it, newest first",
    eventsOut,
    { params: addressParams, query: pageQuery },
  ),
  contracts: read("/contracts", "List contracts, newest first", contractsOut, {
    query: z.object({ ...page, before: contractPlaceText.optional() }),
  }),
  contract: read("/contracts/{address}", "A contract: name, creation and ABI", contractDetailOut, {
    params: addressParams,
  }),
  events: read(
    "/events",
    "List events, newest first. A page may hold fewer than asked for and still have a `next`",
    eventsOut,
    {
      query: z.object({
        ...page,
        contract: contractText.optional(),
        name: nameText.optional(),
        address: addressText.optional(),
        fromBlock: blockText.optional(),
        toBlock: blockText.optional(),
      }),
    },
  ),
  search: read(
    "/search",
    "Find by block number, hash, address, or a part of a contract's or a model's name: those that are the text first, then those that begin with it",
    z.object({ results: z.array(hitOut) }),
    { query: z.object({ q: searchText }) },
  ),
};

const limitDefault = 20;

/** The room's routes: open to everyone, and only read. */
export function explorerRoutes(service: Explorer): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return failure(context, 400, "invalid-request", message);
    },
  });
  // By path: a bare `use` would hold for every room mounted after this one.
  app.use("/v1/explorer/*", etag());
  app.onError((error, context) => {
    if (error instanceof ExplorerError) return failure(context, 404, error.code, error.message);
    if (error instanceof HTTPException) return failure(context, 400, "invalid-request", error.message);
    throw error;
  });

  app.openapi(routes.summary, async (context) => fresh(context, summaryJson(await service.summary())));
  app.openapi(routes.blocks, async (context) => {
    const { items, next } = await service.blocks(paging(context.req.valid("query")));
    return fresh(context, { blocks: items.map(blockJson), next });
  });
  app.openapi(routes.block, async (context) => {
    const { block } = context.req.valid("param");
    const body = blockJson(await service.block(block));
    // A hash names the same block for ever; a number does so on one chain only.
    if (typeof block === "string") return kept(context, body);
    return fresh(context, body);
  });
  app.openapi(routes.blockTransactions, async (context) => {
    const { items, next } = await service.transactions(
      paging(context.req.valid("query")),
      context.req.valid("param").block,
    );
    return fresh(context, { transactions: items.map(transactionJson), next });
  });
  app.openapi(routes.transactions, async (context) => {
    const { items, next } = await service.transactions(paging(context.req.valid("query")));
    return fresh(context, { transactions: items.map(transactionJson), next });
  });
  app.openapi(routes.transaction, async (context) => {
    const { transaction, logs } = await service.transaction(context.req.valid("param").hash);
    return fresh(context, { transaction: transactionJson(transaction), logs: logs.map(eventJson) });
  });
  app.openapi(routes.account, async (context) =>
    fresh(context, accountJson(await service.account(context.req.valid("param").address))),
  );
  app.openapi(routes.activity, async (context) => {
    const { address } = context.req.valid("param");
    const { items, next } = await service.activity(address, paging(context.req.valid("query")));
    return fresh(context, { activity: items.map(activityJson), next });
  });
  app.openapi(routes.accountEvents, async (context) => {
    const { address } = context.req.valid("param");
    const { items, next } = await service.events({ address }, paging(context.req.valid("query")));
    return fresh(context, { events: items.map(eventJson), next });
  });
  app.openapi(routes.contracts, async (context) => {
    const { before, limit = limitDefault } = context.req.valid("query");
    const { items, next } = await service.contracts({ before, limit });
    return fresh(context, { contracts: items.map(contractJson), next: contractPlaceJson(next) });
  });
  app.openapi(routes.contract, async (context) => {
    const { contract, abi } = await service.contract(context.req.valid("param").address);
    return fresh(context, contractDetailJson(contract, abi));
  });
  app.openapi(routes.events, async (context) => {
    const { before, limit, ...filter } = context.req.valid("query");
    const { fromBlock = 0, toBlock = blockMax } = filter;
    if (fromBlock > toBlock)
      return failure(context, 400, "invalid-request", `fromBlock ${fromBlock} is after toBlock ${toBlock}.`);
    const { items, next } = await service.events(filter, paging({ before, limit }));
    return fresh(context, { events: items.map(eventJson), next });
  });
  app.openapi(routes.search, async (context) =>
    fresh(context, { results: [...(await service.search(context.req.valid("query").q))] }),
  );
  return app;
}

function paging({
  before,
  limit = limitDefault,
}: {
  before?: number | undefined;
  limit?: number | undefined;
}) {
  return { before, limit };
}

/** To be asked for again each time, which costs nothing while the ETag is the same. */
function fresh<T extends object>(context: Context, body: T) {
  context.header("Cache-Control", "no-cache");
  return context.json(body, 200);
}

function kept<T extends object>(context: Context, body: T) {
  context.header("Cache-Control", "public, max-age=31536000, immutable");
  return context.json(body, 200);
}

function failure(context: Context, status: 400 | 404, code: string, message: string) {
  return context.json({ error: { code, message } }, status);
}
