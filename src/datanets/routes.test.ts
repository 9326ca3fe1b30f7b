import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { MiddlewareHandler } from "hono";
import { keccak256 } from "viem";
import { digestSchema, verifyVersionLeaf } from "../protocol/index.ts";
import {
  ada,
  bo,
  card,
  chunksOf,
  example,
  lines,
  openWorld,
  owner,
  signed,
  type World,
} from "./fixtures/world.ts";
import { licenses } from "./licenses.ts";
import { datanetRoutes } from "./routes.ts";
import { createDatanets, type Datanets } from "./service.ts";

let world: World;
let service: Datanets;
let app: ReturnType<typeof datanetRoutes>;

const guard: MiddlewareHandler = async (context, next) => {
  if (context.req.header("authorization") !== "Bearer operator") return context.json({ error: {} }, 403);
  await next();
};

before(async () => {
  world = await openWorld();
  service = await createDatanets({
    ...world,
    limits: { lineBytesMax: 1_000, rowsMax: 50, totalBytesMax: 10_000 },
    countTokens: (text) => text.length,
  });
  app = datanetRoutes(service, { operator: { account: owner, guard } });
});
after(() => world.close());

const operator = { authorization: "Bearer operator" };

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Answer = { status: number; body: any };

async function send(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await app.request(path, { method, ...init });
  return { status: response.status, body: await response.json() };
}

async function contribution(
  datanetId: string,
  who: typeof ada,
  text: string,
  split?: "heldout",
): Promise<[string, RequestInit]> {
  const { consent, signature } = await signed(world.registry, BigInt(datanetId), who, text);
  const query = new URLSearchParams({
    contributor: consent.contributor,
    examplesDigest: consent.examplesDigest,
    exampleCount: String(consent.exampleCount),
    license: consent.license,
    signedAt: String(consent.signedAt),
    signature,
    ...(split ? { split } : {}),
  });
  const body = new ReadableStream({
    async start(controller) {
      for await (const chunk of chunksOf(text)) controller.enqueue(chunk);
      controller.close();
    },
  });
  return [
    `/v1/datanets/${datanetId}/contributions?${query}`,
    { body, duplex: "half", headers: { "content-type": "application/jsonl" } } as RequestInit,
  ];
}

