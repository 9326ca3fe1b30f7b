import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OpenAPIHono } from "@hono/zod-openapi";
import fc from "fast-check";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { createSiweMessage } from "viem/siwe";
import { type Address, toHex } from "../protocol/index.ts";
import { openScratchDatabase } from "../store/index.ts";
import { OperatorError, type OperatorErrorCode } from "./errors.ts";
import { peopleRoutes } from "./people-routes.ts";
import { operatorRoutes } from "./routes.ts";
import type { Principal } from "./scopes.ts";
import { openOperators } from "./service.ts";
import { sessionRoutes } from "./session-routes.ts";
import { operatorSessionScopes } from "./sessions.ts";

const token = "r".repeat(43);
const origin = "http://127.0.0.1:4000";
const chainId = 161_612;
const database = await openScratchDatabase();
after(() => database.close());
let now = 1_800_000_000_000;
const warned: string[] = [];
const account = () => privateKeyToAccount(generatePrivateKey());
const at = ({ address }: PrivateKeyAccount): Address => toHex(address);
const configured = account();
const open = (operators: readonly Address[]) =>
  openOperators({
    ...{ database, rootToken: token, now: () => now, chainId, origins: () => [origin], operators },
    warn: (message) => void warned.push(message),
  });
const operators = await open([at(configured)]);
const app = new OpenAPIHono();
app.route("/", operatorRoutes(operators));
app.route("/", peopleRoutes(operators));
app.route("/", sessionRoutes(operators.sessions, chainId));
app.get("/of/datanets", operators.guard("datanets"), (context) => context.json({}));

