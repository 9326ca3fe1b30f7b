import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Address } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import {
  type AccessRequest,
  type Digest,
  signAccessRequest,
  textDigest,
  toHex,
  zeroDigest,
} from "../../protocol/index.ts";
import {
  ada,
  bo,
  card,
  example,
  lines,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
} from "../fixtures/world.ts";
import { datanetRoutes } from "../routes.ts";
import { createDatanets, type Datanets } from "../service.ts";

let world: World;
let service: Datanets;
let app: ReturnType<typeof datanetRoutes>;
let nowMs = 1_795_000_000_000;
let made = 0;
let nonces = 0;
/** What happens while the chain is asked. */
let meanwhile = async () => {};
const operator = { authorization: "Bearer operator" };

before(async () => {
  world = await openWorld();
  // Stake is the contract's to tell (`../stake.test.ts`); here Ada has some.
  const registry = {
    ...world.registry,
    stakeOf: async (of: Address) => {
      await meanwhile();
      return of === toHex(ada.address) ? 5n : 0n;
    },
  };
  service = await createDatanets({ ...world, registry, now: () => nowMs });
  app = datanetRoutes(service, {
    operator: {
      account: owner,
      guard: async (context, next) =>
        context.req.header("authorization") === operator.authorization
          ? next()
          : context.json({ error: { code: "operator-only", message: "no", details: {} } }, 401),
    },
  });
});
after(() => world.close());

/** A published Datanet of one row. */
async function datanet(): Promise<string> {
  const { datanetId } = await service.create(owner, { ...card, name: `Gated ${made++}` });
  await service.contribute(await signed(world.registry, datanetId, ada, lines(example(1))));
  await service.publishVersion(datanetId, owner);
  return `/v1/datanets/${datanetId}`;
}

