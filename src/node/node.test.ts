import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { protocolCode } from "../chain/index.ts";
import { openOperatorToken, operatorTokenFile } from "./guard.ts";
import { ConfigError, type NodeConfigInput, openNode, type RunningNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const homes: string[] = [];
const newHome = () => {
  const home = mkdtempSync(join(tmpdir(), "openledger-node-"));
  homes.push(home);
  return home;
};
const open = (
  home: string,
  port = 0,
  overrides: Partial<NodeConfigInput> = {},
  log: (level: string, message: string) => void = () => {},
): Promise<RunningNode> =>
  openNode(readConfig(home, { port, baseModel, threads: 1, settleEveryMs: 0, ...overrides }), { log });
const getJson = async (url: string) => (await fetch(url)).json() as Promise<Record<string, unknown>>;

const home = newHome();
let node = await open(home);
after(async () => {
  await node.close();
  for (const folder of homes) rmSync(folder, { recursive: true, force: true });
});

test("a fresh node answers: page, status, chain, models, description", async () => {
  const page = await fetch(node.url);
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.match(await page.text(), /<title>/);
  const status = (await getJson(`${node.url}/v1/status`)) as {
    chain: { chainId: number; contracts: Record<string, string> };
    datanets: unknown[];
  };
  assert.equal(status.chain.chainId, 161_612);
  assert.equal(Object.keys(status.chain.contracts).length, Object.keys(protocolCode).length);
  assert.deepEqual(status.datanets, []);
  const { paths } = (await getJson(`${node.url}/openapi.json`)) as { paths: Record<string, unknown> };
  for (const path of [
    "/v1/chat/completions",
    "/v1/datanets",
    "/v1/explorer/summary",
    "/v1/fine-tunes",
    "/v1/keys",
    "/v1/receipts/{receiptId}",
    "/v1/supply",
  ])
    assert.ok(path in paths, `${path} is described`);
  const elsewhere = await fetch(`${node.url}/v1/responses`, { method: "POST", body: "{}" });
  assert.equal(elsewhere.status, 404);
  assert.equal(((await elsewhere.json()) as { error: { code: string } }).error.code, "not_found");
  const rpc = await fetch(`${node.url}/rpc`, {
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId" }),
  });
  assert.deepEqual(await rpc.json(), { jsonrpc: "2.0", id: 1, result: "0x2774c" });
  assert.equal((await fetch(`${node.url}/healthz`)).status, 200);
});

test("the chain's WebSocket opens at /rpc for the node's own names only, and tells of new blocks", async () => {
  const url = node.url.replace("http", "ws");
  const refused = async (path: string, headers = {}) => {
    const socket = new WebSocket(`${url}${path}`, { headers });
    const [, response] = await once(
      socket.on("error", () => {}),
      "unexpected-response",
    );
    response.resume();
    return response.statusCode;
  };
  assert.equal(await refused("/"), 404);
  assert.equal(await refused("/rpcs"), 404);
  assert.equal(await refused("/rpc", { host: "attacker.example" }), 403);
  const socket = new WebSocket(`${url}/rpc`, { origin: "https://wallet.example" });
  await once(socket, "open");
  const next = async () => JSON.parse(String((await once(socket, "message"))[0]));
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
  const { result: subscription } = await next();
  const told = next();
  await node.network.chain.mineEmptyBlock();
  assert.equal((await told).params.subscription, subscription);
  socket.terminate();
});

test("the audit of a receipt that is not here is not found, whoever asks for how much of it", async () => {
  for (const path of ["audit", "audit?full=true"]) {
    const response = await fetch(`${node.url}/v1/receipts/0x${"ab".repeat(32)}/${path}`);
    assert.equal(response.status, 404);
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, "unknown-receipt");
  }
});

