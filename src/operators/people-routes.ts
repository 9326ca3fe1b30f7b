/** Who acts as the operator with a wallet, over HTTP. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { addressSchema } from "../protocol/index.ts";
import { answering, errorOut, json } from "./answers.ts";
import { OperatorError } from "./errors.ts";
import type { GuardEnv } from "./guard.ts";
import type { Admitter } from "./people.ts";
import type { Principal } from "./scopes.ts";
import type { Operators } from "./service.ts";

const tags = ["Operator"];
const security = [{ operator: [] }];
const peopleOut = z
  .object({
    people: z.array(
      z.object({ address: addressSchema, admittedBy: z.string(), admittedAtMs: z.int().nullable() }),
    ),
  })
  .openapi("OperatorPeople");
const dismissalOut = peopleOut
  .extend({
    dismissed: z.array(addressSchema).openapi({ description: "with whom it admitted, and so on" }),
    keys: z
      .array(z.object({ id: z.string(), name: z.string() }))
      .openapi({ description: "that those made, and that end with them" }),
  })
  .openapi("OperatorDismissal");
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  401: json(errorOut, "Not the operator"),
  403: json(errorOut, "The scope keys is missing, or a key would admit or dismiss"),
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
    summary: "Let an address act in the operator's name when it is signed in; no key does that",
    request,
    responses: { 200: json(peopleOut, "Admitted"), ...failures },
  }),
  dismiss: createRoute({
    method: "delete",
    path: "/v1/operator/people/{address}",
    tags,
    security,
    summary: "Let it act for itself only, from now on; whom it admitted too, and end the keys they made",
    request,
    responses: { 200: json(dismissalOut, "Dismissed"), ...failures },
  }),
};

/** @throws OperatorError `people-only` for a key, whatever its scopes */
function personOf({ who }: Principal): Admitter {
  if (!isKey(who)) return who;
  throw new OperatorError(
    "people-only",
    `No operator key admits or dismisses people, whatever its scopes, for they would outlast it; ${who} asked. Ask with the operator token, or signed in as an operator.`,
  );
}

const isKey = (who: Principal["who"]): who is Exclude<Principal["who"], Admitter> => who.startsWith("key:");

export function peopleRoutes({ guard, people }: Pick<Operators, "guard" | "people">): OpenAPIHono<GuardEnv> {
  const app = answering(["/v1/operator/people", "/v1/operator/people/*"]);
  const keys = guard("keys");
  const listed = () => ({ people: people.list().map((person) => ({ ...person })) });
  app.openapi({ ...routes.list, middleware: [keys] }, (context) => context.json(listed(), 200));
  app.openapi({ ...routes.admit, middleware: [keys] }, async (context) => {
    await people.admit(context.req.valid("param").address, personOf(context.get("principal")));
    return context.json(listed(), 200);
  });
  app.openapi({ ...routes.dismiss, middleware: [keys] }, async (context) => {
    personOf(context.get("principal"));
    const ended = await people.dismiss(context.req.valid("param").address);
    return context.json({ ...listed(), dismissed: [...ended.people], keys: [...ended.keys] }, 200);
  });
  return app;
}