async function call(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await app.request(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
  return { status: response.status, body: (await response.json()) as any };
}

/** A request to read, as its reader signs it. */
async function asking(
  path: string,
  by: PrivateKeyAccount,
  changes: Partial<AccessRequest> = {},
  signer = by,
) {
  const { termsDigest } = (await call("GET", `${path}/access`)).body;
  const request: AccessRequest = {
    ...{ datanetId: BigInt(path.split("/")[3] as string), reader: by.address, termsDigest },
    ...{ signedAt: BigInt(nowMs) / 1000n, nonce: textDigest(`nonce ${nonces++}`), ...changes },
  };
  return {
    reader: request.reader,
    termsDigest: request.termsDigest,
    signedAt: Number(request.signedAt),
    nonce: request.nonce,
    signature: await signAccessRequest(world.registry.domain, request, signer),
    purpose: "to learn",
  };
}

const rows = (path: string, pass?: string) =>
  call("GET", `${path}/versions/1/rows`, undefined, pass ? { authorization: `Bearer ${pass}` } : {});

test("a Datanet is open to all until its owner says otherwise; then texts are not, and digests are", async () => {
  const path = await datanet();
  assert.deepEqual((await call("GET", `${path}/access`)).body, {
    rule: { kind: "public" },
    termsDigest: zeroDigest,
  });
  assert.equal((await rows(path)).status, 200);
  const rule = { kind: "request", terms: "For research only." };
  assert.equal((await call("PUT", `${path}/access`, rule)).status, 401, "the operator's alone");
  assert.equal((await call("PUT", `${path}/access`, rule, operator)).status, 200);
  for (const gated of ["rows", "diff", "files/rows.jsonl", "files/rows.parquet"]) {
    const refused = await call("GET", `${path}/versions/1/${gated}`);
    assert.deepEqual([refused.status, refused.body.error.code], [403, "access-needed"], gated);
  }
  for (const open of ["manifest", "withdrawn", "files/croissant.json"])
    assert.equal((await app.request(`${path}/versions/1/${open}`)).status, 200, open);
  assert.equal((await rows(path, "operator")).status, 200);
  for (const wrong of ["olr_nonsense", "nonsense"]) assert.equal((await rows(path, wrong)).status, 403);
});

test("a reader accepts the terms by signature, waits for the owner, reads with a pass, and all of it is written down", async () => {
  const path = await datanet();
  await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
  const asked = await call("POST", `${path}/access`, await asking(path, bo));
  assert.deepEqual(asked, { status: 200, body: { state: "asked" } });
  const [waiting] = (await call("GET", `${path}/readers`, undefined, operator)).body.readers;
  assert.deepEqual(
    [waiting.reader, waiting.state, waiting.purpose],
    [bo.address.toLowerCase(), "asked", "to learn"],
  );
  assert.equal((await call("GET", `${path}/readers`)).status, 401);
  const decide = (state: string, reader: Address = bo.address) =>
    call("PUT", `${path}/readers/${reader}`, { state, reason: "welcome" }, operator);
  assert.equal((await decide("admitted", stranger.address)).body.error.code, "unknown-reader");
  assert.equal((await decide("admitted")).body.state, "admitted");

  nowMs += 1_000;
  const request = await asking(path, bo);
  const { body: admission } = await call("POST", `${path}/access`, request);
  assert.equal(admission.state, "admitted");
  assert.equal((await rows(path, admission.pass)).body.rows[0].example.prompt, example(1).prompt);
  const again = await call("POST", `${path}/access`, request);
  assert.deepEqual(
    [again.status, again.body.error.code],
    [400, "access-mismatch"],
    "a signature opens one pass",
  );
  assert.equal((await rows(await datanet(), admission.pass)).status, 200, "of an open one nobody asks");
  const reads = (await call("GET", `${path}/reads`, undefined, operator)).body.reads;
  assert.deepEqual(
    reads.map(({ reader, what, times }: { reader: string; what: string; times: number }) => [
      reader,
      what,
      times,
    ]),
    [[bo.address.toLowerCase(), "rows", 1]],
  );

  nowMs += 3_600_001;
  assert.equal((await rows(path, admission.pass)).status, 403, "it expires");
  const { body: second } = await call("POST", `${path}/access`, await asking(path, bo));
  await call("PUT", `${path}/access`, { kind: "request", terms: "Other terms." }, operator);
  assert.equal((await rows(path, second.pass)).status, 403, "other terms end it");
  const { body: third } = await call("POST", `${path}/access`, await asking(path, bo));
  assert.equal((await rows(path, third.pass)).status, 200);
  await decide("refused");
  assert.equal((await rows(path, third.pass)).status, 403, "a refusal ends it");
  nowMs += 1_000;
  assert.deepEqual((await call("POST", `${path}/access`, await asking(path, bo))).body, {
    state: "refused",
    reason: "welcome",
  });
});

test("who holds enough of a token is admitted; a forged, altered, old or early request is not", async () => {
  const path = await datanet();
  // The registry is an ERC-721 of which the owner holds every Datanet made here.
  const token = {
    kind: "token",
    terms: "Holders only.",
    contract: world.registryAddress.toLowerCase(),
    least: "1",
  };
  const notToken = { ...token, contract: ada.address.toLowerCase() };
  assert.equal((await call("PUT", `${path}/access`, notToken, operator)).body.error.code, "unknown-token");
  assert.equal((await call("PUT", `${path}/access`, token, operator)).status, 200);
  const { body: admission } = await call("POST", `${path}/access`, await asking(path, owner));
  assert.equal((await rows(path, admission.pass)).status, 200);
  const { body: refused } = await call("POST", `${path}/access`, await asking(path, bo));
  assert.equal(refused.state, "refused");
  assert.match(refused.reason, /holds 0 of 0x.*; 1 are asked for/);

  const otherTerms: Digest = `0x${"12".repeat(32)}`;
  const seconds = BigInt(nowMs) / 1000n;
  for (const [request, status, code] of [
    [await asking(path, owner, {}, stranger), 403, "access-forged"],
    [{ ...(await asking(path, owner)), signedAt: Number(seconds) - 1 }, 403, "access-forged"],
    [await asking(path, owner, { termsDigest: otherTerms }), 400, "access-mismatch"],
    [await asking(path, owner, { signedAt: seconds - 601n }), 400, "access-mismatch"],
    [await asking(path, owner, { signedAt: seconds + 601n }), 400, "access-mismatch"],
  ] as const) {
    const { status: answered, body } = await call("POST", `${path}/access`, request);
    assert.deepEqual([answered, body.error.code], [status, code]);
  }
});

test("any number of addresses fills the owner's list to its bound and no further, and keeps nobody out who has stake", async () => {
  const path = await datanet();
  await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
  const id = path.split("/")[3];
  const waiting = (address: string) =>
    world.database.query(
      `insert into datanets.readers (datanet_id, reader, terms_digest, signature, purpose, state, asked_at_ms)
     select $1, $2 || lpad(to_hex(n), 36, '0'), '', '', 'spam', 'asked', $3 from generate_series(1, 1000) n`,
      [id, address, nowMs],
    );
  await waiting("0xff");
  const stranger = privateKeyToAccount(`0x${"7".repeat(64)}`);
  const refused = await call("POST", `${path}/access`, await asking(path, stranger));
  assert.deepEqual([refused.status, refused.body.error.code], [429, "readers-full"]);
  assert.equal((await call("POST", `${path}/access`, await asking(path, ada))).body.state, "asked");
  const first = (await call("GET", `${path}/readers?limit=2`, undefined, operator)).body;
  assert.deepEqual(
    [first.total, first.readers.length, first.readers[0].reader],
    [1000, 2, toHex(ada.address)],
  );
  const last = (await call("GET", `${path}/readers?offset=999&limit=2`, undefined, operator)).body;
  assert.equal(last.readers.length, 1);
  assert.equal((await call("POST", `${path}/access`, await asking(path, ada))).body.state, "asked", "again");
  // Who was admitted is none of them any more; what waited for a month goes.
  nowMs += 30 * 24 * 3_600_000;
  assert.equal((await call("POST", `${path}/access`, await asking(path, stranger))).body.state, "asked");
  assert.equal((await call("GET", `${path}/readers`, undefined, operator)).body.total, 1);
});

test("who needs no leave, and who has too little of a token, leaves nothing behind", async () => {
  const path = await datanet();
  const rowsOf = async (table: string) =>
    (
      await world.database.query(`select 1 from datanets.${table} where datanet_id = $1`, [
        path.split("/")[3],
      ])
    ).length;
  const { body } = await call("POST", `${path}/access`, await asking(path, bo));
  assert.deepEqual([body.state, body.pass, await rowsOf("passes")], ["admitted", "olr_anyone", 0]);
  const token = {
    kind: "token",
    terms: "Holders.",
    contract: world.registryAddress.toLowerCase(),
    least: "1",
  };
  await call("PUT", `${path}/access`, token, operator);
  assert.equal((await call("POST", `${path}/access`, await asking(path, bo))).body.state, "refused");
  assert.equal(await rowsOf("readers"), 0);
  assert.equal((await rows(path, body.pass)).status, 403);
});

test("what is not there is not read: nobody fills the record of reads with versions", async () => {
  const path = await datanet();
  const reads = async () =>
    (await world.database.query("select 1 from datanets.reads where datanet_id = $1", [path.split("/")[3]]))
      .length;
  for (let version = 2; version < 12; version++)
    for (const what of ["rows", "diff", "files/rows.jsonl", "files/rows.parquet"])
      assert.equal((await call("GET", `${path}/versions/${version}/${what}`)).status, 404);
  assert.equal(await reads(), 0);
  assert.equal((await rows(path)).status, 200);
  assert.equal(await reads(), 1);
});

test("terms that change while a request is looked at count for it: no pass is given under old ones", async () => {
  const path = await datanet();
  await call("PUT", `${path}/access`, { kind: "request", terms: "Old." }, operator);
  await call("POST", `${path}/access`, await asking(path, bo));
  await call("PUT", `${path}/readers/${bo.address}`, { state: "admitted" }, operator);
  const request = await asking(path, bo);
  meanwhile = async () => {
    meanwhile = async () => {};
    await call("PUT", `${path}/access`, { kind: "request", terms: "New." }, operator);
  };
  const late = await call("POST", `${path}/access`, request);
  assert.deepEqual([late.status, late.body.error?.code], [400, "access-mismatch"], JSON.stringify(late.body));
});

test("what never changes is not sent twice, and who may not read it does not learn that it is the same", async () => {
  const path = await datanet();
  for (const [at, isGated] of [
    ["", false],
    ["/manifest", false],
    ["/files/rows.jsonl", true],
  ] as const) {
    const ask = (etag?: string) =>
      app.request(
        `${path}/versions/1${at}`,
        etag === undefined ? {} : { headers: { "if-none-match": etag } },
      );
    const first = await ask();
    const etag = first.headers.get("etag") ?? "";
    assert.match(etag, /^"0x[0-9a-f]{64}/, at);
    for (const same of [etag, `"other", W/${etag}`, "*"]) {
      const again = await ask(same);
      assert.deepEqual([again.status, await again.text(), again.headers.get("etag")], [304, "", etag]);
    }
    assert.equal((await ask('"other"')).status, 200);
    await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
    assert.equal((await ask(etag)).status, isGated ? 403 : 304);
    await call("PUT", `${path}/access`, { kind: "public" }, operator);
  }
  assert.equal((await app.request(`${path}/versions/1/files/README.md`)).headers.get("etag"), null);
});

test("a Datanet is made with its rule, before anything can be given; a token that is none makes no Datanet", async () => {
  const rule = { kind: "request", terms: "For research only." };
  const body = { ...card, name: `Gated ${made++}`, schema: undefined, access: rule };
  const first = await call("POST", "/v1/datanets", body, operator);
  assert.equal(first.status, 201);
  const path = `/v1/datanets/${first.body.datanetId}`;
  assert.deepEqual((await call("GET", `${path}/access`)).body.rule, rule);
  // The same again is the same, and ends no pass.
  const { body: own } = await call("POST", `${path}/access`, await asking(path, owner));
  assert.equal((await call("POST", "/v1/datanets", body, operator)).status, 200);
  const queue = () =>
    call("POST", `${path}/review/queue`, undefined, { authorization: `Bearer ${own.pass}` });
  assert.equal((await queue()).status, 200);
  const open = { ...body, access: { kind: "public" } };
  assert.equal((await call("POST", "/v1/datanets", open, operator)).body.datanetId, first.body.datanetId);
  assert.equal((await call("GET", `${path}/access`)).body.rule.kind, "public");
  const name = `Gated ${made++}`;
  const token = { kind: "token", terms: "Holders.", contract: ada.address.toLowerCase(), least: "1" };
  const refused = await call("POST", "/v1/datanets", { ...body, name, access: token }, operator);
  assert.deepEqual([refused.status, refused.body.error.code], [400, "unknown-token"]);
  const { datanets } = (await call("GET", "/v1/datanets")).body;
  assert.ok(datanets.every((one: { name: string }) => one.name !== name));
});

test("whether a gated Datanet holds a text is told to its readers, and to nobody else who asks for a preview", async () => {
  const path = await datanet();
  const twice = lines(example(1), example(1), example(2));
  const previewed = async (pass?: string) => {
    const authorization = pass === undefined ? {} : { authorization: `Bearer ${pass}` };
    const response = await app.request(`${path}/preview`, {
      method: "POST",
      headers: { "content-type": "application/jsonl", ...authorization },
      body: twice,
    });
    // biome-ignore lint/suspicious/noExplicitAny: an answer is picked apart
    const { comparedWith, rows } = (await response.json()) as any;
    return [comparedWith, ...rows.map(({ status }: { status: string }) => status)];
  };
  const known = ["datanet", "duplicate", "duplicate", "accepted"];
  const unknown = ["upload", "accepted", "duplicate", "accepted"];
  assert.deepEqual(await previewed(), known);
  await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
  assert.deepEqual(await previewed(), unknown);
  assert.deepEqual(await previewed("olr_anyone"), unknown);
  await call("POST", `${path}/access`, await asking(path, bo));
  await call("PUT", `${path}/readers/${bo.address}`, { state: "admitted" }, operator);
  const { body: admission } = await call("POST", `${path}/access`, await asking(path, bo));
  assert.deepEqual(await previewed(admission.pass), known);
  // A text that is nearly the same, and words of a held-out row, are no more told than an equal one.
  const id = BigInt(path.split("/")[3] as string);
  const asked = async (headers: Record<string, string>, text: string) => {
    const response = await app.request(`${path}/preview`, {
      method: "POST",
      headers: { "content-type": "application/jsonl", ...headers },
      body: lines({ prompt: "", completion: text }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: an answer is picked apart
    return ((await response.json()) as any).rows[0].reasons.map(({ check }: { check: string }) => check);
  };
  const reader = { authorization: `Bearer ${admission.pass}` };
  for (const [split, words, check] of [
    ["train", "the miller of the lower valley grinds rye on every second day of the week", "near-duplicate"],
    ["heldout", "a ferry crosses the wide river when three lamps burn on both of its banks", "contamination"],
  ] as const) {
    const row = lines({ prompt: "", completion: words });
    await service.contribute(await signed(world.registry, id, ada, row, { split }));
    const nearly = `${words} today`;
    assert.ok((await asked(reader, nearly)).includes(check), check);
    assert.ok(!(await asked({}, nearly)).includes(check), check);
  }
});

test("who contributed to a gated Datanet reads what is said of its own rows, and nothing else", async () => {
  const path = await datanet();
  const id = BigInt(path.split("/")[3] as string);
  await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
  const given: number[] = [];
  for (const [by, n] of [
    [ada, 11],
    [bo, 12],
  ] as const)
    given.push(
      (await service.contribute(await signed(world.registry, id, by, lines(example(n))))).contributionId,
    );
  // As if they waited: what a curator would have instead.
  await world.database.query("update datanets.rows set status = 'pending' where contribution_id = any ($1)", [
    given,
  ]);
  const queued = await service.curation.queue(id, toHex(owner.address), 9);
  await service.curation.review(
    id,
    toHex(owner.address),
    queued.map(({ row }) => ({ row, decision: "reject", reason: "No question.", proposal: example(90) })),
  );
  const proposal = async (contributionId: number | undefined, pass: string) => {
    const found = await call("GET", `/v1/contributions/${contributionId}`, undefined, {
      authorization: `Bearer ${pass}`,
    });
    return found.body.rows[0].reviews[0].proposal;
  };
  const none = { termsDigest: zeroDigest };
  const { body: own } = await call("POST", `${path}/access`, await asking(path, ada, none));
  assert.equal(own.state, "admitted");
  assert.deepEqual(await proposal(given[0], own.pass), example(90));
  assert.equal(await proposal(given[1], own.pass), undefined, "another's");
  assert.deepEqual(
    [(await rows(path, own.pass)).status, (await rows(path, own.pass)).body.error.code],
    [403, "access-needed"],
  );
  const queue = await call("POST", `${path}/review/queue`, undefined, {
    authorization: `Bearer ${own.pass}`,
  });
  assert.equal(queue.status, 403);
  const other = await call("POST", `${path}/access`, await asking(path, stranger, none));
  assert.deepEqual(
    [other.status, other.body.error.code],
    [400, "access-mismatch"],
    "who gave nothing signs for the terms",
  );
  const forged = await call("POST", `${path}/access`, await asking(path, ada, none, stranger));
  assert.deepEqual([forged.status, forged.body.error.code], [403, "access-forged"]);
});

test("a report on a gated Datanet tells strangers what became of rows, and nothing that says what stands in one", async () => {
  const path = await datanet();
  const id = BigInt(path.split("/")[3] as string);
  await call("PUT", `${path}/access`, { kind: "request", terms: "For research only." }, operator);
  const told = { prompt: "Whom do the patients of ward 7 call?", completion: " ada@example.org." };
  const text = `${JSON.stringify({ example: told, source: { file: "ward-7-patients.csv", row: 3 } })}\n`;
  const given = await service.contribute(await signed(world.registry, id, ada, text));
  const [full] = given.rows;
  assert.deepEqual([full?.status, full?.source?.file], ["accepted", "ward-7-patients.csv"]);
  assert.deepEqual(
    full?.reasons.map(({ check, details }) => [check, details !== undefined]),
    [["personal-data", true]],
  );
  const report = (headers = {}) =>
    call("GET", `/v1/contributions/${given.contributionId}`, undefined, headers);
  const { status, body } = await report();
  assert.deepEqual([status, body.accepted, body.rows.length], [200, 1, 1]);
  const { reasons, ...row } = body.rows[0];
  assert.deepEqual(row, { line: 1, status: "accepted" });
  const untold = "What was found is told to who gave the row, and to who may read the Datanet's texts.";
  assert.deepEqual(
    reasons,
    full?.reasons.map(({ check, severity }) => ({ check, severity, message: untold })),
  );
  const { body: own } = await call(
    "POST",
    `${path}/access`,
    await asking(path, ada, { termsDigest: zeroDigest }),
  );
  for (const headers of [operator, { authorization: `Bearer ${own.pass}` }]) {
    const [seen] = (await report(headers)).body.rows;
    assert.deepEqual([seen.digest, seen.source, seen.reasons], [full?.digest, full?.source, full?.reasons]);
  }
});
