import { timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { createRateLimiter } from "../chain/index.ts";
import { OperatorError, operatorErrorStatus } from "./errors.ts";
import { digestOf, findKey, isKeySecret, type KeyParts, touchKey } from "./keys.ts";
import { beginEntry, endEntry } from "./log.ts";
import { maySee, type Principal, type Scope, scopes } from "./scopes.ts";

/**
 * Lets through who may do in the operator's name what `scope` says, and answers others: 401 for strangers and for keys that have
 * ended, 403 naming the scope that is missing, 429 for a key that asks too often. What changes something is written to the log.
 */
export type Guard = (scope: Scope) => MiddlewareHandler;

/** What a guard leaves for the routes behind it. */
export type GuardEnv = { Variables: { principal: Principal } };

/** Keys whose allowance is remembered; as many as can be used at a time. */
const allowancesMax = 1_000;

const strangers = `This acts in the operator's name: send an operator key with the right scope, or the operator token (file operator-token in the node's home), as a bearer token.`;

/** @param rootToken the token that may do everything */
export function createGuard(parts: KeyParts & { readonly rootToken: string }): Guard {
  const { database, now } = parts;
  const root = digestOf(parts.rootToken);
  const withinRate = createAllowances(now);

  async function principalOf(context: Context): Promise<Principal> {
    const bearer = /^Bearer (.+)$/.exec(context.req.header("authorization") ?? "")?.[1] ?? "";
    if (bearer !== "" && timingSafeEqual(digestOf(bearer), root)) return rootPrincipal;
    const key = isKeySecret(bearer) ? await findKey(parts, bearer) : undefined;
    if (key === undefined) throw new OperatorError("operator-only", strangers);
    const { id, name, expiresAtMs, requestsPerMinute } = key;
    const principal: Principal = {
      ...{ who: `key:${id}`, name, scopes: key.scopes },
      expiresAtMs,
      requestsPerMinute,
    };
    if (key.revokedAtMs !== null)
      throw new Refused(principal, "key-revoked", `The operator key ${id} was revoked.`);
    if (expiresAtMs !== null && expiresAtMs <= now())
      throw new Refused(
        principal,
        "key-expired",
        `The operator key ${id} ended at ${new Date(expiresAtMs).toISOString()}. Create another one.`,
      );
    const waitMs = withinRate(id, requestsPerMinute);
    if (waitMs > 0)
      throw new OperatorError(
        "too-many-requests",
        `The operator key ${id} may ask ${requestsPerMinute} times a minute. Wait ${Math.ceil(waitMs / 1_000)} s.`,
        Math.ceil(waitMs / 1_000),
      );
    await touchKey(parts, key);
    return principal;
  }

  return (scope) => async (context, next) => {
    const { method, path } = context.req;
    const reads = method === "GET" || method === "HEAD";
    const begin = ({ who, name }: Principal) =>
      beginEntry(database, { atMs: now(), ...{ who, name, scope, method, path } });
    try {
      const principal = await principalOf(context);
      if (!maySee(principal, scope, reads))
        throw new Refused(
          principal,
          "scope-missing",
          `This needs the scope ${scope}; ${principal.who} has ${principal.scopes.join(", ")}. Create a key with it, or use the operator token.`,
        );
      context.set("principal", principal);
      if (reads) return await next();
      const seq = await begin(principal);
      await next();
      await endEntry(database, seq, context.res.status);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (
        error instanceof Refused &&
        !reads &&
        withinRate(`refused ${error.principal.who}`, refusalsPerMinute) === 0
      )
        await endEntry(database, await begin(error.principal), operatorErrorStatus[error.code]);
      return refusal(context, error);
    }
  };
}

/** So that an ended or narrow key cannot push everything else out of the log. */
const refusalsPerMinute = 10;

/** A refusal of somebody known. */
class Refused extends OperatorError {
  readonly principal: Principal;

  constructor(principal: Principal, ...rest: ConstructorParameters<typeof OperatorError>) {
    super(...rest);
    this.principal = principal;
  }
}

const rootPrincipal: Principal = {
  who: "root",
  name: "",
  scopes,
  expiresAtMs: null,
  requestsPerMinute: Number.POSITIVE_INFINITY,
};

/** The error as an answer. */
export const refusal = (context: Context, { code, message, retryAfterSeconds }: OperatorError): Response =>
  context.json(
    { error: { code, message } },
    operatorErrorStatus[code],
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) },
  );

/** @returns takes one request of an allowance that fills within a minute: 0, or the milliseconds to wait */
function createAllowances(now: () => number): (id: string, perMinute: number) => number {
  const limiters = new Map<string, ReturnType<typeof createRateLimiter>>();
  return (id, perMinute) => {
    const limiter =
      limiters.get(id) ?? createRateLimiter({ perSecond: perMinute / 60, burst: perMinute }, now);
    limiters.delete(id);
    limiters.set(id, limiter);
    if (limiters.size > allowancesMax) limiters.delete(limiters.keys().next().value!);
    return limiter.take(id, 1);
  };
}
