import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OpenAPIHono } from "@hono/zod-openapi";
import fc from "fast-check";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { createSiweMessage } from "viem/siwe";
import { openScratchDatabase } from "../store/index.ts";
import { openOperators } from "./service.ts";
import { sessionRoutes } from "./session-routes.ts";

const origin = "http://127.0.0.1:4000";
const https = "https://node.example";
const chainId = 161_612;
const operator = privateKeyToAccount(`0x${"11".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const database = await openScratchDatabase();
after(() => database.close());
let now = 1_800_000_000_000;
const operators = await openOperators({
  ...{ database, rootToken: "r".repeat(43), now: () => now, warn: assert.fail },
  ...{
    chainId,
    origins: () => [origin, https],
    operators: [operator.address.toLowerCase() as `0x${string}`],
  },
});
const app = new OpenAPIHono();
app.route("/", sessionRoutes(operators.sessions, chainId));
for (const scope of ["datanets", "backup"] as const)
  app.on(["GET", "POST"], `/of/${scope}`, operators.guard(scope), (context) => context.json({}));

type Headers = Record<string, string>;
const here = { incoming: { socket: { remoteAddress: "127.0.0.1" } } };
const ask = (method: string, path: string, headers: Headers = {}, body?: object, env: object = here) =>
  app.request(
    path,
    {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    env,
  );
const own = { origin };
const nonceOf = async () =>
  ((await (await ask("GET", "/v1/session/nonce")).json()) as { nonce: string }).nonce;
const fields = async (address: `0x${string}`) => ({
  ...{ address, chainId, domain: "127.0.0.1:4000", uri: origin, version: "1" as const },
  ...{ nonce: await nonceOf(), issuedAt: new Date(now) },
});
const send = async (message: string, by = operator, headers: Headers = own, env?: object) =>
  ask("POST", "/v1/session", headers, { message, signature: await by.signMessage({ message }) }, env);
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; message: string } }).error;
const cookieOf = (response: Response) => response.headers.get("set-cookie")?.split(";")[0] ?? "";
const signIn = async (by = operator) => {
  const response = await send(createSiweMessage(await fields(by.address)), by);
  assert.equal(response.status, 200, await response.clone().text());
  return cookieOf(response);
};

test("whoever signs in ten thousand times ends sessions of its own, and keeps nobody else out", async () => {
  const mine = await signIn(stranger);
  await database.query(
    `insert into operators.sessions (digest, address, created_at_ms, last_used_at_ms, expires_at_ms, opened_from)
     select decode(lpad(to_hex(n), 64, '0'), 'hex'), '0x' || lpad(to_hex(n), 40, '0'), $1, $1::bigint + n, $1::bigint + 1e9::bigint, '203.0.113.9'
     from generate_series(1, 9999) n`,
    [now],
  );
  const other = privateKeyToAccount(generatePrivateKey());
  const theirs = await signIn(other);
  const [first] = await database.query(
    "select min(last_used_at_ms) - $1 as n from operators.sessions where opened_from = '203.0.113.9'",
    [now],
  );
  assert.deepEqual(first, { n: 2 }, "the one that was used longest ago has ended");
  assert.deepEqual(await database.query("select count(*) as count from operators.sessions"), [
    { count: 10_000 },
  ]);
  for (const [cookie, by] of [
    [mine, stranger],
    [theirs, other],
  ] as const) {
    const { session } = (await (await ask("GET", "/v1/session", { cookie, ...own })).json()) as {
      session: { address: string };
    };
    assert.equal(session.address, by.address.toLowerCase());
  }
  await database.query("delete from operators.sessions");
});

test("ten thousand sessions of ten thousand networks keep their room among themselves: no operator's session ends", async () => {
  const operators = await signIn();
  await database.query("update operators.sessions set last_used_at_ms = $1, opened_from = '0'", [
    now - 1_000,
  ]);
  await database.query(
    `insert into operators.sessions (digest, address, created_at_ms, last_used_at_ms, expires_at_ms, opened_from)
     select decode(lpad(to_hex(n), 64, '0'), 'hex'), '0x' || lpad(to_hex(n), 40, '0'), $1, $1::bigint - n % 500, $1::bigint + 1e9::bigint, '2001:db8:' || n || '::'
     from generate_series(1, 9999) n`,
    [now],
  );
  const theirs = await signIn(stranger);
  for (const [cookie, by] of [
    [operators, operator],
    [theirs, stranger],
  ] as const) {
    const { session } = (await (await ask("GET", "/v1/session", { cookie, ...own })).json()) as {
      session: { address: string } | null;
    };
    assert.equal(session?.address, by.address.toLowerCase());
  }
  const [gone] = await database.query(
    `select n % 500 as n from generate_series(1, 9999) n left join operators.sessions on opened_from = '2001:db8:' || n || '::' where digest is null`,
  );
  assert.deepEqual(gone, { n: 499 }, "one of those that were used longest ago");
  assert.deepEqual(await database.query("select count(*) as count from operators.sessions"), [
    { count: 10_000 },
  ]);
  await database.query("delete from operators.sessions");
});

test("a wallet signs in, is told who it is, acts, and signs out", async () => {
  const response = await send(
    createSiweMessage({ ...(await fields(operator.address)), statement: "Welcome." }),
  );
  assert.match(
    response.headers.get("set-cookie") ?? "",
    /^openledger-session=[\w-]{43}; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  const cookie = cookieOf(response);
  const { session } = (await (await ask("GET", "/v1/session", { cookie, ...own })).json()) as {
    session: { address: string; operator: boolean; scopes: string[] };
  };
  assert.equal(session.address, operator.address.toLowerCase());
  assert.ok(session.operator && session.scopes.includes("datanets") && !session.scopes.includes("backup"));
  assert.equal((await ask("POST", "/of/datanets", { cookie, ...own })).status, 200);
  const [entry] = await operators.listLog({ limit: 1 });
  assert.deepEqual([entry?.who, entry?.status], [`session:${operator.address.toLowerCase()}`, 200]);
  const backup = await ask("POST", "/of/backup", { cookie, ...own });
  assert.deepEqual([backup.status, (await errorOf(backup)).code], [403, "scope-missing"]);
  const out = await ask("DELETE", "/v1/session", { cookie, ...own });
  assert.match(out.headers.get("set-cookie") ?? "", /^openledger-session=; Max-Age=0; Path=\//);
  assert.equal((await ask("POST", "/of/datanets", { cookie, ...own })).status, 401);
  assert.deepEqual(await (await ask("GET", "/v1/session", { cookie, ...own })).json(), { session: null });
});

test("whoever is not the operator is signed in and acts in nobody's name", async () => {
  const cookie = await signIn(stranger);
  const { session } = (await (await ask("GET", "/v1/session", { cookie, ...own })).json()) as {
    session: { operator: boolean; scopes: string[] };
  };
  assert.deepEqual([session.operator, session.scopes], [false, []]);
  const refused = await ask("GET", "/of/datanets", { cookie, ...own });
  assert.deepEqual([refused.status, (await errorOf(refused)).code], [403, "not-operator"]);
});

test("a session begins to act when its address is admitted, and ends to when it is dismissed", async () => {
  const cookie = await signIn(stranger);
  const address = stranger.address.toLowerCase() as `0x${string}`;
  const status = async () => (await ask("POST", "/of/datanets", { cookie, ...own })).status;
  assert.equal(await status(), 403);
  await operators.people.admit(address, "root");
  assert.equal(await status(), 200);
  await operators.people.dismiss(address);
  assert.equal(await status(), 403);
});

test("over https the cookie is Secure", async () => {
  const message = createSiweMessage({
    ...(await fields(operator.address)),
    domain: "node.example",
    uri: `${https}/sign-in`,
  });
  assert.match(
    (await send(message, operator, { origin: https })).headers.get("set-cookie") ?? "",
    /; Secure/,
  );
});

test("a message for another place, chain, time or signer is refused, and says why", async () => {
  const good = await fields(operator.address);
  const refused = async (change: object, why: RegExp, by = operator) => {
    const response = await send(createSiweMessage({ ...good, ...change }), by);
    const { code, message } = await errorOf(response);
    assert.deepEqual([response.status, code], [400, "bad-sign-in"]);
    assert.match(message, why);
  };
  await refused(
    { domain: "evil.example" },
    /for domain evil\.example .* expected http:\/\/127\.0\.0\.1:4000/,
  );
  await refused({ domain: "evil.example", uri: "https://evil.example" }, /for domain evil/);
  await refused({ uri: "https://evil.example" }, /for domain 127/);
  await refused({ domain: "127.0.0.1:4001" }, /for domain/);
  await refused({ scheme: "https" }, /its scheme is https/);
  await refused({ chainId: 1 }, /for chain 1, expected 161612/);
  await refused({ expirationTime: new Date(now) }, /not valid now/);
  await refused({ notBefore: new Date(now + 1) }, /not valid now/);
  await refused({}, /signature is not/, stranger);
  for (const broken of [
    `${createSiweMessage(good)}\nand more`,
    createSiweMessage(good).replace("\n\nURI", "\n\nof\n\nURI").replace("Version: 1", "Version: 2"),
    createSiweMessage(good).replace("Issued At: ", "Issued At: yesterday "),
    "hello",
  ]) {
    const response = await send(broken);
    assert.match((await errorOf(response)).message, /not an EIP-4361 message/, broken);
  }
  assert.equal((await send(createSiweMessage(good))).status, 200, "the nonce was not used up by those");
});

test("times in any form of RFC 3339 are read", async () => {
  const message = createSiweMessage(await fields(operator.address));
  const iso = new Date(now).toISOString();
  assert.equal((await send(message.replace(iso, iso.replace(".000Z", "+00:00")))).status, 200);
});

test("a nonce is good once, for five minutes, and only of this node", async () => {
  const message = createSiweMessage(await fields(operator.address));
  const [one, two] = await Promise.all([send(message), send(message)]);
  assert.deepEqual([one.status, two.status].sort(), [200, 400]);
  const late = createSiweMessage(await fields(operator.address));
  now += 5 * 60_000;
  const codes = [];
  for (const text of [
    message,
    late,
    createSiweMessage({ ...(await fields(operator.address)), nonce: "a".repeat(76) }),
  ])
    codes.push((await errorOf(await send(text))).code);
  assert.deepEqual(codes, Array(3).fill("nonce-refused"));
});

test("a session ends when it is idle, when its time is over, or when the message said", async () => {
  const alive = async (cookie: string) =>
    (await ask("GET", "/of/datanets", { cookie, ...own })).status === 200;
  const hour = 3_600_000;
  const [idle, used] = [await signIn(), await signIn()];
  for (let days = 0; days < 13; days++) {
    now += 23 * hour;
    assert.ok(await alive(used), `used daily, day ${days}`);
  }
  assert.equal(await alive(idle), false);
  now += 14 * 24 * hour - 13 * 23 * hour;
  assert.equal(await alive(used), false);
  const message = createSiweMessage({
    ...(await fields(operator.address)),
    expirationTime: new Date(now + hour),
  });
  const short = cookieOf(await send(message));
  now += hour;
  assert.equal(await alive(short), false);
});

test("an address has at most twenty sessions: the one used longest ago goes", async () => {
  const cookies = [];
  for (let i = 0; i < 21; i++) {
    now += 1;
    cookies.push(await signIn(stranger));
  }
  const there = await Promise.all(
    cookies.map(async (cookie) => {
      const found = (await (await ask("GET", "/v1/session", { cookie, ...own })).json()) as {
        session: object | null;
      };
      return found.session !== null;
    }),
  );
  assert.deepEqual(there, [false, ...Array(20).fill(true)]);
});

test("strangers cannot sign in without end", async () => {
  const env = { incoming: { socket: { remoteAddress: "192.0.2.7" } } };
  const statuses = [];
  for (let i = 0; i < 31; i++) statuses.push((await send("no", stranger, own, env)).status);
  assert.deepEqual(statuses, [...Array(30).fill(400), 429]);
});

test("the database holds no token", async () => {
  const token = (await signIn()).split("=")[1] as string;
  const rows = await database.query("select to_jsonb(s)::text as row from operators.sessions s");
  assert.ok(rows.length > 0 && !rows.some(({ row }) => String(row).includes(token)));
});

test("a cookie counts with one proof that the node's own page asked, and none against it", async () => {
  const cookie = await signIn();
  const status = async (headers: Headers, method = "POST") =>
    (await ask(method, "/of/datanets", { cookie, ...headers })).status;
  for (const method of ["GET", "POST"]) {
    assert.equal(await status({ origin }, method), 200);
    assert.equal(await status({ "sec-fetch-site": "same-origin" }, method), 200);
    assert.equal(await status({ "x-openledger": "1" }, method), 200);
    assert.equal(await status({}, method), 403);
  }
  const origins = [
    undefined,
    origin,
    https,
    "null",
    "http://127.0.0.1:4001",
    "http://localhost:4000",
    "https://evil.example",
  ];
  const sites = [undefined, "same-origin", "same-site", "cross-site", "none"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "POST"),
      fc.constantFrom(...origins),
      fc.constantFrom(...sites),
      fc.boolean(),
      async (method, from, site, marked) => {
        const headers = {
          ...(from === undefined ? {} : { origin: from }),
          ...(site === undefined ? {} : { "sec-fetch-site": site }),
          ...(marked ? { "x-openledger": "1" } : {}),
        };
        const against =
          (from !== undefined && from !== origin && from !== https) ||
          (site !== undefined && site !== "same-origin");
        const proven = from !== undefined || site !== undefined || marked;
        assert.equal(await status(headers, method), proven && !against ? 200 : 403);
        const message = "not read: the origin comes first";
        const signing = await ask("POST", "/v1/session", headers, {
          message,
          signature: `0x${"00".repeat(65)}`,
        });
        assert.equal((await errorOf(signing)).code, proven && !against ? "bad-sign-in" : "foreign-origin");
      },
    ),
    { numRuns: 60 },
  );
});

test("a bearer token decides alone: a cookie adds nothing to a wrong one", async () => {
  const cookie = await signIn();
  const refused = await ask("POST", "/of/datanets", { cookie, ...own, authorization: "Bearer wrong" });
  assert.equal(refused.status, 401);
  const foreign = { authorization: `Bearer ${"r".repeat(43)}`, origin: "https://evil.example" };
  assert.equal((await ask("POST", "/of/datanets", foreign)).status, 200, "no page knows the token");
});

test("any account that signs for this node is believed to be itself, and nobody else", async () => {
  for (let i = 0; i < 5; i++) {
    const [one, other] = [
      privateKeyToAccount(generatePrivateKey()),
      privateKeyToAccount(generatePrivateKey()),
    ];
    const message = createSiweMessage(await fields(one.address));
    assert.equal((await send(message, other)).status, 400);
    const found = (await (await send(message, one)).json()) as { address: string };
    assert.equal(found.address, one.address.toLowerCase());
  }
});