async function create(name: string): Promise<string> {
  const made = await send("POST", "/v1/datanets", {
    headers: { ...operator, "content-type": "application/json" },
    body: JSON.stringify({ ...card, name }),
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.datanetId;
}

test("the whole way over HTTP: create, preview, contribute, publish, read, prove", async () => {
  const id = await create("Over HTTP");
  const text = lines(example(1), example(2), example(1));
  const preview = await send("POST", `/v1/datanets/${id}/preview`, { body: text });
  assert.equal(preview.status, 200);
  assert.deepEqual(preview.body.signing, {
    chainId: world.registry.domain.chainId,
    verifyingContract: world.registry.domain.verifyingContract,
  });

  const given = await send("POST", ...(await contribution(id, ada, text)));
  assert.equal(given.status, 201, JSON.stringify(given.body));
  assert.deepEqual(
    [given.body.accepted, given.body.duplicates, given.body.rows[2].duplicateOf.line],
    [2, 1, 1],
  );
  assert.equal(
    (await send("POST", ...(await contribution(id, bo, lines(example(5)), "heldout")))).status,
    201,
  );
  const report = await send("GET", `/v1/contributions/${given.body.contributionId}`);
  assert.deepEqual(report.body, given.body);
  const page = async (query: string) => {
    const { body } = await send("GET", `/v1/contributions/${given.body.contributionId}?${query}`);
    assert.deepEqual(
      [body.exampleCount, body.accepted, body.duplicates],
      [3, 2, 1],
      "counts are of all rows",
    );
    return body.rows.map(({ line }: { line: number }) => line);
  };
  assert.deepEqual(await page("limit=2"), [1, 2]);
  assert.deepEqual(await page("limit=2&offset=2"), [3]);
  assert.deepEqual(await page("status=duplicate"), [3]);
  assert.deepEqual([await page("status=accepted&offset=1"), await page("status=withdrawn")], [[2], []]);

  assert.equal((await send("GET", `/v1/datanets/${id}/next`)).status, 403);
  const next = await send("GET", `/v1/datanets/${id}/next`, { headers: operator });
  const { cost, ...holds } = next.body;
  assert.deepEqual(holds, {
    ...{ datanetId: id, version: 1, license: card.license, count: 2, heldoutCount: 1, contributors: 2 },
    ...{ added: 3, removed: 0, pending: 0 },
  });
  const before = await world.balance(owner.address);
  const published = await send("POST", `/v1/datanets/${id}/versions`, { headers: operator });
  const paid = before - (await world.balance(owner.address));
  assert.ok(paid > 0n && paid <= BigInt(cost.feeWei), `${paid} was paid, ${cost.feeWei} foretold`);
  assert.deepEqual([published.status, published.body.version, published.body.heldoutCount], [201, 1, 1]);
  const again = await send("POST", `/v1/datanets/${id}/versions`, { headers: operator });
  assert.deepEqual([again.status, again.body], [200, published.body]);

  const same = await send("GET", `/v1/datanets/${id}/next`, { headers: operator });
  assert.deepEqual([same.body.version, same.body.added, same.body.cost], [2, 0, null]);
  const told = await app.request(`/v1/datanets/${id}/versions`, {
    method: "POST",
    headers: { ...operator, accept: "application/x-ndjson" },
  });
  const said = (await told.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    [said.map(({ progress }) => progress?.stage), said.at(-1).status],
    [["gathering", "storing", undefined], 200],
  );

  const rows = await send("GET", `/v1/datanets/${id}/versions/1/rows?offset=1&limit=1`);
  assert.deepEqual([rows.body.total, rows.body.rows.length, rows.body.rows[0].example], [2, 1, example(2)]);
  const [row] = rows.body.rows;
  assert.ok(
    verifyVersionLeaf(
      published.body.root,
      {
        index: row.index,
        exampleDigest: row.digest,
        contributor: row.contributor,
        licenseDigest: row.licenseDigest,
        consentDigest: row.consentDigest,
      },
      row.proof,
    ),
  );
  const heldout = await send("GET", `/v1/datanets/${id}/versions/1/rows?split=heldout`);
  assert.deepEqual(heldout.body.rows[0].example, example(5));

  const search = async (query: string) => {
    const { body } = await send("GET", `/v1/datanets/${id}/versions/1/rows?${query}`);
    return [body.total, body.rows.map(({ index }: { index: number }) => index)];
  };
  const { prompt } = example(2) as { prompt: string };
  assert.deepEqual(
    await search(`search=${encodeURIComponent(prompt.toUpperCase())}`),
    [1, [1]],
    "in any case",
  );
  assert.deepEqual(await search(`search=${row.digest}`), [1, [1]], "by digest");
  assert.deepEqual(await search("search=nothing-of-the-kind"), [0, []]);
  assert.deepEqual(await search(`contributor=${ada.address}&offset=1`), [2, [1]]);
  assert.deepEqual(await search(`contributor=${bo.address}`), [0, []]);
  assert.deepEqual(await search(`contributor=${bo.address}&split=heldout`), [1, [0]]);

  const { body: bars } = await send("GET", `/v1/datanets/${id}/versions/1/histograms`);
  const characters = prompt.length + (example(2) as { completion: string }).completion.length;
  assert.deepEqual(
    [bars.total, bars.looked, bars.tokens, bars.withdrawn],
    [2, 2, [{ from: characters, to: characters, rows: 2 }], 0],
  );
  assert.deepEqual(bars.contributors, [{ contributor: ada.address.toLowerCase(), rows: 2 }]);
  const [{ language }] = bars.languages;
  assert.deepEqual(await search(`language=${language ?? "unknown"}&standing=counts&offset=1`), [2, [1]]);
  assert.deepEqual(await search(`minTokens=${characters}&maxTokens=${characters}&offset=1`), [2, [1]]);
  assert.deepEqual(await search(`minTokens=${characters + 1}`), [0, []]);
  assert.deepEqual(await search("standing=withdrawn"), [0, []]);

  const { body: given2 } = await send("GET", `/v1/datanets/${id}/contributors`);
  assert.deepEqual(
    given2.contributors.map((one: Record<string, unknown>) => [
      one.contributor,
      one.trainRows,
      one.heldoutRows,
    ]),
    [
      [ada.address.toLowerCase(), 2, 0],
      [bo.address.toLowerCase(), 0, 1],
    ],
  );
  const sourced = `${JSON.stringify({ example: example(7), source: { file: "a.csv", line: 2 } })}\n`;
  const { body: located } = await send("POST", ...(await contribution(id, bo, sourced)));
  assert.deepEqual(located.rows[0].source, { file: "a.csv", line: 2 }, "where it came from is kept");
  assert.equal((await send("POST", `/v1/datanets/${id}/versions`, { headers: operator })).body.version, 2);
  const versions = async (query: string) => {
    const { body } = await send("GET", `/v1/datanets/${id}/versions?${query}`);
    return body.versions.map(({ version }: { version: number }) => version);
  };
  assert.deepEqual(await versions(""), [2, 1]);
  assert.deepEqual([await versions("limit=1"), await versions("limit=1&before=2")], [[2], [1]]);
  assert.deepEqual(await versions("before=1"), []);

  const { body: hers } = await send("GET", `/v1/datanets/${id}/contributions?contributor=${ada.address}`);
  assert.deepEqual(
    hers.contributions.map((one: Record<string, unknown>) => [one.contributionId, one.accepted, one.pending]),
    [[given.body.contributionId, 2, 0]],
  );
  const { body: elsewhere } = await send("GET", `/v1/contributions?contributor=${ada.address}&limit=1`);
  assert.deepEqual(elsewhere, { contributions: hers.contributions }, "a contributor's, of whatever Datanet");
  assert.equal(hers.contributions[0].datanetId, id);

  const manifest = await app.request(`/v1/datanets/${id}/versions/1/manifest`);
  const bytes = new Uint8Array(await manifest.arrayBuffer());
  assert.equal(keccak256(bytes), digestSchema.parse(published.body.manifestDigest));

  const found = await send("GET", `/v1/datanets/${id}`);
  assert.deepEqual([found.body.versions, found.body.trainRows, found.body.heldoutRows], [2, 3, 1]);
  const list = await send("GET", "/v1/datanets?limit=1");
  assert.equal(list.body.datanets[0].datanetId, id);
  assert.deepEqual((await send("GET", "/v1/licenses")).body.licenses, licenses);
});

test("errors are told apart by status and code, and say where", async () => {
  const id = await create("Errors");
  const bad = await contribution(id, ada, lines(example(1)));
  bad[1].body = `${lines(example(1))}{"prompt":"a" "completion":"b"}\n`;
  const malformed = await send("POST", ...bad);
  assert.deepEqual(
    [malformed.status, malformed.body.error.code, malformed.body.error.details],
    [400, "malformed-upload", { line: 2, column: 15 }],
  );
  const tooLarge = await send("POST", `/v1/datanets/${id}/preview`, {
    body: `{"prompt":"${"x".repeat(2_000)}`,
  });
  assert.deepEqual([tooLarge.status, tooLarge.body.error.code], [413, "too-large"]);

  const ours = await contribution(id, ada, lines(example(1)));
  const forged = await send("POST", ours[0].replace(ada.address, bo.address), ours[1]);
  assert.deepEqual([forged.status, forged.body.error.code], [403, "consent-forged"]);
  const twice = await contribution(id, ada, lines(example(3)));
  assert.equal((await send("POST", twice[0], { body: lines(example(3)) })).status, 201);
  const replayed = await send("POST", twice[0], { body: lines(example(3)) });
  assert.deepEqual([replayed.status, replayed.body.error.code], [409, "consent-replayed"]);

  for (const [path, status, code] of [
    ["/v1/datanets/999", 404, "unknown-datanet"],
    [`/v1/datanets/${id}/versions/7`, 404, "unknown-version"],
    ["/v1/contributions/999999", 404, "unknown-contribution"],
    ["/v1/datanets/x", 400, "invalid-request"],
    ["/v1/datanets/01", 400, "invalid-request"],
    ["/v1/datanets?limit=1000", 400, "invalid-request"],
    [`/v1/datanets/${id}/versions/1/rows?limit=501`, 400, "invalid-request"],
    [`/v1/datanets/${id}/versions/-1`, 400, "invalid-request"],
    [`/v1/datanets/${id}/versions?limit=101`, 400, "invalid-request"],
    ["/v1/contributions/1?limit=501", 400, "invalid-request"],
    ["/v1/contributions/1?status=lost", 400, "invalid-request"],
  ] as const) {
    const answer = await send("GET", path);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], path);
  }
  const form = await send("POST", "/v1/datanets", { body: new FormData(), headers: operator });
  assert.deepEqual([form.status, form.body.error.code], [415, "unsupported-media-type"]);
  const noSignature = await send("POST", twice[0].replace(/signature=0x../, "signature=0x"), { body: "x" });
  assert.equal(noSignature.status, 400);
  assert.match(noSignature.body.error.message, /^signature: expected 0x and 130 hex digits/);
});

