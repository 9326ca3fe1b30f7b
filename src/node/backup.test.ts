/** A node's home is destroyed and put back from a backup: everything answers as before, bit for bit. */
import assert from "node:assert/strict";
import {
  cpSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { toHex } from "../protocol/index.ts";
import { bucket, credentials, openS3Server } from "../store/fixtures/s3-server.ts";
import { isStoreError, openBlobFolder } from "../store/index.ts";
import { makePaidAnswer, type PaidAnswer } from "./fixtures/paid-answer.ts";
import {
  checkBackup,
  nodeAccounts,
  openNode,
  type RunningNode,
  readConfig,
  restoreBackup,
  writeBackup,
} from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "openledger-backup-"));
const home = join(folder, "home");
const passphrase = "correct horse";
const open = (at: string) =>
  openNode(readConfig(at, { port: 0, baseModel, threads: 1, settleEveryMs: 0, settlementWindowSeconds: 1 }));
const file = join(folder, "running.backup");

let node: RunningNode;
let paid: PaidAnswer;
let told: unknown;

/** Everything a node says about what it owns, but for what depends on the time it is asked. */
async function tell(of: RunningNode) {
  const get = async (path: string, headers = {}) => {
    const response = await fetch(of.url + path, { headers });
    // The base's time is the node's start; blocks without transactions come by themselves.
    const text = (await response.text()).replace(
      /("owned_by":"openledger"|"blockNumber":\d+),|"created":\d+,/g,
      "",
    );
    return [path, response.status, text];
  };
  const operator = { authorization: `Bearer ${of.operatorToken}` };
  const accounts = [...nodeAccounts, "liquidity", "payer", "ada", "bo"] as const;
  const { public: reader } = of.network.reader;
  return {
    balances: await Promise.all(
      accounts.map((name) => reader.getBalance({ address: of.network.keys.account(name).address })),
    ),
    block: (await reader.getBlock({ blockNumber: 20n })).hash,
    answers: await Promise.all([
      get("/v1/datanets"),
      get("/v1/datanets/1/versions/1"),
      get("/v1/models"),
      get("/v1/receipts"),
      get(`/v1/receipts/${paid.receiptId}/audit?full=true`, operator),
      get("/v1/settlement"),
      get("/v1/keys", { authorization: `Bearer ${paid.secret}` }),
      get("/v1/supply"),
    ]),
    release: await of.modelFactory.findRelease(paid.releaseId),
  };
}

async function digests(at: string) {
  const found: string[] = [];
  for await (const { digest, bytes } of (await openBlobFolder(at)).list()) found.push(`${digest} ${bytes}`);
  return found.sort();
}

before(async () => {
  mkdirSync(home);
  writeFileSync(join(home, "config.json"), "{}");
  node = await open(home);
  paid = await makePaidAnswer(node);
  await node.settlement.settle();
});
after(async () => {
  await node?.close();
  rmSync(folder, { recursive: true, force: true });
});

const post = (body: object, token = node.operatorToken) =>
  fetch(`${node.url}/v1/backup`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  });

test("a backup is the operator's, and keys do not go without a passphrase", async () => {
  assert.equal((await post({ passphrase }, "wrong")).status, 401);
  const refused = await post({});
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /backup-refused.*--without-keys/);
  const one = await post({ passphrase });
  const other = await post({ passphrase });
  assert.equal(other.status, 409);
  writeFileSync(file, Buffer.from(await one.arrayBuffer()));
  assert.ok(!readdirSync(home).includes("backup"), "nothing is left in the home");
  const again = await post({ passphrase });
  assert.equal(again.status, 200);
  await again.body?.cancel();
});

test("a node whose folder is destroyed comes back from it: balances, receipts, releases, bit for bit", async () => {
  told = await tell(node);
  await node.close();
  const blobs = await digests(join(home, "blobs"));
  rmSync(home, { recursive: true });
  const restored = await restoreBackup(createReadStream(file), home, { passphrase });
  assert.equal(restored.blobs, blobs.length);
  assert.deepEqual(await digests(join(home, "blobs")), blobs);
  node = await open(home);
  assert.deepEqual(await tell(node), told);
  // It goes on: another answer is sold and settled.
  const answer = await fetch(`${node.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${paid.secret}` },
    body: JSON.stringify({ model: "words", prompt: "adab7=", max_tokens: 12, temperature: 0 }),
  });
  assert.equal(answer.status, 200, await answer.text());
  await node.inference.drain();
  assert.ok((await node.settlement.settle()).batch);
});

