import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OpenAPIHono } from "@hono/zod-openapi";
import fc from "fast-check";
import { openScratchDatabase } from "../store/index.ts";
import { operatorRoutes } from "./routes.ts";
import { type Scope, scopes } from "./scopes.ts";
import { openOperators } from "./service.ts";

const token = "r".repeat(43);
const database = await openScratchDatabase();
after(() => database.close());
let now = 1_800_000_000_000;
const operators = await openOperators({
  ...{ database, rootToken: token, now: () => now, warn: assert.fail },
  ...{ chainId: 1, origins: () => [], operators: [] },
});
const app = new OpenAPIHono();
app.route("/", operatorRoutes(operators));
for (const scope of scopes) {
  app.get(`/of/${scope}`, operators.guard(scope), (context) => context.json({ scope }));
  app.post(`/of/${scope}`, operators.guard(scope), (context) => context.json({ scope }, 201));
}
app.post("/fails", operators.guard("datanets"), () => {
  throw new Error("as routes do");
});
app.onError((_, context) => context.json({}, 500));

type Key = { id: string; secret: string; scopes: Scope[]; state: string; lastUsedAtMs: number | null };
const ask = (method: string, path: string, bearer?: string, body?: object) =>
  app.request(path, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const create = (wish: object, bearer = token) =>
  ask("POST", "/v1/operator/keys", bearer, { name: "a key", ...wish });
const made = async (wish: object, bearer = token) => {
  const response = await create(wish, bearer);
  assert.equal(response.status, 201, await response.clone().text());
  return (await response.json()) as Key;
};
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; message: string } }).error;
const log = async (query = "") =>
  (await (await ask("GET", `/v1/operator/log${query}`, token)).json()) as {
    entries: {
      seq: number;
      who: string;
      scope: string;
      method: string;
      path: string;
      status: number | null;
    }[];
    next: number | null;
  };

test("a key does what its scopes say, and is told which one it lacks", async () => {
  const { secret } = await made({ scopes: ["datanets"] });
  assert.equal((await ask("POST", "/of/datanets", secret)).status, 201);
  assert.equal((await ask("GET", "/of/datanets", secret)).status, 200);
  const refused = await ask("POST", "/of/settlement", secret);
  assert.equal(refused.status, 403);
  const { code, message } = await errorOf(refused);
  assert.equal(code, "scope-missing");
  assert.match(message, /needs the scope settlement; key:[0-9a-f]{16} has datanets\./);
});

test("read opens everything that only reads, and nothing else", async () => {
  const { secret } = await made({ scopes: ["read"] });
  for (const scope of scopes) {
    assert.equal((await ask("GET", `/of/${scope}`, secret)).status, 200, scope);
    assert.equal((await ask("POST", `/of/${scope}`, secret)).status, scope === "read" ? 201 : 403, scope);
  }
});

test("no key creates one with more scopes, more time or more requests than its own", async () => {
  const expiresAtMs = now + 60_000;
  const parent = await made({ scopes: ["keys", "datanets"], expiresAtMs, requestsPerMinute: 500 });
  const wish = { scopes: ["datanets"], expiresAtMs, requestsPerMinute: 10 };
  const child = await made(wish, parent.secret);
  assert.deepEqual(child.scopes, ["datanets"]);
  for (const [change, status, code] of [
    [{ scopes: ["datanets", "backup"] }, 403, "scope-missing"],
    [{ expiresAtMs: null }, 400, "outlives-creator"],
    [{ expiresAtMs: expiresAtMs + 1 }, 400, "outlives-creator"],
    [{ requestsPerMinute: 501 }, 403, "scope-missing"],
    [{ expiresAtMs: now }, 400, "in-the-past"],
  ] as const) {
    const refused = await create({ ...wish, ...change }, parent.secret);
    assert.deepEqual([refused.status, (await errorOf(refused)).code], [status, code]);
  }
  assert.equal((await create(wish, child.secret)).status, 403, "without the scope keys");
  await fc.assert(
    fc.asyncProperty(fc.subarray([...scopes], { minLength: 1 }), async (wanted) => {
      const { status } = await create({ ...wish, scopes: wanted }, parent.secret);
      assert.equal(status, wanted.every((scope) => parent.scopes.includes(scope)) ? 201 : 403);
    }),
    { numRuns: 30 },
  );
});

test("a revoked key ends with those it created, and a key revokes none that can do more", async () => {
  const parent = await made({ scopes: ["keys", "read"] });
  const child = await made({ scopes: ["keys", "read"] }, parent.secret);
  const grandchild = await made({ scopes: ["read"] }, child.secret);
  const other = await made({ scopes: ["settlement"] });
  const over = await ask("DELETE", `/v1/operator/keys/${other.id}`, parent.secret);
  assert.deepEqual([over.status, (await errorOf(over)).code], [403, "scope-missing"]);
  const ended = await ask("DELETE", `/v1/operator/keys/${parent.id}`, token);
  const { keys } = (await ended.json()) as { keys: Key[] };
  assert.equal(keys[0]?.id, parent.id);
  assert.deepEqual(new Set(keys.map(({ id }) => id)), new Set([parent.id, child.id, grandchild.id]));
  for (const { secret } of [parent, child, grandchild]) {
    const refused = await ask("GET", "/of/read", secret);
    assert.deepEqual([refused.status, (await errorOf(refused)).code], [401, "key-revoked"]);
  }
  assert.equal((await ask("GET", "/of/settlement", other.secret)).status, 200);
  assert.equal((await ask("DELETE", `/v1/operator/keys/${"0".repeat(16)}`, token)).status, 404);
});