test("metrics are the operator's to read", async () => {
  assert.equal((await fetch(`${node.url}/metrics`)).status, 401);
  const page = await fetch(`${node.url}/metrics`, {
    headers: { authorization: `Bearer ${node.operatorToken}` },
  });
  assert.match(page.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await page.text();
  assert.match(text, /^openledger_chain_block_number \d+$/m);
  assert.match(text, /^# TYPE openledger_openlora_running gauge\nopenledger_openlora_running 0$/m);
  assert.match(text, /^openledger_openlora_finished_total\{kind="stop"\} \d+$/m);
  assert.match(text, /^openledger_openlora_adapters_memory_bytes \d+$/m);
  assert.match(text, /^openledger_inference_in_flight 0$/m);
});

test("the supply is proven from the chain", async () => {
  const supply = await getJson(`${node.url}/v1/supply`);
  assert.equal(supply.conserved, true);
  assert.equal(supply.totalWei, "1000000000000000000000000000");
});

test("only the operator's token acts in the operator's name", async () => {
  const body = JSON.stringify({ address: `0x${"12".repeat(20)}`, amountWei: "7" });
  const post = (authorization: string) =>
    fetch(`${node.url}/v1/faucet`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", authorization },
    });
  assert.equal((await post("Bearer wrong")).status, 401);
  assert.equal((await post("")).status, 401);
  assert.equal((await post(`Bearer ${node.operatorToken}`)).status, 200);
  assert.equal(await node.network.reader.public.getBalance({ address: `0x${"12".repeat(20)}` }), 7n);
  for (const path of ["/v1/datanets", "/v1/fine-tunes", "/v1/settle"]) {
    const refused = await fetch(`${node.url}${path}`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.equal(refused.status, 401, path);
  }
});

test("a home in use and a port in use are refused, and leave nothing open", async () => {
  await assert.rejects(open(home), /in use by process/);
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  const second = newHome();
  await assert.rejects(open(second, port), { code: "EADDRINUSE" });
  other.close();
  const opened = await open(second, 0); // the failed attempt let go of everything
  await opened.close();
});

test("after a restart everything is where it was, and the log and the status tell another precision", async () => {
  const before = await getJson(`${node.url}/v1/status`);
  assert.equal(before.precision, "f32");
  const answer = await fetch(`${node.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: node.config.baseName,
      prompt: [1, 2, 3],
      max_tokens: 100,
      seed: 1,
      stream: true,
    }),
  });
  const [text] = await Promise.all([answer.text(), node.close()]);
  assert.match(text, /data: \[DONE\]\s*$/, "an answer under way is finished before the node closes");
  const lines: string[] = [];
  const serving = { maxRows: 3, rank: 4, contextTokens: 96 };
  node = await open(home, 0, { precision: "int8", serving }, (_, line) => lines.push(line));
  const now = await getJson(`${node.url}/v1/status`);
  assert.deepEqual(now.chain, before.chain);
  assert.equal(now.precision, "int8");
  assert.ok(
    lines.some((line) => line.includes("3 rows of 96 tokens, adapters up to rank 4, weights in int8")),
    lines.join("\n"),
  );
});

test("a configuration that makes no sense says which field", () => {
  const folder = newHome();
  assert.throws(
    () => readConfig(folder, { port: 70_000 }),
    (error: Error) => error instanceof ConfigError && /port/.test(error.message),
  );
  assert.throws(() => readConfig(folder, { serving: { maxRows: 0 } }), /serving\.maxRows/);
  assert.equal(readConfig(folder, { serving: { rank: 32 } }).serving.maxRows, 16);
  writeFileSync(join(folder, "config.json"), "{ not json");
  assert.throws(() => readConfig(folder), /config\.json is not a JSON object/);
  writeFileSync(join(folder, "config.json"), '{"prot": 1}');
  assert.throws(() => readConfig(folder), /prot/);
  const withEngine = (engine: object, more: object = {}) => {
    writeFileSync(join(folder, "config.json"), JSON.stringify({ engine, ...more }));
    return () => readConfig(folder).engine;
  };
  const servers = [{ url: "http://127.0.0.1:8000" }, { url: "https://gpu.example:8443", apiKey: "k" }];
  assert.deepEqual(withEngine({ servers, adapterFolder: "/shared", maxRows: 64 })()?.servers, servers);
  assert.throws(withEngine({ servers: [] }), /engine\.servers/);
  assert.throws(withEngine({ servers: [{ url: "http://host/v1" }] }), /engine\.servers\[0\]\.url/);
  assert.throws(withEngine({ servers, rows: 3 }), /rows/);
  assert.throws(withEngine({ servers }, { precision: "int8" }), /precision/);
});

test("an operator token that is empty, cut short or readable by others stops the start", () => {
  const folder = newHome();
  assert.match(openOperatorToken(folder), /^[\w-]{43}$/);
  for (const text of ["", "short", "\n"]) {
    writeFileSync(operatorTokenFile(folder), text, { mode: 0o600 });
    assert.throws(() => openOperatorToken(folder), /does not hold an operator token/);
  }
  chmodSync(operatorTokenFile(folder), 0o644);
  assert.throws(() => openOperatorToken(folder), /others can read it/);
});

test("a page of another site cannot borrow the node's name", async () => {
  const { port } = new URL(node.url);
  const asked = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: "/healthz", headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
  assert.equal(await asked(`127.0.0.1:${port}`), 200);
  assert.equal(await asked(`localhost:${port}`), 200);
  assert.equal(await asked("evil.example"), 403);
});