test("collecting garbage keeps all that the node names, and takes what nothing does", async () => {
  const collect = async (body: object, token = node.operatorToken) => {
    const response = await fetch(`${node.url}/v1/blobs/collect`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  assert.equal((await collect({}, "wrong")).status, 401);
  assert.equal((await collect({ graceHours: 0 })).status, 400);
  const blobs = await openBlobFolder(join(home, "blobs"));
  const stray = await blobs.put(new TextEncoder().encode("nobody names this"));
  const before = await digests(join(home, "blobs"));
  assert.equal((await collect({})).body.young, before.length, "all are younger than a day");
  const old = new Date(Date.now() - 48 * 3_600_000);
  for await (const { digest } of blobs.list()) await utimes(await blobs.path(digest), old, old);
  const expected = {
    looked: before.length,
    named: before.length - 1,
    removed: 1,
    removedBytes: 17,
    young: 0,
  };
  assert.deepEqual((await collect({ dryRun: true })).body, { ...expected, dryRun: true });
  assert.deepEqual((await collect({})).body, { ...expected, dryRun: false });
  assert.deepEqual(
    await digests(join(home, "blobs")),
    before.filter((line) => !line.startsWith(stray)),
  );
  assert.ok((await node.modelFactory.releaseFiles(paid.releaseId)).adapterTensors.length > 0);
});

test("backups made while blocks and rows are written are each of one moment", async () => {
  const { network, url, operatorToken } = node;
  let stop = false;
  let sent = 0;
  const busy = (async () => {
    while (!stop) {
      await network.faucet(toHex(network.keys.account("payer").address), 1n);
      await fetch(`${url}/v1/keys`, {
        method: "POST",
        body: JSON.stringify({ label: `${sent++}` }),
        headers: { "content-type": "application/json" },
      });
    }
  })();
  for (let i = 0; i < 1; i++) {
    const before = sent;
    const response = await fetch(`${url}/v1/backup`, {
      method: "POST",
      body: JSON.stringify({ passphrase }),
      headers: { "content-type": "application/json", authorization: `Bearer ${operatorToken}` },
    });
    const at = join(folder, `moment-${i}`);
    await restoreBackup(response.body as never, at, { passphrase });
    const copy = await open(at);
    const [{ n } = { n: 0 }] = await copy.database.query<{ n: number }>(
      "select count(*)::int as n from payments.keys",
    );
    assert.ok(n >= before, `${n} keys, ${before} before`);
    assert.equal((await fetch(`${copy.url}/v1/receipts/${paid.receiptId}`)).status, 200);
    await copy.close();
  }
  stop = true;
  await busy;
});

test("a stopped node's folder, without keys: the archive is plain, holds no secret, and starts with the keys put back", async () => {
  const before = await tell(node);
  await node.close();
  const source = {
    ...{ home, databaseFolder: join(home, "db"), blobs: await openBlobFolder(join(home, "blobs")) },
    ...{ version: "test", chainId: 161_612 },
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBackup(source, { withoutKeys: true })) pieces.push(piece);
  const archive = Buffer.concat(pieces);
  const { secret } = JSON.parse(readFileSync(join(home, "keys.json"), "utf8"));
  for (const hidden of [secret, secret.slice(2), node.operatorToken]) assert.ok(!archive.includes(hidden));
  const at = join(folder, "without-keys");
  const restored = await restoreBackup(
    (async function* () {
      yield* pieces;
    })(),
    at,
  );
  assert.equal(restored.keys, false);
  for (const name of ["keys.json", "operator-token"]) cpSync(join(home, name), join(at, name));
  node = await open(at);
  assert.deepEqual(await tell(node), before);
});

test("blobs go to a bucket and come back from there", async () => {
  const server = await openS3Server(join(folder, "s3"));
  try {
    process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
    const address = `s3://${bucket}/restored?endpoint=${server.endpoint}`;
    const at = join(folder, "bucket");
    const { blobs } = await restoreBackup(createReadStream(file), at, { passphrase, blobs: address });
    assert.ok(blobs > 5 && !readdirSync(at).includes("blobs"));
    const before = await tell(node);
    await node.close();
    node = await openNode(
      readConfig(at, {
        port: 0,
        baseModel,
        threads: 1,
        settleEveryMs: 0,
        settlementWindowSeconds: 1,
        blobs: address,
      }),
    );
    const [release, audit] = [await node.modelFactory.releaseFiles(paid.releaseId), await tell(node)];
    assert.ok(release.adapterTensors.length > 0);
    assert.deepEqual(audit.answers[4], before.answers[4]);
    await node.close();
    node = await open(join(folder, "without-keys"));
  } finally {
    await server.close();
  }
});

test("a backup that is damaged, cut off or sealed otherwise is refused, and leaves no folder", async () => {
  const bytes = readFileSync(file);
  const from = (given: Uint8Array) =>
    (async function* () {
      yield given;
    })();
  const flipped = Buffer.from(bytes);
  flipped[Math.floor(bytes.length / 2)]! ^= 1;
  const at = join(folder, "refused");
  const refused = async (
    given: Uint8Array,
    code: Parameters<typeof isStoreError>[1],
    word: string | undefined = passphrase,
  ) => {
    const options = word === undefined ? {} : { passphrase: word };
    await assert.rejects(restoreBackup(from(given), at, options), (error) => isStoreError(error, code));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("refused")),
      [],
    );
  };
  await refused(flipped, "sealed-damaged");
  await refused(bytes.subarray(0, bytes.length - 1), "sealed-damaged");
  await refused(bytes.subarray(0, 100_000), "sealed-damaged");
  await refused(bytes, "sealed-wrong-key", "another");
  await assert.rejects(checkBackup(from(bytes)), (error) => isStoreError(error, "backup-refused"));
  await refused(Buffer.alloc(2048, 1), "archive-invalid");
  await assert.rejects(restoreBackup(from(bytes), home, { passphrase }), /is not empty/);
  assert.equal((await checkBackup(from(bytes), { passphrase })).keys, true);
});
