import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type HubServer, serveHub } from "../modelfactory/fixtures/hub-server.ts";
import { readConfig } from "../node/index.ts";
import { writeTinyBase } from "../openlora/fixtures/tiny-base.ts";

const bin = fileURLToPath(new URL("./bin.ts", import.meta.url));
const id = "tests/tiny";
const weights = "model.safetensors";
const secret = "hf_NeverShownAnywhere";
const base = writeTinyBase();
const home = mkdtempSync(join(tmpdir(), "model-"));
const folder = join(home, "models", "tests--tiny");
const partial = join(folder, `${weights}.partial`);
let hub: HubServer;

before(async () => {
  hub = await serveHub(id, base);
});
after(async () => {
  await hub.close();
  for (const made of [base, home]) rmSync(made, { recursive: true });
});

function start(...args: string[]) {
  const words = args[0] === "up" ? args : ["model", ...args];
  const child = spawn(process.execPath, [bin, ...words, "--home", home], {
    env: { ...process.env, HF_ENDPOINT: hub.endpoint, HF_TOKEN: secret },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = once(child, "close").then(([code, signal]) => {
    assert.ok(!(out + err).includes(secret), "the token is never shown");
    return { code, signal, out, err };
  });
  return { child, ended };
}
const openledger = (...args: string[]) => start(...args).ended;

/** Runs a pull until it hangs in the middle of the weights. */
async function halfWay(after: number, ...args: string[]) {
  const had = existsSync(partial) ? statSync(partial).size : 0;
  hub.cut = { name: weights, after, end: "silence", times: 1 };
  const { child, ended } = start("pull", id, ...args);
  for (let waited = 0; !existsSync(partial) || statSync(partial).size < had + after; waited += 20) {
    assert.ok(waited < 20_000, "the pull never came half way");
    await sleep(20);
  }
  return { child, ended };
}

test("a pull that is killed, then stopped by Ctrl-C, is finished without a byte twice", async () => {
  const killed = await halfWay(40_000);
  killed.child.kill("SIGKILL");
  assert.equal((await killed.ended).signal, "SIGKILL");

  const stopped = await halfWay(30_000);
  stopped.child.kill("SIGINT");
  const { code, err } = await stopped.ended;
  assert.equal(code, 1);
  assert.match(err, /The pull was stopped\.\n.*are here and kept\n.*run the same again to go on/);
  assert.equal(statSync(partial).size, 70_000);
  assert.ok(!existsSync(join(folder, "lock.json")));

  const listed = await openledger("list", "--json");
  const [unfinished] = JSON.parse(listed.out).models;
  assert.ok(unfinished.bytesHere < unfinished.bytes);
  const early = await openledger("inspect", id);
  assert.equal(early.code, 1);
  assert.match(early.err, /no weights in .*\n.*finish it: \.\/openledger model pull tests\/tiny/);

  const finished = await openledger("pull", id, "--json");
  assert.equal(finished.code, 0, finished.err);
  assert.equal(finished.err, "");
  const result = JSON.parse(finished.out);
  const size = statSync(join(base, weights)).size;
  assert.equal(hub.sent.get(weights), size);
  assert.equal(result.bytesFetched, size - 70_000);
  assert.deepEqual(
    [result.id, result.revision, result.commit, result.folder, result.family, result.layers, result.context],
    [id, "main", hub.commit, folder, "llama", 2, 256],
  );
  assert.deepEqual(Object.keys(result.memory[0]), ["precision", "bytes", "servable"]);
  assert.deepEqual(readFileSync(join(folder, weights)), readFileSync(join(base, weights)));
});

test("a pulled model is listed, inspected and served by its id; so is any folder", async () => {
  const pulled = await openledger("pull", id);
  assert.equal(pulled.code, 0);
  assert.match(pulled.err, /llama, 0\.0 million parameters, 2 layers, 256 tokens of context/);
  assert.match(pulled.err, /memory to serve it: f32 .*, int8 .*, int4 .* available/);
  assert.match(
    pulled.out,
    /every file checked; 0 kB came over the network\.\n→ .*up --base-model tests\/tiny/,
  );
  assert.match((await openledger("list")).out, /tests\/tiny +main +a{12} .* whole +\S*tests--tiny/);
  const shown = await openledger("inspect", id);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /pulled from +tests\/tiny at commit a{40}\nfamily +llama\n/);
  assert.match(shown.out, /template +chat\n[\s\S]*model\.safetensors +\S+ kB +[0-9a-f]{64}$/m);
  const inspected = JSON.parse((await openledger("inspect", base, "--json")).out);
  assert.equal(inspected.source, null);
  assert.equal(inspected.files.length, 4);
  assert.equal(readConfig(home, { baseModel: id }).baseModel, folder);
  assert.equal(readConfig(home, { baseModel: base }).baseModel, base);
});

test("exit codes: 1 for a no of the hub, 2 for wrong words, 3 for a hub that is not there", async () => {
  const missing = await openledger("pull", "tests/missing", "--json");
  assert.equal(missing.code, 1);
  const { error } = JSON.parse(missing.err);
  assert.equal(error.code, "not-found");
  assert.ok(error.fix.length > 0);
  assert.equal((await openledger("pull", "../../etc")).code, 2);
  assert.equal((await openledger("pull", "a/b", "--endpoint", "http://example.org")).code, 2);
  const absent = await openledger("up", "--base-model", "tests/absent");
  assert.equal(absent.code, 2);
  assert.match(absent.err, /neither a folder here nor a model pulled into[\s\S]*model pull tests\/absent/);
  const away = await serveHub("a/b");
  await away.close();
  const gone = await openledger("pull", "a/b", "--endpoint", away.endpoint);
  assert.equal(gone.code, 3);
  assert.match(gone.err, /does not give a\/b[\s\S]*ECONNREFUSED[\s\S]*check the network/);
  assert.ok(!existsSync(join(home, "models", "a--b")));
});
