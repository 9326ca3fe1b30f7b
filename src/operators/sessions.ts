import { randomBytes } from "node:crypto";
import type { Address } from "../protocol/index.ts";
import type { Database, Transaction } from "../store/index.ts";
import { OperatorError } from "./errors.ts";
import { digestOf } from "./keys.ts";
import { createNonces, type Nonces } from "./nonces.ts";
import { type AskedFrom, whyForeign } from "./origin.ts";
import type { People } from "./people.ts";
import { type Scope, scopes } from "./scopes.ts";
import { checkSignIn, type SignIn } from "./siwe.ts";

/** Somebody who signed in with a wallet. */
export type Session = {
  readonly address: Address;
  /** Whether the address is the operator's. */
  readonly operator: boolean;
  /** What it may do in the operator's name; empty for others. */
  readonly scopes: readonly Scope[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** When it ends unless it is used before. */
  readonly idleUntilMs: number;
};

export type Sessions = {
  readonly nonces: Pick<Nonces, "issue">;
  /**
   * Where as many are signed in as may be, the one that was used longest ago ends of whoever opened most, operators aside.
   *
   * @param subscriber whose address of the internet it is opened from
   * @returns the session, its token for the cookie, and whether the cookie must be `Secure`
   * @throws OperatorError
   */
  open(given: SignIn, subscriber: string): Promise<{ session: Session; token: string; secure: boolean }>;
  /** @throws OperatorError `foreign-origin` when the application did not ask this itself */
  check(from: AskedFrom): void;
  /** Undefined when the token is no session's any more. */
  find(token: string): Promise<Session | undefined>;
  /** Safe to call again. */
  close(token: string): Promise<void>;
};

export type SessionParts = {
  readonly database: Database;
  readonly now: () => number;
  readonly chainId: number;
  /** Web origins that the node is reached by, as `https://node.example`. */
  readonly origins: () => readonly string[];
  /** Whose sessions act in the operator's name. */
  readonly people: Pick<People, "has" | "list">;
};

export const sessionLifeMs = 14 * 24 * 60 * 60 * 1_000;
const idleMs = 24 * 60 * 60 * 1_000;
/** How often a session's last use is written down. */
const usedEveryMs = 60_000;
const perAddressMax = 20;
const sessionsMax = 10_000;
const tokenPattern = /^[\w-]{43}$/;

/** A browser tab must not be enough to carry the node's secrets away. */
export const operatorSessionScopes = scopes.filter((scope) => scope !== "backup");

type Row = { address: Address; createdAtMs: number; lastUsedAtMs: number; expiresAtMs: number };
const columns = `address, created_at_ms as "createdAtMs", last_used_at_ms as "lastUsedAtMs", expires_at_ms as "expiresAtMs"`;

export function createSessions(parts: SessionParts): Sessions {
  const { database, now, chainId, origins, people } = parts;
  const nonces = createNonces(now);
  const sessionOf = ({ address, createdAtMs, lastUsedAtMs, expiresAtMs }: Row): Session => {
    const operator = people.has(address);
    return {
      ...{ address, operator, scopes: operator ? operatorSessionScopes : [], createdAtMs, expiresAtMs },
      idleUntilMs: Math.min(lastUsedAtMs + idleMs, expiresAtMs),
    };
  };
  /**
   * Nobody is kept from signing in by how many have: of whoever opened most sessions, the one used longest ago ends. Operators' do not
   * count, and none of them ends: each has {@link perAddressMax} at most, and strangers come from ever so many networks.
   */
  async function makeRoom(tx: Transaction): Promise<void> {
    const [there] = await tx.query<{ count: number }>("select count(*) as count from operators.sessions");
    if (there === undefined || there.count < sessionsMax) return;
    const strangers = "address not in (select jsonb_array_elements_text($1::jsonb))";
    await tx.query(
      `delete from operators.sessions where digest = (
         select digest from operators.sessions where ${strangers} and opened_from = (
           select opened_from from operators.sessions where ${strangers}
           group by opened_from order by count(*) desc, min(last_used_at_ms), opened_from limit 1)
         order by last_used_at_ms limit 1)`,
      [JSON.stringify(people.list().map(({ address }) => address))],
    );
  }
  return {
    nonces,
    check(from) {
      const why = whyForeign(from, origins());
      if (why !== undefined)
        throw new OperatorError("foreign-origin", `A session acts for this node's own pages only: ${why}.`);
    },
    async open(given, subscriber) {
      const signedIn = await checkSignIn(given, { origins: origins(), chainId, nonces, now });
      const at = now();
      const { address } = signedIn;
      const expiresAtMs = Math.min(at + sessionLifeMs, signedIn.expiresAtMs ?? Number.MAX_SAFE_INTEGER);
      const token = randomBytes(32).toString("base64url");
      await database.transaction(async (tx) => {
        await tx.query("delete from operators.sessions where expires_at_ms <= $1 or last_used_at_ms <= $2", [
          at,
          at - idleMs,
        ]);
        await tx.query(
          `delete from operators.sessions where digest in (
             select digest from operators.sessions where address = $1 order by last_used_at_ms desc offset $2)`,
          [address, perAddressMax - 1],
        );
        await makeRoom(tx);
        await tx.query(
          `insert into operators.sessions (digest, address, created_at_ms, last_used_at_ms, expires_at_ms, opened_from)
           values ($1, $2, $3, $3, $4, $5)`,
          [digestOf(token), address, at, expiresAtMs, subscriber],
        );
      });
      const session = sessionOf({ address, createdAtMs: at, lastUsedAtMs: at, expiresAtMs });
      return { session, token, secure: signedIn.secure };
    },
    async find(token) {
      if (!tokenPattern.test(token)) return undefined;
      const digest = digestOf(token);
      const at = now();
      const [row] = await database.query<Row>(
        `select ${columns} from operators.sessions where digest = $1 and expires_at_ms > $2 and last_used_at_ms > $3`,
        [digest, at, at - idleMs],
      );
      if (row === undefined) return undefined;
      if (at - row.lastUsedAtMs < usedEveryMs) return sessionOf(row);
      await database.query("update operators.sessions set last_used_at_ms = $2 where digest = $1", [
        digest,
        at,
      ]);
      return sessionOf({ ...row, lastUsedAtMs: at });
    },
    async close(token) {
      await database.query("delete from operators.sessions where digest = $1", [digestOf(token)]);
    },
  };
}