test("creating and publishing need the operator's leave, and do not exist without an operator", async () => {
  const body = JSON.stringify({ ...card, name: "Nobody's" });
  const headers = { "content-type": "application/json" };
  assert.equal((await send("POST", "/v1/datanets", { body, headers })).status, 403);
  const id = await create("Somebody's");
  assert.equal((await send("POST", `/v1/datanets/${id}/versions`)).status, 403);
  const strange = { headers: { authorization: "Bearer olr_made-up" } };
  assert.equal(
    (await send("POST", `/v1/datanets/${id}/versions`, strange)).body.error.code,
    "access-needed",
    "a pass that is none publishes nothing",
  );
  assert.equal((await send("POST", "/v1/datanets/x/versions", strange)).status, 400);
  const open = datanetRoutes(service);
  assert.equal((await open.request("/v1/datanets", { method: "POST", body, headers })).status, 404);
  assert.equal((await open.request(`/v1/datanets/${id}`)).status, 200);
  const unknown = await send("POST", "/v1/datanets", {
    headers: { ...headers, ...operator },
    body: JSON.stringify({ ...card, license: "WTFPL" }),
  });
  assert.deepEqual([unknown.status, unknown.body.error.code], [400, "unknown-license"]);
});

test("the OpenAPI document describes every route", () => {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "OpenLedger", version: "1" },
  });
  const paths = Object.keys(document.paths ?? {}).sort();
  assert.deepEqual(paths, [
    "/v1/contributions",
    "/v1/contributions/{contributionId}",
    "/v1/contributions/{contributionId}/edits",
    "/v1/datanets",
    "/v1/datanets/convert",
    "/v1/datanets/{datanetId}",
    "/v1/datanets/{datanetId}/access",
    "/v1/datanets/{datanetId}/contributions",
    "/v1/datanets/{datanetId}/contributors",
    "/v1/datanets/{datanetId}/contributors/{contributor}/stake",
    "/v1/datanets/{datanetId}/curators",
    "/v1/datanets/{datanetId}/curators/{curator}",
    "/v1/datanets/{datanetId}/elections",
    "/v1/datanets/{datanetId}/elections/{electionId}/votes",
    "/v1/datanets/{datanetId}/next",
    "/v1/datanets/{datanetId}/preview",
    "/v1/datanets/{datanetId}/readers",
    "/v1/datanets/{datanetId}/readers/{reader}",
    "/v1/datanets/{datanetId}/reads",
    "/v1/datanets/{datanetId}/review",
    "/v1/datanets/{datanetId}/review/decisions",
    "/v1/datanets/{datanetId}/review/queue",
    "/v1/datanets/{datanetId}/rules",
    "/v1/datanets/{datanetId}/versions",
    "/v1/datanets/{datanetId}/versions/{version}",
    "/v1/datanets/{datanetId}/versions/{version}/diff",
    "/v1/datanets/{datanetId}/versions/{version}/files/{name}",
    "/v1/datanets/{datanetId}/versions/{version}/histograms",
    "/v1/datanets/{datanetId}/versions/{version}/import",
    "/v1/datanets/{datanetId}/versions/{version}/manifest",
    "/v1/datanets/{datanetId}/versions/{version}/rows",
    "/v1/datanets/{datanetId}/versions/{version}/withdrawn",
    "/v1/datanets/{datanetId}/withdrawals",
    "/v1/licenses",
  ]);
  assert.deepEqual(
    Object.keys(app.getOpenAPIDocument({ openapi: "3.0.0", info: document.info }).paths).sort(),
    paths,
    "the older generator can describe it, too",
  );
  const names = (document.paths?.["/v1/datanets/{datanetId}/contributions"]?.post?.parameters ?? []).map(
    (parameter) => "name" in parameter && parameter.name,
  );
  assert.ok(names.includes("signature") && names.includes("split"));
});

