import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { randomAdapter } from "../openlora/fixtures/tiny-base.ts";
import { type Node, openWorld, operatorToken, type World } from "./fixtures/world.ts";

let world: World;
let node: Node;
let home: string;
const folder = mkdtempSync(join(tmpdir(), "adapters-"));
before(async () => {
  world = await openWorld();
  home = await world.newFolder();
  node = await world.openNode(home);
});
after(async () => {
  await node.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Sent = { status: number; body: any };

async function post(path: string, body: object, token = operatorToken): Promise<Sent> {
  const response = await node.fetch(`/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const load = (lora_name: string, lora_path: string) => post("load_lora_adapter", { lora_name, lora_path });
const modelIds = async (): Promise<string[]> =>
  ((await (await node.fetch("/v1/models")).json()) as { data: { id: string }[] }).data.map(({ id }) => id);
const ask = (model: string) =>
  post("chat/completions", {
    model,
    messages: [{ role: "user", content: "the mill" }],
    max_tokens: 8,
    temperature: 0,
  });

function writeAdapter(name: string, seed: number, options: Parameters<typeof randomAdapter>[1] = {}) {
  const { digest, files } = randomAdapter(seed, options);
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "adapter_config.json"), files.config);
  writeFileSync(join(path, "adapter_model.safetensors"), files.tensors);
  return { path, digest };
}

test("an adapter that is loaded answers for nothing, without a receipt, over a restart, until it is unloaded", async () => {
  const { path, digest } = writeAdapter("good", 21);
  const plain = await ask("tests/tiny");
  assert.deepEqual(await load("mine", path), { status: 200, body: { model: "mine", adapter: digest } });
  assert.deepEqual((await load("mine", path)).status, 200, "the same again changes nothing");
  rmSync(path, { recursive: true });
  const first = await ask("mine");
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.notEqual(first.body.choices[0].message.content, plain.body.choices[0].message.content);
  assert.equal(first.body.system_fingerprint, `${world.openlora.info().baseDigest}+${digest}`);
  const { request_id, release, receipt, fee_wei } = first.body.openledger;
  assert.deepEqual([request_id, release, receipt, fee_wei], [null, null, null, "0"]);
  assert.deepEqual(await modelIds(), ["tests/tiny", "valley", "gift", "mine"]);
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const described = (await (await node.fetch("/v1/models/mine")).json()) as any;
  assert.deepEqual(
    [described.parent, described.openledger.adapter, described.openledger.completion_wei_per_token],
    ["tests/tiny", digest, "0"],
  );

  await node.close();
  node = await world.openNode(home);
  assert.equal((await ask("mine")).body.choices[0].message.content, first.body.choices[0].message.content);

  const gone = await post("unload_lora_adapter", { lora_name: "mine" });
  assert.deepEqual(gone, { status: 200, body: { model: "mine", adapter: digest } });
  assert.deepEqual([(await ask("mine")).status, (await modelIds()).includes("mine")], [404, false]);
  const again = await post("unload_lora_adapter", { lora_name: "mine" });
  assert.deepEqual([again.status, again.body.error.code], [404, "adapter_not_found"]);
});

test("what cannot be served is refused with the reason, and leaves nothing behind", async () => {
  const good = writeAdapter("other", 22);
  const foreign = writeAdapter("foreign", 23, { baseName: "somebody/else" });
  const wide = writeAdapter("wide", 24, { rank: 32 });
  const torn = writeAdapter("torn", 25);
  truncateSync(join(torn.path, "adapter_model.safetensors"), 500);
  const malformed = writeAdapter("malformed", 26);
  writeFileSync(join(malformed.path, "adapter_config.json"), "{");
  const large = writeAdapter("large", 27);
  truncateSync(join(large.path, "adapter_model.safetensors"), 513 * 1024 * 1024);
  const folders = writeAdapter("folders", 28);
  rmSync(join(folders.path, "adapter_config.json"));
  mkdirSync(join(folders.path, "adapter_config.json"));
  for (const [name, path, status, code, why] of [
    ["a", foreign.path, 400, "adapter_refused", /somebody\/else/],
    ["a", wide.path, 400, "adapter_refused", /rank/],
    ["a", torn.path, 400, "adapter_refused", /whole safetensors file/],
    ["a", malformed.path, 400, "adapter_refused", /JSON/],
    ["a", large.path, 400, "adapter_refused", /at most/],
    ["a", folders.path, 400, "adapter_refused", /not a file|EISDIR/],
    ["a", join(folder, "nothing"), 404, "adapter_not_found", /adapter_config\.json/],
    ["valley", good.path, 400, "model_name_taken", /release/],
    [world.release.served.id, good.path, 400, "model_name_taken", /release/],
    [`0x${"00".repeat(32)}`, good.path, 400, "invalid_value", /release id/],
    ["tests/tiny", good.path, 400, "model_name_taken", /base model/],
    ["a b", good.path, 400, "invalid_value", /characters/],
    ["a\0", good.path, 400, "invalid_value", /control/],
    ["a", "/tmp/\0", 400, "invalid_value", /control/],
  ] as const) {
    const { status: actual, body } = await load(name, path);
    assert.deepEqual([actual, body.error?.code], [status, code], JSON.stringify(body));
    assert.match(body.error.message, why);
  }
  const missing = await post("load_lora_adapter", { lora_name: "a" });
  assert.deepEqual([missing.status, missing.body.error.param], [400, "lora_path"]);
  const more = await post("load_lora_adapter", { lora_name: "a", lora_path: good.path, load_inplace: true });
  assert.deepEqual([more.status, more.body.error.code], [400, "unknown_parameter"]);
  assert.deepEqual(await modelIds(), ["tests/tiny", "valley", "gift"]);

  assert.equal((await load("a", good.path)).status, 200);
  const replaced = await load("a", writeAdapter("another", 29).path);
  assert.deepEqual([replaced.status, replaced.body.error.code], [400, "model_name_taken"]);
  assert.equal((await post("unload_lora_adapter", { lora_name: "a" })).status, 200);
});

test("a release's adapter is pinned and unpinned by name; only the operator may", async () => {
  const pinned = async () => (await world.openlora.metrics()).adapters.pinned;
  const adapter = world.release.served.manifest.adapter.digest;
  assert.deepEqual((await post("pin_lora_adapter", { lora_name: "valley" })).body, {
    model: "valley",
    adapter,
  });
  assert.equal(await pinned(), 1);
  const { path } = writeAdapter("beside", 30);
  assert.equal((await load("beside", path)).status, 200);
  assert.equal(await pinned(), 1, "what is tried is not pinned");
  assert.equal((await post("unpin_lora_adapter", { lora_name: world.release.served.id })).status, 200);
  assert.equal(await pinned(), 0);
  await post("unload_lora_adapter", { lora_name: "beside" });
  for (const name of ["tests/tiny", "nothing"])
    assert.equal(
      (await post("pin_lora_adapter", { lora_name: name })).status,
      name === "nothing" ? 404 : 400,
    );
  for (const path of ["load_lora_adapter", "unload_lora_adapter", "pin_lora_adapter", "unpin_lora_adapter"])
    assert.equal((await post(path, { lora_name: "valley" }, "sk-not-the-operator")).status, 401);
});
