/** What the scoring thread is given: answers of any length, files that are not the release's, and its own end. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { after, before, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { createAttribution, IndexMismatchError, type ReleaseSource } from "../attribution/index.ts";
import { bytesDigest, checkReceipt, decodeRow, encodeRow, nothingFailed, score } from "../protocol/index.ts";
import { contributors, openWorld, type World } from "./fixtures/world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

type Files = Awaited<ReturnType<ReleaseSource>>;
const honest = (): Files => ({
  ...world.release.files,
  payees: contributors,
  index: world.release.served.manifest.index,
});
const options = () => ({ baseFolder: world.baseFolder, maxLength: 256 });

test("an answer of one token, and one of a thousand, is scored; of the long one its last positions", async () => {
  const { id } = world.release.served;
  const promptIds = [5, 9, 13, 2];
  const rows = world.release.files.rows.map(decodeRow);
  const outputIds = Array.from({ length: 1_000 }, (_, i) => 3 + ((i * 7) % 200));
  for (const answer of [
    { promptIds, outputIds: [7] },
    { promptIds, outputIds },
    { promptIds: [], outputIds: [7, 8] },
  ]) {
    const { query, scores, nullScores } = await world.attribution.score(id, answer);
    const q = decodeRow(query);
    assert.ok(q.some((x) => x !== 0));
    assert.deepEqual(
      [...scores, ...nullScores],
      rows.map((row) => score(row, q)),
    );
  }
  const whole = await world.attribution.score(id, { promptIds, outputIds });
  // The first of the positions that fit is context only.
  const end = await world.attribution.score(id, {
    promptIds: outputIds.slice(-256, -255),
    outputIds: outputIds.slice(-255),
  });
  assert.deepEqual(whole.query, end.query);
});

test("files that are not the release's index are refused by name, and nothing is scored with them", async () => {
  const otherRow = (files: Files, at: number) =>
    files.rows.map((row, i) => (i === at ? encodeRow([...decodeRow(row)].reverse()) : row));
  const flipped = (bytes: Uint8Array) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
  const changes: readonly (readonly [string, (files: Files) => Partial<Files>, RegExp])[] = [
    [
      "a row less",
      ({ rows }) => ({ rows: rows.slice(1) }),
      /its size, 23 rows of \d+ bytes, must be \d+; got \d+/,
    ],
    ["a row more", ({ rows }) => ({ rows: [...rows, rows[0]!] }), /its size, 23 rows/],
    ["another k", ({ rows }) => ({ rows: rows.map((row) => row.subarray(2)) }), /its size, 23 rows/],
    ["another row", (files) => ({ rows: otherRow(files, 1) }), /its root must be 0x[0-9a-f]{64}; got 0x/],
    ["another null row", (files) => ({ rows: otherRow(files, 22) }), /its root must be/],
    [
      "two rows in each other's place",
      ({ rows: [a, b, ...rest] }) => ({ rows: [b!, a!, ...rest] }),
      /its root/,
    ],
    ["a payee less", ({ payees }) => ({ payees: payees.slice(1) }), /its number of payees must be 3; got 2/],
    [
      "payees in each other's place",
      ({ payees: [a, b, c] }) => ({ payees: [b!, a!, c!] }),
      /its root must be .*; got none: .*order/,
    ],
    ["a bit of the basis", ({ basis }) => ({ basis: flipped(basis) }), /its basis must be 0x/],
    [
      "the basis of the other release",
      () => ({ basis: world.releases[1]!.files.basis }),
      /its basis must be 0x/,
    ],
    [
      "a basis that the manifest names and that is none",
      ({ index }) => ({
        basis: new Uint8Array(16),
        index: { ...index, basisDigest: bytesDigest(new Uint8Array(16)) },
      }),
      /not an attribution basis/,
    ],
    [
      "no adapter",
      () => ({ adapterTensors: new Uint8Array(8) }),
      /of release r is not a whole safetensors file/,
    ],
  ];
  let current: Partial<Files> | Error = {};
  const attribution = await createAttribution(async () => {
    if (current instanceof Error) throw current;
    return { ...honest(), ...current };
  }, options());
  const answer = { promptIds: [5, 9], outputIds: [7] };
  try {
    for (const [what, change, message] of changes) {
      current = change(honest());
      await assert.rejects(attribution.prepare("r"), message, what);
      await assert.rejects(attribution.score("r", answer), message, what);
    }
    current = new Error("There is no blob 0x00 in the folder.");
    await assert.rejects(attribution.prepare("r"), /There is no blob/);
    current = {};
    await attribution.prepare("r");
    const direct = await world.attribution.score(world.release.served.id, answer);
    assert.deepEqual((await attribution.score("r", answer)).query, direct.query);
  } finally {
    await attribution.close();
  }
  assert.equal(new IndexMismatchError("a").name, "IndexMismatchError");
});

test("a release whose index is not right sells no attributed answers, and charges nothing", async () => {
  const broken = { now: true };
  const node = await world.openNode(await world.newFolder(), {
    attribution: {
      ...world.attribution,
      prepare: async (release) => {
        if (broken.now)
          throw new IndexMismatchError("The pay index here is not that of the release: /home/op/blobs");
        return world.attribution.prepare(release);
      },
    },
  });
  const { secret, channelId } = await node.newKey();
  const ask = (body: object) =>
    node.fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify({
        model: "valley",
        messages: [{ role: "user", content: "a" }],
        max_tokens: 4,
        ...body,
      }),
    });
  for (const stream of [false, true]) {
    const refused = await ask({ stream });
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.deepEqual([refused.status, error.code], [503, "attribution_unavailable"]);
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.ok(!error.message.includes("/home/op"), "the operator's log has the rest");
  }
  const channel = await node.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [0n, 0n]);
  assert.equal((await ask({ openledger: { attribution: false } })).status, 200);
  broken.now = false;
  assert.equal((await ask({})).status, 200);
  await node.inference.drain();
  assert.equal((await node.bundles()).length, 2);
  await node.close();
});

test("a scoring thread that ends is started anew, and the answer it was given is receipted", async () => {
  const threads: Worker[] = [];
  const created = (message: unknown) => void threads.push((message as { worker: Worker }).worker);
  subscribe("worker_threads", created);
  let loads = 0;
  const attribution = await createAttribution(async () => {
    // The thread ends while its answer waits for the release's files.
    if (++loads === 1) await threads[0]?.terminate();
    return honest();
  }, options());
  const node = await world.openNode(await world.newFolder(), {
    attribution: { ...attribution, prepare: async () => {} },
  });
  try {
    const { secret } = await node.newKey();
    const headers = { "content-type": "application/json", authorization: `Bearer ${secret}` };
    const body = JSON.stringify({
      model: "valley",
      messages: [{ role: "user", content: "the mill" }],
      max_tokens: 6,
    });
    const send = () => node.fetch("/v1/chat/completions", { method: "POST", headers, body });
    assert.equal((await send()).status, 200);
    await node.inference.drain();
    assert.equal((await send()).status, 200);
    await node.inference.drain();
    assert.deepEqual([loads, threads.length], [1, 2]);
    // The idle thread ends; nobody notices but the next answer, which a third one scores.
    await threads[1]?.terminate();
    assert.equal((await send()).status, 200);
    await node.inference.drain();
    const bundles = await node.bundles();
    assert.equal(bundles.length, 3);
    for (const bundle of bundles) {
      assert.ok(bundle.query.length > 2, "it was attributed");
      const { served, indexRows } = world.release;
      const context = { domain: world.ledgerDomain, manifest: served.manifest, index: { rows: indexRows } };
      assert.ok(nothingFailed(await checkReceipt(bundle, context)));
    }
    assert.deepEqual([loads, threads.length], [2, 3]);
  } finally {
    unsubscribe("worker_threads", created);
    await node.close();
    await attribution.close();
  }
});

test("answers of a release whose receipts could not be settled are not sold, and nothing is charged", async () => {
  const attested = { now: false };
  const asked: string[] = [];
  const node = await world.openNode(await world.newFolder(), {
    maySell: async (releaseId) => {
      asked.push(releaseId);
      return attested.now;
    },
  });
  const { secret, channelId } = await node.newKey();
  const ask = () =>
    node.fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify({ model: "valley", messages: [{ role: "user", content: "a" }], max_tokens: 4 }),
    });
  const refused = await ask();
  const { error } = (await refused.json()) as { error: { code: string } };
  assert.deepEqual([refused.status, error.code], [503, "not_attested"]);
  assert.deepEqual(asked, [world.release.served.id]);
  const channel = await node.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [0n, 0n]);
  attested.now = true;
  assert.equal((await ask()).status, 200);
  await node.inference.drain();
  await node.close();
});