type Who = { readonly authorization: string } | { readonly cookie: string };
const root: Who = { authorization: `Bearer ${token}` };
const ask = (method: string, path: string, who: Who | object, body?: object) =>
  app.request(
    path,
    {
      method,
      headers: { origin, ...who, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    { incoming: { socket: { remoteAddress: "127.0.0.1" } } },
  );
const answerOf = async <T>(response: Response, status = 200): Promise<T> => {
  assert.equal(response.status, status, await response.clone().text());
  return (await response.json()) as T;
};
const codeOf = async (response: Response) =>
  ((await response.json()) as { error?: { code: string } }).error?.code;
async function signIn(by: PrivateKeyAccount): Promise<Who> {
  const { nonce } = await answerOf<{ nonce: string }>(await ask("GET", "/v1/session/nonce", {}));
  const message = createSiweMessage({
    ...{ address: by.address, chainId, domain: "127.0.0.1:4000", uri: origin, version: "1", nonce },
  });
  const signed = await ask(
    "POST",
    "/v1/session",
    {},
    { message, signature: await by.signMessage({ message }) },
  );
  assert.equal(signed.status, 200, await signed.clone().text());
  return { cookie: signed.headers.get("set-cookie")?.split(";")[0] ?? "" };
}
type Made = { readonly id: string; readonly who: Who };
async function keyBy(who: Who, change: object = {}): Promise<Made> {
  const wish = { name: "a key", scopes: ["datanets", "read", "keys"], ...change };
  const made = await answerOf<{ id: string; secret: string }>(
    await ask("POST", "/v1/operator/keys", who, wish),
    201,
  );
  return { id: made.id, who: { authorization: `Bearer ${made.secret}` } };
}
type Dismissal = { people: { address: Address }[]; dismissed: Address[]; keys: { id: string }[] };
const place = (person: PrivateKeyAccount) => `/v1/operator/people/${at(person)}`;
const admit = (person: PrivateKeyAccount, by: Who = root) => ask("PUT", place(person), by);
const dismiss = async (person: PrivateKeyAccount) =>
  answerOf<Dismissal>(await ask("DELETE", place(person), root));
const acts = async (who: Who) => (await ask("GET", "/of/datanets", who)).status;
const principal = (who: Principal["who"]): Principal => ({
  ...{ who, name: "", scopes: operatorSessionScopes, expiresAtMs: null, requestsPerMinute: 600 },
});
const refused = (code: OperatorErrorCode) => (error: unknown) =>
  error instanceof OperatorError && error.code === code;

test("with a person goes whatever came of them: their keys, keys of those, and whom they admitted", async () => {
  const [first, second, other] = [account(), account(), account()];
  await admit(first);
  await admit(other);
  const theirs = await signIn(first);
  const key = await keyBy(theirs);
  const child = await keyBy(key.who);
  assert.equal((await admit(second, theirs)).status, 200);
  const seconds = await signIn(second);
  const secondKey = await keyBy(seconds);
  const others = await signIn(other);
  const [kept, keptOther] = [await keyBy(root), await keyBy(others)];
  const keptChild = await keyBy(kept.who);
  for (const who of [theirs, key.who, child.who, seconds, secondKey.who]) assert.equal(await acts(who), 200);

  const { people, dismissed, keys } = await dismiss(first);
  assert.deepEqual(new Set(dismissed), new Set([at(first), at(second)]));
  assert.deepEqual(new Set(keys.map(({ id }) => id)), new Set([key.id, child.id, secondKey.id]));
  assert.deepEqual(
    people.map(({ address }) => address),
    [at(configured), at(other)],
  );
  for (const { who } of [key, child, secondKey]) {
    const answer = await ask("GET", "/of/datanets", who);
    assert.deepEqual([answer.status, await codeOf(answer)], [401, "key-revoked"]);
  }
  for (const who of [theirs, seconds]) assert.equal(await acts(who), 403);
  for (const who of [others, kept.who, keptChild.who, keptOther.who]) assert.equal(await acts(who), 200);
  assert.deepEqual((await dismiss(first)).dismissed, [], "safe to call again");
  await admit(first);
  assert.equal(await acts(key.who), 401, "whoever is admitted anew makes new keys");
  await dismiss(first);
  await dismiss(other);
});

test("two who admitted each other both go with the one that the operator admitted", async () => {
  const [one, two] = [account(), account()];
  await admit(one);
  await admit(two, await signIn(one));
  await admit(one, await signIn(two));
  assert.deepEqual(new Set((await dismiss(one)).dismissed), new Set([at(one), at(two)]));
});

test("whom the operator admitted as well stays", async () => {
  const [one, two, three] = [account(), account(), account()];
  await admit(one);
  const ones = await signIn(one);
  await admit(two, ones);
  await admit(three, ones);
  const { who } = await keyBy(await signIn(two));
  await admit(two);
  await admit(three, await signIn(configured));
  assert.deepEqual((await dismiss(one)).dismissed, [at(one)]);
  assert.equal(await acts(who), 200);
  await admit(one, await signIn(two));
  await admit(two, await signIn(one));
  assert.deepEqual(new Set((await dismiss(two)).dismissed), new Set([at(one), at(two)]));
  await dismiss(three);
});

test("no key admits or dismisses anybody, whatever its scopes: who is admitted would outlast it", async () => {
  const [person, admitted] = [account(), account()];
  await admit(admitted);
  const { who } = await keyBy(root, { scopes: operatorSessionScopes, expiresAtMs: now + 3_600_000 });
  for (const answer of [await admit(person, who), await ask("DELETE", place(admitted), who)])
    assert.deepEqual([answer.status, await codeOf(answer)], [403, "people-only"]);
  const { people } = await answerOf<Dismissal>(await ask("GET", "/v1/operator/people", who));
  assert.deepEqual(
    people.map(({ address }) => address),
    [at(configured), at(admitted)],
  );
  await dismiss(admitted);
});

test("what was asked before its asker ended leaves nothing behind", async () => {
  const person = account();
  await admit(person);
  const admitter = `session:${at(person)}` as const;
  const session = principal(admitter);
  const key = await keyBy(await signIn(person));
  const wish = { name: "late", scopes: ["read"] as const, requestsPerMinute: 1, expiresAtMs: null };
  await operators.createKey(session, wish);
  await dismiss(person);
  await assert.rejects(operators.createKey(session, wish), refused("not-operator"));
  await assert.rejects(operators.createKey(principal(`key:${key.id}`), wish), refused("key-revoked"));
  await assert.rejects(operators.people.admit(at(account()), admitter), refused("not-operator"));
});

test("what came of whom the configuration does not name any more ends at the next start, and is said", async () => {
  const [named, person, ring, around] = [account(), account(), account(), account()];
  const before = await open([at(configured), at(named)]);
  const wish = { name: "named's", scopes: ["read"] as const, requestsPerMinute: 1, expiresAtMs: null };
  const { key } = await before.createKey(principal(`session:${at(named)}`), wish);
  await before.people.admit(at(person), `session:${at(named)}`);
  const live = await keyBy(root);
  for (const [address, by] of [
    [at(ring), `session:${at(around)}`],
    [at(around), `session:${at(ring)}`],
    [at(account()), `key:${live.id}`],
  ])
    await database.query("insert into operators.people values ($1, $2, $3)", [address, by, now]);
  warned.length = 0;
  const since = await open([at(configured)]);
  assert.deepEqual(
    since.people.list().map(({ address }) => address),
    [at(configured)],
  );
  const found = (await since.listKeys({ limit: 200 })).find(({ id }) => id === key.id);
  assert.equal(found?.revokedAtMs, now);
  assert.equal(await acts(live.who), 200);
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? "", new RegExp(`${at(person)}.*${key.id}`));
  await open([at(configured)]);
  assert.equal(warned.length, 1, "once");
});

test("whoever stands is who can be traced to the operator, whatever was admitted, made and dismissed", async () => {
  const addresses = Array.from({ length: 5 }, (_, i): Address => `0x${String(i + 1).repeat(40)}`);
  const index = fc.nat({ max: addresses.length - 1 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("admit" as const), by: fc.option(index), whom: index }),
    fc.record({ kind: fc.constant("key" as const), by: index, whom: index }),
    fc.record({ kind: fc.constant("dismiss" as const), by: index, whom: index }),
  );
  const wish = { name: "of a run", scopes: ["read"] as const, requestsPerMinute: 1, expiresAtMs: null };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const admittedBy = new Map<Address, Address | null>();
      let keys: { id: string; by: Address }[] = [];
      const stands = (address: Address): boolean => {
        const by = admittedBy.get(address);
        return by !== undefined && (by === null || (admittedBy.has(by) && stands(by)));
      };
      for (const { kind, by, whom } of steps) {
        now += 1;
        const person = addresses[whom] as Address;
        const asker = by === null ? null : (addresses[by] as Address);
        if (kind === "dismiss") {
          await operators.people.dismiss(person);
          admittedBy.delete(person);
          for (const gone of [...admittedBy.keys()].filter((one) => !stands(one))) admittedBy.delete(gone);
          keys = keys.filter(({ by }) => stands(by));
        } else if (asker !== null && !stands(asker)) {
          await assert.rejects(operators.people.admit(person, `session:${asker}`), refused("not-operator"));
        } else if (kind === "admit") {
          await operators.people.admit(person, asker === null ? "root" : `session:${asker}`);
          if (asker === null || !admittedBy.has(person)) admittedBy.set(person, asker);
        } else if (asker !== null) {
          keys.push({
            id: (await operators.createKey(principal(`session:${asker}`), wish)).key.id,
            by: asker,
          });
        }
        for (const address of addresses) assert.equal(operators.people.has(address), stands(address));
      }
      const usable = await database.query<{ id: string }>(
        "select id from operators.keys where name = 'of a run' and revoked_at_ms is null",
      );
      assert.deepEqual(new Set(usable.map(({ id }) => id)), new Set(keys.map(({ id }) => id)));
      for (const address of addresses) await operators.people.dismiss(address);
      const [left] = await database.query<{ count: number }>(
        "select count(*) as count from operators.keys where name = 'of a run' and revoked_at_ms is null",
      );
      assert.equal(left?.count, 0);
    }),
    { numRuns: 40 },
  );
});
