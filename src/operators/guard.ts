import { timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import { createRateLimiter } from "../chain/index.ts";
import { OperatorError, operatorErrorStatus } from "./errors.ts";
import { digestOf, findKey, isKeySecret, type KeyParts, touchKey } from "./keys.ts";
import { beginEntry, endEntry } from "./log.ts";
import { ownHeader } from "./origin.ts";
import { maySee, type Principal, type Scope, scopes } from "./scopes.ts";
import type { Session, Sessions } from "./sessions.ts";

/**
 * Lets through who may do in the operator's name what `scope` says, and answers others: 401 for strangers and for keys that have
 * ended, 403 naming the scope that is missing, 429 for a key that asks too often. What changes something is written to the log. A bearer
 * token decides alone; a session's cookie counts where there is none, and for requests of the node's own pages only.
 */
export type Guard = (scope: Scope) => MiddlewareHandler;

/** What a guard leaves for the routes behind it. */
export type GuardEnv = { Variables: { principal: Principal } };

/** Keys whose allowance is remembered; as many as can be used at a time. */
const allowancesMax = 1_000;

const strangers = `This acts in the operator's name: send an operator key with the right scope, or the operator token (file operator-token in the node's home), as a bearer token; or sign in as the operator.`;

/** The cookie that holds a session's token. */
export const sessionCookie = "openledger-session";

const sessionRequestsPerMinute = 1_200;

/**
 * @returns undefined without a cookie, or when its session has ended
 * @throws OperatorError `foreign-origin`
 */
export async function sessionOf(context: Context, sessions: Sessions): Promise<Session | undefined> {
  const token = getCookie(context, sessionCookie);
  if (token === undefined) return undefined;
  checkOrigin(context, sessions);
  return sessions.find(token);
}

/** @throws OperatorError `foreign-origin` */
export function checkOrigin({ req }: Context, sessions: Sessions): void {
  const [origin, site] = [req.header("origin"), req.header("sec-fetch-site")];
  sessions.check({ origin, site, marked: req.header(ownHeader) !== undefined });
}

export type GuardParts = KeyParts & {
  /** May do everything. */
  readonly rootToken: string;
  readonly sessions: Sessions;
};

export function createGuard(parts: GuardParts): Guard {
  const { database, now, sessions } = parts;
  const root = digestOf(parts.rootToken);
  const withinRate = createAllowances(now);

  function take(who: string, perMinute: number): void {
    const seconds = Math.ceil(withinRate(who, perMinute) / 1_000);
    if (seconds > 0)
      throw new OperatorError(
        "too-many-requests",
        `${who} may ask ${perMinute} times a minute. Wait ${seconds} s.`,
        seconds,
      );
  }

  async function ofSession(context: Context): Promise<Principal> {
    const session = await sessionOf(context, sessions);
    if (session === undefined) throw new OperatorError("operator-only", strangers);
    const { address, operator, expiresAtMs } = session;
    if (!operator)
      throw new OperatorError(
        "not-operator",
        `${address} is signed in and is not this node's operator. On the node's machine: ./openledger operator admit ${address}`,
      );
    const who = `session:${address}` as const;
    take(who, sessionRequestsPerMinute);
    return {
      who,
      name: "",
      scopes: session.scopes,
      expiresAtMs,
      requestsPerMinute: sessionRequestsPerMinute,
    };
  }

  async function principalOf(context: Context): Promise<Principal> {
    const authorization = context.req.header("authorization") ?? "";
    if (authorization === "") return ofSession(context);
    const bearer = /^Bearer (.+)$/.exec(authorization)?.[1] ?? "";
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
    take(principal.who, requestsPerMinute);
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
