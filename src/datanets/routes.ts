import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { mountAccess } from "./access/routes.ts";
import { mountCuration } from "./curation/routes.ts";
import { mountElections } from "./elections/routes.ts";
import { DatanetError, type DatanetErrorCode } from "./errors.ts";
import { mountProgress } from "./progress.ts";
import { mountContributions } from "./routes/contributions.ts";
import { mountContributors } from "./routes/contributors.ts";
import { mountConvert } from "./routes/convert.ts";
import { mountDatanets } from "./routes/datanets.ts";
import { mountOperator, type Operator } from "./routes/operator.ts";
import { mountTexts } from "./routes/texts.ts";
import { mountVersions } from "./routes/versions.ts";
import { mountWithdrawals } from "./routes/withdrawals.ts";
import type { Datanets } from "./service.ts";

export type DatanetRoutesOptions = {
  /**
   * The node's own account and who may use it over HTTP: creating and publishing is done in its name. Without it those
   * routes do not exist; contributing and reading always do.
   */
  readonly operator?: Operator;
};

const statusOf: Record<DatanetErrorCode, 400 | 403 | 404 | 409 | 413 | 429 | 503> = {
  "malformed-upload": 400,
  "too-large": 413,
  "empty-upload": 400,
  "unknown-license": 400,
  "unknown-datanet": 404,
  "unknown-contribution": 404,
  "unknown-row": 404,
  "unknown-version": 404,
  "consent-mismatch": 400,
  "consent-forged": 403,
  "consent-replayed": 409,
  "withdrawal-forged": 403,
  "withdrawal-mismatch": 400,
  "unknown-example": 404,
  "stake-needed": 403,
  "not-invited": 403,
  "not-owner": 403,
  "nothing-to-publish": 409,
  "chain-conflict": 409,
  "unknown-election": 404,
  "election-refused": 409,
  "vote-forged": 403,
  "not-curator": 403,
  "no-proposal": 404,
  "not-pending": 409,
  "decided-twice": 400,
  "not-committed": 409,
  "access-forged": 403,
  "access-mismatch": 400,
  "access-needed": 403,
  "readers-full": 429,
  "unknown-reader": 404,
  "unknown-token": 400,
  "texts-sealed": 503,
  "too-many-uploads": 503,
  "bad-import": 409,
  "imported-datanet": 409,
};

/** The room's HTTP routes, with their OpenAPI description. Reads are open; a contribution carries its contributor's signature. */
export function datanetRoutes(service: Datanets, options: DatanetRoutesOptions = {}): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      const [issue] = result.error.issues;
      const place = issue && issue.path.length > 0 ? `${issue.path.map(String).join(".")}: ` : "";
      return failure(context, 400, "invalid-request", `${place}${issue?.message ?? "not valid"}`);
    },
  });
  app.onError((error, context) => {
    if (error instanceof HTTPException && error.status === 415) {
      const sent = context.req.header("content-type") ?? "no type";
      const message = `The body is sent as ${sent}; expected application/json, or application/jsonl for examples.`;
      return failure(context, 415, "unsupported-media-type", message);
    }
    if (!(error instanceof DatanetError)) throw error;
    return failure(context, statusOf[error.code], error.code, error.message, error.details);
  });

  mountProgress(
    app,
    ["preview", "contributions", "versions"].map((end) => `/v1/datanets/:datanetId/${end}`),
  );
  mountDatanets(app, service);
  mountContributors(app, service);
  mountConvert(app);
  mountContributions(app, service, options.operator?.guard);
  mountVersions(app, service);
  mountTexts(app, service, options.operator?.guard);
  mountWithdrawals(app, service);
  mountAccess(app, service.access, options.operator?.guard);
  mountCuration(app, service, options.operator);
  mountElections(app, service.voting, options.operator);
  if (options.operator) mountOperator(app, service, options.operator);
  return app;
}

function failure(
  context: Context,
  status: 400 | 403 | 404 | 409 | 413 | 415 | 429 | 503,
  code: string,
  message: string,
  details: Readonly<Record<string, string | number>> = {},
) {
  return context.json({ error: { code, message, details } }, status);
}
