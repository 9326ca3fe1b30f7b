import type { Address } from "../protocol/index.ts";
import type { Queries, Transaction } from "../store/index.ts";
import { OperatorError } from "./errors.ts";
import type { Principal } from "./scopes.ts";

/** What ended because nobody who stands made it. */
export type Ended = {
  readonly people: readonly Address[];
  readonly keys: readonly { readonly id: string; readonly name: string }[];
};

/**
 * Who stands: the operator token, those whom the configuration names, whom a session of somebody who stands admitted, and keys that
 * somebody who stands made. People whom a key admitted never do. Counted from the operator down, so that two who admitted each other do not
 * hold each other up. `$1` is a list of the configuration's addresses, in JSON.
 */
const standing = `with recursive standing (who) as (
   (select 'root' union select 'session:' || named.address from jsonb_array_elements_text($1::jsonb) named (address))
   union
   select made.who from standing join (
     select 'session:' || address as who, admitted_by as maker from operators.people where admitted_by not like 'key:%'
     union all
     select 'key:' || id, created_by from operators.keys where revoked_at_ms is null
   ) made on made.maker = standing.who
 )`;

/**
 * Dismisses people and revokes keys that do not stand any more.
 *
 * @param configured addresses, lower-case, which the configuration names
 * @param atMs now, epoch ms
 */
export async function endOrphans(
  tx: Transaction,
  configured: readonly Address[],
  atMs: number,
): Promise<Ended> {
  const named = JSON.stringify(configured);
  const people = await tx.query<{ address: Address }>(
    `${standing} delete from operators.people where 'session:' || address not in (select who from standing) returning address`,
    [named],
  );
  const keys = await tx.query<{ id: string; name: string }>(
    `${standing} update operators.keys set revoked_at_ms = $2
     where revoked_at_ms is null and (expires_at_ms is null or expires_at_ms > $2)
       and 'key:' || id not in (select who from standing)
     returning id, name`,
    [named, atMs],
  );
  return { people: people.map(({ address }) => address), keys };
}

/**
 * Asked in the transaction that writes what outlasts a request: whoever passed the guard may have ended since.
 *
 * @throws OperatorError `not-operator`, `key-revoked`
 */
export async function checkStanding(
  tx: Queries,
  configured: readonly Address[],
  who: Principal["who"],
): Promise<void> {
  const [, kind, name] = /^(session|key):(.+)$/.exec(who) ?? [];
  if (kind === undefined || configured.some((address) => who === `session:${address}`)) return;
  const found = await tx.query(
    kind === "session"
      ? "select 1 from operators.people where address = $1"
      : "select 1 from operators.keys where id = $1 and revoked_at_ms is null",
    [name],
  );
  if (found.length > 0) return;
  if (kind === "key") throw new OperatorError("key-revoked", `The operator key ${name} was revoked.`);
  throw new OperatorError("not-operator", `${name} does not act in the operator's name any more.`);
}
