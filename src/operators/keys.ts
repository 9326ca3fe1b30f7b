import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Address } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { OperatorError } from "./errors.ts";
import { lacking, type Principal, type Scope } from "./scopes.ts";
import { checkStanding } from "./standing.ts";

/** A key that lets programs and people do a part of what the operator may. */
export type OperatorKey = {
  /** Public: names the key in lists and in the log. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute: number;
  /** A {@link Principal}'s `who`. */
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  /** To the minute. */
  readonly lastUsedAtMs: number | null;
  readonly revokedAtMs: number | null;
};

export type KeyWish = {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute: number;
  /** Epoch ms; null: until revoked. */
  readonly expiresAtMs: number | null;
};

export type KeyParts = { readonly database: Database; readonly now: () => number };
/** Addresses, lower-case, that the configuration names operators. */
type Named = { readonly configured: readonly Address[] };

/** Keys that can be used at a time. */
const usableMax = 1_000;
/** Ended keys stay in the list this long, so that the log's names can be looked up. */
const endedMs = 90 * 24 * 60 * 60 * 1_000;
/** How often a key's last use is written down. */
const usedEveryMs = 60_000;
const secretPattern = /^olk_([0-9a-f]{16})_[\w-]{43}$/;

const columns = `id, name, scopes, requests_per_minute as "requestsPerMinute", created_by as "createdBy",
  created_at_ms as "createdAtMs", expires_at_ms as "expiresAtMs", last_used_at_ms as "lastUsedAtMs",
  revoked_at_ms as "revokedAtMs"`;
const usable = "revoked_at_ms is null and (expires_at_ms is null or expires_at_ms > $1)";

/** 32 random bytes need no slow hash: nobody guesses them. */
export const digestOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();

/** Whether a bearer token has the form of an operator key. */
export const isKeySecret = (text: string): boolean => secretPattern.test(text);

/**
 * @param creator whoever asks; a key gives nothing away that it does not have, and nothing for longer
 * @returns the key and its secret, `olk_<id>_<43 letters>`, of which only the digest is kept
 * @throws OperatorError `scope-missing`, `outlives-creator`, `in-the-past`, `too-many-keys`; `not-operator`, `key-revoked` when the creator ended meanwhile
 */
export async function createKey(
  { database, now, configured }: KeyParts & Named,
  creator: Principal,
  wish: KeyWish,
): Promise<{ key: OperatorKey; secret: string }> {
  const missing = lacking(creator, wish.scopes);
  if (missing.length > 0)
    throw new OperatorError(
      "scope-missing",
      `A key cannot give what it does not have: ${missing.join(", ")}. ${creator.who} has ${creator.scopes.join(", ")}.`,
    );
  const at = now();
  if (wish.expiresAtMs !== null && wish.expiresAtMs <= at)
    throw new OperatorError("in-the-past", `The key would have ended at ${when(wish.expiresAtMs)} already.`);
  const ends = creator.expiresAtMs;
  if (
    creator.who.startsWith("key:") &&
    ends !== null &&
    (wish.expiresAtMs === null || wish.expiresAtMs > ends)
  )
    throw new OperatorError(
      "outlives-creator",
      `The key that creates this one ends at ${when(ends)}; the new one may not last longer. Give it expiresAtMs of ${ends} at most.`,
    );
  if (creator.who.startsWith("key:") && wish.requestsPerMinute > creator.requestsPerMinute)
    throw new OperatorError(
      "scope-missing",
      `A key cannot give more than its own ${creator.requestsPerMinute} requests a minute; ${wish.requestsPerMinute} were asked for.`,
    );
  const id = randomBytes(8).toString("hex");
  const secret = `olk_${id}_${randomBytes(32).toString("base64url")}`;
  const key = await database.transaction(async (tx) => {
    await checkStanding(tx, configured, creator.who);
    await tx.query("delete from operators.keys where revoked_at_ms < $1 or expires_at_ms < $1", [
      at - endedMs,
    ]);
    const [there] = await tx.query<{ count: number }>(
      `select count(*) as count from operators.keys where ${usable}`,
      [at],
    );
    if (there !== undefined && there.count >= usableMax)
      throw new OperatorError(
        "too-many-keys",
        `${there.count} keys can be used, at most ${usableMax} may. Revoke some.`,
      );
    const [made] = await tx.query<OperatorKey>(
      `insert into operators.keys (id, secret_digest, name, scopes, requests_per_minute, created_by, created_at_ms, expires_at_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${columns}`,
      [
        ...[id, digestOf(secret), wish.name, JSON.stringify(wish.scopes)],
        ...[wish.requestsPerMinute, creator.who, at, wish.expiresAtMs],
      ],
    );
    return made as OperatorKey;
  });
  return { key, secret };
}