test("a preview and a contribution tell how they go on, where that is asked for; errors come under their status", async () => {
  const id = await create("Watched");
  const watched = async (path: string, init: RequestInit) => {
    const headers = { "content-type": "application/jsonl", accept: "application/x-ndjson" };
    const response = await app.request(path, { method: "POST", ...init, headers });
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/x-ndjson"]);
    const told = (await response.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Answer & { progress?: { stage: string; done: number; of: number } });
    return { progress: told.flatMap(({ progress }) => progress ?? []), last: told.at(-1) };
  };
  const text = lines(example(1), example(2));
  const { progress, last } = await watched(`/v1/datanets/${id}/preview`, { body: text });
  assert.ok(progress.length > 5 && progress.every(({ done, of }, i) => done === i && of === progress.length));
  assert.deepEqual(
    last,
    JSON.parse(
      JSON.stringify({
        status: 200,
        answer: (await send("POST", `/v1/datanets/${id}/preview`, { body: text })).body,
      }),
    ),
  );
  const given = await watched(...(await contribution(id, ada, text)));
  assert.equal(given.last?.status, 201);
  const broken = await watched(`/v1/datanets/${id}/preview`, { body: "no JSON" });
  const { status, answer } = broken.last as unknown as { status: number; answer: Answer["body"] };
  assert.deepEqual([status, answer.error.code], [400, "malformed-upload"]);
});

