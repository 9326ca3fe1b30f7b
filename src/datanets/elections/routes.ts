/** Elections over HTTP: anyone sees them, the owner opens them, and a contributor's signature is a vote that needs no OPEN. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { Account } from "viem";
import { failures, json, jsonBody } from "../answers.ts";
import { addressText, countText, idText, signatureText, signingOut } from "../schemas.ts";
import type { Election } from "./projection.ts";
import type { CuratorVoting } from "./service.ts";

const tags = ["Curation"];
const params = z.object({ datanetId: idText });
const electionOut = z
  .object({
    electionId: z.string(),
    datanetId: z.string(),
    version: z.number(),
    votes: z.number(),
    closesAt: z.number(),
    termSeconds: z.number(),
    elected: z.string().nullable(),
    termEndsAt: z.number().nullable(),
    candidates: z.array(z.object({ candidate: z.string(), votes: z.number() })),
  })
  .openapi("Election");

const curatorOut = z
  .object({ curator: z.string(), named: z.boolean(), electedUntil: z.number().nullable() })
  .openapi("Curator");

const routes = {
  curators: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/curators",
    tags,
    summary: "Who curates a Datanet beside its owner: named on chain, or elected until then (seconds)",
    request: { params },
    responses: {
      200: json(
        z.object({ curators: z.array(curatorOut), electionsAllowed: z.boolean() }),
        "As the chain has it now",
      ),
      ...failures,
    },
  }),
  list: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/elections",
    tags,
    summary: "Elections of a Datanet's curators, newest first, and where votes are signed for",
    request: {
      params,
      query: z.object({ before: idText.optional(), limit: countText(1, 100, "20").default(20) }),
    },
    responses: {
      200: json(z.object({ elections: z.array(electionOut), signing: signingOut }), "A page"),
      ...failures,
    },
  }),
  open: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/elections",
    tags,
    summary:
      "Open an election among the contributors of a version, as the Datanet's owner: this node's operator",
    request: {
      params,
      body: jsonBody(
        z
          .strictObject({
            version: z.int().min(1).max(0xffff_ffff),
            /** Seconds since 1970. */
            closesAt: z
              .int()
              .min(1)
              .max(2 ** 48 - 1),
            termSeconds: z
              .int()
              .min(1)
              .max(10 * 366 * 86_400),
          })
          .openapi("NewElection"),
      ),
    },
    responses: { 201: json(electionOut, "Opened"), ...failures },
  }),
  vote: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/elections/{electionId}/votes",
    tags,
    summary: "Vote for a curator, with the contributor's signature: each of its examples is a vote",
    request: {
      params: params.extend({ electionId: idText }),
      body: jsonBody(
        z
          .strictObject({ contributor: addressText, candidate: addressText, signature: signatureText })
          .openapi("CuratorVote"),
      ),
    },
    responses: {
      200: json(z.object({ added: z.number(), election: electionOut }), "How many votes were added"),
      ...failures,
    },
  }),
};

const electionJson = ({ electionId, datanetId, candidates, ...election }: Election) => ({
  ...election,
  electionId: electionId.toString(),
  datanetId: datanetId.toString(),
  candidates: [...candidates],
});

export function mountElections(
  app: OpenAPIHono,
  voting: CuratorVoting,
  operator: { readonly account: Account; readonly guard: MiddlewareHandler } | undefined,
): void {
  app.openapi(routes.curators, async (context) =>
    context.json(await voting.curators(context.req.valid("param").datanetId), 200),
  );
  app.openapi(routes.list, async (context) => {
    const { elections, signing } = await voting.list(
      context.req.valid("param").datanetId,
      context.req.valid("query"),
    );
    return context.json({ elections: elections.map(electionJson), signing }, 200);
  });
  if (operator === undefined) return;
  const { account, guard } = operator;
  app.openapi({ ...routes.open, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    return context.json(
      electionJson(await voting.open(account, { datanetId, ...context.req.valid("json") })),
      201,
    );
  });
  app.openapi(routes.vote, async (context) => {
    const { datanetId, electionId } = context.req.valid("param");
    const { signature, ...vote } = context.req.valid("json");
    const { added, election } = await voting.vote(account, datanetId, { electionId, ...vote }, signature);
    return context.json({ added, election: electionJson(election) }, 200);
  });
}