test("a key ends when it was to", async () => {
  const { secret, id } = await made({ scopes: ["read"], expiresAtMs: now + 1_000 });
  now += 999;
  assert.equal((await ask("GET", "/of/read", secret)).status, 200);
  now += 1;
  const refused = await ask("GET", "/of/read", secret);
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [401, "key-expired"]);
  const { keys } = (await (await ask("GET", "/v1/operator/keys?limit=200", token)).json()) as { keys: Key[] };
  const key = keys.find((one) => one.id === id);
  assert.deepEqual([key?.state, key?.lastUsedAtMs], ["expired", now - 1]);
});

test("each key has its own allowance of requests", async () => {
  const [one, two] = [
    await made({ scopes: ["read"], requestsPerMinute: 3 }),
    await made({ scopes: ["read"], requestsPerMinute: 3 }),
  ];
  for (let i = 0; i < 3; i++) assert.equal((await ask("GET", "/of/read", one.secret)).status, 200);
  const refused = await ask("GET", "/of/read", one.secret);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "20");
  assert.equal((await ask("GET", "/of/read", two.secret)).status, 200);
  now += 20_000;
  assert.equal((await ask("GET", "/of/read", one.secret)).status, 200);
});

test("strangers learn nothing: a wrong id, a wrong secret and no key are answered alike", async () => {
  const { secret, id } = await made({ scopes: ["read"] });
  const wrongSecret = `olk_${id}_${"A".repeat(43)}`;
  const wrongId = secret.replace(id, "0".repeat(16));
  const answers = await Promise.all(
    [undefined, "", "x", token.slice(1), wrongSecret, wrongId, `${secret}x`, secret.slice(0, -1), id].map(
      async (bearer) => {
        const response = await ask("POST", "/of/read", bearer);
        return [response.status, await response.text()];
      },
    ),
  );
  assert.equal(answers[0]?.[0], 401);
  assert.equal(new Set(answers.map(String)).size, 1);
});

test("the database holds no secret, and of a key's digest nothing leaves it", async () => {
  const { secret } = await made({ scopes: ["read"] });
  const rows = await database.query("select to_jsonb(k)::text as row from operators.keys k");
  const page = await (await ask("GET", "/v1/operator/keys?limit=200", token)).text();
  for (const text of [...rows.map(({ row }) => String(row)), page])
    assert.ok(!text.includes(secret) && !text.includes(secret.slice(-43)));
  assert.ok(!/digest/i.test(page));
});

test("the log says who did what with which result, before strangers and readers can fill it", async () => {
  const { secret, id } = await made({ scopes: ["datanets"] });
  const [before] = (await log("?limit=1")).entries;
  await ask("GET", "/of/datanets", secret); // reads, is not written down
  await ask("POST", "/of/datanets"); // a stranger
  await ask("POST", "/of/datanets?secret=1", secret);
  await ask("POST", "/fails", secret);
  await ask("POST", "/of/faucet", secret);
  await ask("POST", "/of/faucet", token);
  const { entries } = await log();
  const since = entries.filter(({ seq }) => seq > (before?.seq ?? 0)).reverse();
  assert.deepEqual(
    since.map(({ who, scope, method, path, status }) => [who, scope, method, path, status]),
    [
      [`key:${id}`, "datanets", "POST", "/of/datanets", 201],
      [`key:${id}`, "datanets", "POST", "/fails", 500],
      [`key:${id}`, "faucet", "POST", "/of/faucet", 403],
      ["root", "faucet", "POST", "/of/faucet", 201],
    ],
  );
  for (let i = 0; i < 30; i++) await ask("POST", "/of/faucet", secret);
  const refusals = (await log("?limit=200")).entries.filter((e) => e.who === `key:${id}` && e.status === 403);
  assert.equal(refusals.length, 10, "ten a minute are written down");
});

test("pages of the log and of keys join without a gap", async () => {
  const whole = (await log("?limit=200")).entries.map(({ seq }) => seq);
  const pages: number[] = [];
  for (let next: number | null = Number.MAX_SAFE_INTEGER; next !== null; ) {
    const page = await log(`?limit=7&before=${next}`);
    pages.push(...page.entries.map(({ seq }) => seq));
    next = page.next;
  }
  assert.deepEqual(pages.slice(0, whole.length), whole);
  const ids: string[] = [];
  for (let after: string | null = ""; after !== null; ) {
    const query: string = after === "" ? "" : `&after=${after}`;
    const answer = await ask("GET", `/v1/operator/keys?limit=3${query}`, token);
    const page = (await answer.json()) as { keys: Key[]; next: string | null };
    ids.push(...page.keys.map(({ id }) => id));
    after = page.next;
  }
  const [{ count }] = (await database.query("select count(*) as count from operators.keys")) as [
    { count: number },
  ];
  assert.equal(new Set(ids).size, count);
  assert.equal(ids.length, count);
});

test("what is no request for a key is refused with a reason", async () => {
  for (const body of [{}, { scopes: [] }, { scopes: ["root"] }, { scopes: ["read"], extra: 1 }])
    assert.equal((await create(body)).status, 400, JSON.stringify(body));
  const large = await create({ scopes: ["read"], name: "x".repeat(9_000) });
  assert.equal(large.status, 413);
  const broken = await app.request("/v1/operator/keys", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: "{",
  });
  assert.deepEqual([broken.status, (await errorOf(broken)).code], [400, "invalid-request"]);
});