/** Stands in where no key has the id, so that a wrong id takes the steps of a wrong secret. */
const nobody = Buffer.alloc(32);

/**
 * Found by its public id, then compared in constant time.
 *
 * @returns undefined for anything that is not the secret of a key here; ended keys are found
 */
export async function findKey({ database }: KeyParts, secret: string): Promise<OperatorKey | undefined> {
  const id = secretPattern.exec(secret)?.[1];
  if (id === undefined) return undefined;
  const [row] = await database.query<OperatorKey & { digest: Uint8Array }>(
    `select ${columns}, secret_digest as digest from operators.keys where id = $1`,
    [id],
  );
  const same = timingSafeEqual(row?.digest ?? nobody, digestOf(secret));
  if (row === undefined || !same) return undefined;
  const { digest: _, ...key } = row;
  return key;
}

/** Writes down that the key was used. */
export async function touchKey(
  { database, now }: KeyParts,
  { id, lastUsedAtMs }: OperatorKey,
): Promise<void> {
  const at = now();
  if (lastUsedAtMs !== null && at - lastUsedAtMs < usedEveryMs) return;
  await database.query("update operators.keys set last_used_at_ms = $2 where id = $1", [id, at]);
}

/**
 * Newest first.
 *
 * @param page at most `limit`, after the key `after`
 */
export function listKeys(
  { database }: KeyParts,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<OperatorKey[]> {
  return database.query<OperatorKey>(
    `select ${columns} from operators.keys
     where $2::text is null or (created_at_ms, id) < (select created_at_ms, id from operators.keys where id = $2)
     order by created_at_ms desc, id desc limit $1`,
    [limit, after ?? null],
  );
}

/**
 * Ends a key, and those it created, and theirs: whoever stole it may have made some. Safe to call again.
 *
 * @returns every key that ended by this, the named one first
 * @throws OperatorError `unknown-key`, or `scope-missing` when the key can do more than who asks
 */
export async function revokeKey(
  { database, now }: KeyParts,
  by: Principal,
  id: string,
): Promise<OperatorKey[]> {
  return database.transaction(async (tx) => {
    const [key] = await tx.query<OperatorKey>(`select ${columns} from operators.keys where id = $1`, [id]);
    if (key === undefined) throw new OperatorError("unknown-key", `There is no operator key ${id}.`);
    const missing = lacking(by, key.scopes);
    if (missing.length > 0)
      throw new OperatorError(
        "scope-missing",
        `Key ${id} can do what ${by.who} cannot: ${missing.join(", ")}. Ask with the operator token.`,
      );
    const ended = await tx.query<OperatorKey>(
      `with recursive family as (
         select id from operators.keys where id = $1
         union select k.id from operators.keys k join family f on k.created_by = 'key:' || f.id
       )
       update operators.keys set revoked_at_ms = $2 where id in (select id from family) and revoked_at_ms is null
       returning ${columns}`,
      [id, now()],
    );
    const own = ended.find((one) => one.id === id) ?? key;
    return [own, ...ended.filter((one) => one.id !== id)];
  });
}

const when = (ms: number) => new Date(ms).toISOString();