test("uploads that do not end hold a bounded part of memory, and one subscriber's a part of that", async () => {
  const { datanetId } = await service.create(owner, { ...card, name: "Slow" });
  const text = lines(...Array.from({ length: 9 }, (_, n) => example(`${n}${"x".repeat(420)}`)));
  const ends: (() => void)[] = [];
  const previewed = async (remoteAddress: string) => {
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(Buffer.from(text));
        await new Promise<void>((resolve) => {
          ends.push(resolve);
        });
        controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half", headers: { "content-type": "application/jsonl" } };
    const env = { incoming: { socket: { remoteAddress } } };
    return (
      await app.request(`/v1/datanets/${datanetId}/preview`, init as RequestInit, env)
    ).json() as Promise<Answer["body"]>;
  };
  const refused = async (remoteAddress: string) => (await previewed(remoteAddress)).error?.code;
  const held = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(previewed);
  await setTimeout(200);
  assert.deepEqual(
    [await refused("192.0.2.1"), await refused("192.0.2.4")],
    ["too-many-uploads", "too-many-uploads"],
  );
  for (const end of ends.splice(0)) end();
  for (const answer of await Promise.all(held)) assert.equal(answer.exampleCount, 9);
  const again = previewed("192.0.2.4");
  await setTimeout(50);
  for (const end of ends) end();
  assert.equal((await again).exampleCount, 9);
});

test("contributions that wait for their turn count once, from their first byte to their answer", async () => {
  const { promise: quiet, resolve: goOn } = Promise.withResolvers<void>();
  const limits = { lineBytesMax: 1_000, rowsMax: 50, totalBytesMax: 10_000 };
  const busy = await createDatanets({ ...world, limits, onPrivate: () => quiet });
  const busyApp = datanetRoutes(busy);
  const { datanetId } = await busy.create(owner, { ...card, name: "Busy" });
  const settingUp = busy.access.setRule(datanetId, { kind: "request", terms: "Ask first." });
  const rowsOf = (who: number) =>
    lines(...Array.from({ length: 18 }, (_, n) => example(`${who} ${n} ${"x".repeat(210)}`)));
  const from = async (who: number, [path, init]: [string, RequestInit]) => {
    const env = { incoming: { socket: { remoteAddress: `192.0.2.${who}` } } };
    const response = await busyApp.request(path, { method: "POST", ...init }, env);
    return { status: response.status, body: (await response.json()) as Answer["body"] };
  };
  const arrived: Promise<void>[] = [];
  const given = [1, 2, 3].map(async (who) => {
    const [path, init] = await contribution(`${datanetId}`, ada, rowsOf(who));
    const { promise, resolve } = Promise.withResolvers<void>();
    arrived.push(promise);
    // Asked for more only once what came was taken.
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from(rowsOf(who))),
      pull(controller) {
        resolve();
        controller.close();
      },
    });
    return [path, { ...init, body }] as [string, RequestInit];
  });
  const waiting = (await Promise.all(given)).map((one, who) => from(who, one));
  await Promise.all(arrived);
  await setTimeout(0);
  const asked = async () => {
    const [, init] = await contribution(`${datanetId}`, ada, rowsOf(4));
    return from(9, [`/v1/datanets/${datanetId}/preview`, init]);
  };
  assert.equal(
    (await asked()).body.error?.code,
    "too-many-uploads",
    "three that wait leave no room for another",
  );
  goOn();
  await settingUp;
  for (const { status, body } of await Promise.all(waiting))
    assert.deepEqual([status, body.accepted], [201, 18], JSON.stringify(body.error));
  assert.equal((await asked()).body.exampleCount, 18, "what was answered is held no more");
});
