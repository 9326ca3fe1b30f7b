/** Who acts as the operator with a wallet, over HTTP. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { addressSchema } from "../protocol/index.ts";
import { answering, errorOut, json } from "./answers.ts";
import { OperatorError } from "./errors.ts";
import type { GuardEnv } from "./guard.ts";
import type { Principal } from "./scopes.ts";
import type { Operators } from "./service.ts";
import { operatorSessionScopes } from "./sessions.ts";

const tags = ["Operator"];
const security = [{ operator: [] }];
const peopleOut = z
  .object({
    people: z.array(
      z.object({ address: addressSchema, admittedBy: z.string(), admittedAtMs: z.int().nullable() }),
    ),
  })
  .openapi("OperatorPeople");
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  401: json(errorOut, "Not the operator"),
  403: json(errorOut, "Less than what an operator's session may do"),
  409: json(errorOut, "Only the configuration can take this address back, or too many are admitted"),
};
const request = { params: z.object({ address: z.string().toLowerCase().pipe(addressSchema) }) };

const routes = {
  list: createRoute({
    method: "get",
    path: "/v1/operator/people",
    tags,
    security,
    summary: "Addresses whose sessions act in the operator's name",
    responses: { 200: json(peopleOut, "Those of the configuration first"), ...failures },
  }),
  admit: createRoute({
    method: "put",
    path: "/v1/operator/people/{address}",
    tags,
    security,
    summary: "Let an address act in the operator's name when it is signed in",
    request,
    responses: { 200: json(peopleOut, "Admitted"), ...failures },
  }),
  dismiss: createRoute({
    method: "delete",
    path: "/v1/operator/people/{address}",
    tags,
    security,
    summary: "Let it act for itself only, from now on",
    request,
    responses: { 200: json(peopleOut, "Dismissed"), ...failures },
  }),
};

/** Nobody gives what they do not have: a key with a part of the rights admits nobody. */
function mayAdmit({ who, scopes }: Principal): void {
  const missing = operatorSessionScopes.filter((scope) => !scopes.includes(scope));
  if (missing.length > 0)
    throw new OperatorError(
      "scope-missing",
      `Whoever is admitted may do what an operator's session may; ${who} lacks ${missing.join(", ")}.`,
    );
}

export function peopleRoutes({ guard, people }: Pick<Operators, "guard" | "people">): OpenAPIHono<GuardEnv> {
  const app = answering(["/v1/operator/people", "/v1/operator/people/*"]);
  const keys = guard("keys");
  const listed = () => ({ people: people.list().map((person) => ({ ...person })) });
  app.openapi({ ...routes.list, middleware: [keys] }, (context) => context.json(listed(), 200));
  app.openapi({ ...routes.admit, middleware: [keys] }, async (context) => {
    const principal = context.get("principal");
    mayAdmit(principal);
    await people.admit(context.req.valid("param").address, principal.who);
    return context.json(listed(), 200);
  });
  app.openapi({ ...routes.dismiss, middleware: [keys] }, async (context) => {
    mayAdmit(context.get("principal"));
    await people.dismiss(context.req.valid("param").address);
    return context.json(listed(), 200);
  });
  return app;
}
