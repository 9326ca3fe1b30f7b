/** Which doors of a whole node stand behind which scope. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createSiweMessage } from "viem/siwe";
import { openNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-operators-"));
const node = await openNode(readConfig(home, { port: 0, baseModel, threads: 1, settleEveryMs: 0 }));
after(async () => {
  await node.close();
  rmSync(home, { recursive: true, force: true });
});

type Door = { readonly method: string; readonly path: string };
const hex32 = `0x${"ab".repeat(32)}`;
const filled = (path: string) =>
  path
    .replace(/\{(receipt|receiptId|release|releaseId|channelId|other)\}/g, hex32)
    .replace(/\{(reader|curator|address|payee)\}/g, `0x${"12".repeat(20)}`)
    .replace(/\{[^}]+\}/g, "1");
const ask = ({ method, path }: Door, headers: Record<string, string> = {}) =>
  fetch(node.url + filled(path), {
    method,
    headers: { ...(method === "GET" ? {} : { "content-type": "application/json" }), ...headers },
    ...(method === "GET" || method === "DELETE" ? {} : { body: "{}" }),
  });
const errorOf = async (response: Response) =>
  ((await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string } }).error;

const { paths } = (await (await fetch(`${node.url}/openapi.json`)).json()) as {
  paths: Record<string, Record<string, unknown>>;
};
const described: Door[] = Object.entries(paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
);
/** Those that tell a stranger that they are the operator's. */
const guarded: Door[] = [{ method: "GET", path: "/metrics" }];
for (const door of described) {
  const response = await ask(door);
  if (response.status !== 401) await response.body?.cancel();
  else if ((await errorOf(response))?.code === "operator-only") guarded.push(door);
}

const keyOf = async (...scopes: string[]) => {
  const response = await fetch(`${node.url}/v1/operator/keys`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${node.operatorToken}` },
    body: JSON.stringify({ name: "doors", scopes, requestsPerMinute: 60_000 }),
  });
  return { authorization: `Bearer ${((await response.json()) as { secret: string }).secret}` };
};

test("each guarded door names the scope that it needs", async () => {
  const [narrow, other] = [await keyOf("faucet"), await keyOf("settlement")];
  const scopeOf = async (door: Door) => {
    for (const headers of [narrow, other]) {
      const error = await errorOf(await ask(door, headers));
      if (error?.code === "scope-missing") return /needs the scope (\w+)/.exec(error.message ?? "")?.[1];
    }
    return undefined;
  };
  const found: Record<string, string[]> = {};
  for (const door of guarded) {
    const scope = (await scopeOf(door)) ?? "none";
    found[scope] = [...(found[scope] ?? []), `${door.method} ${door.path}`];
  }
  const begin = (scope: string, start: RegExp) => {
    assert.ok((found[scope]?.length ?? 0) > 0, `${scope} opens something`);
    for (const door of found[scope] ?? []) assert.match(door, start, `${scope} opens ${door}`);
  };
  assert.deepEqual(found.faucet, ["POST /v1/faucet"]);
  assert.deepEqual(found.backup, ["POST /v1/backup"]);
  assert.deepEqual(found.blobs?.sort(), ["POST /v1/blobs/collect", "POST /v1/blobs/rotate"]);
  assert.deepEqual(found.metrics, ["GET /metrics"]);
  begin("datanets", /^\w+ \/v1\/datanets/);
  begin("modelfactory", /^\w+ \/v1\/(fine-tunes|fine_tuning|files|releases|models)/);
  begin("models", /^POST \/v1\/(un)?(load|pin)_lora_adapter$/);
  begin("settlement", /^POST \/v1\/(settle|disputes|demands|batches|receipts|fine-tunes\/\{id\}\/give-back)/);
  begin("keys", /^\w+ \/v1\/operator\//);
  begin("read", /^GET \/v1\/receipts\/\{receipt\}\/(spans|examples)$/);
  assert.equal(Object.keys(found).length, 10);
  assert.equal(found.none, undefined);
});

test("no guarded door opens to a cookie that another origin sent along", async () => {
  const { operator } = node.network.accounts;
  const { host, origin } = new URL(node.url);
  const { nonce, chainId } = (await (await fetch(`${node.url}/v1/session/nonce`)).json()) as {
    nonce: string;
    chainId: number;
  };
  const message = createSiweMessage({
    ...{ address: operator.address, chainId, domain: host, uri: origin, version: "1", nonce },
  });
  const signed = await fetch(`${node.url}/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json", origin },
    body: JSON.stringify({ message, signature: await operator.signMessage({ message }) }),
  });
  assert.equal(signed.status, 200, await signed.clone().text());
  const cookie = signed.headers.get("set-cookie")?.split(";")[0] ?? "";
  const codeOf = async (door: Door, headers: Record<string, string>) => {
    const response = await ask(door, { cookie, ...headers });
    return response.status < 400 ? void (await response.body?.cancel()) : (await errorOf(response))?.code;
  };
  const marked = { "x-openledger": "1" };
  assert.ok(guarded.length > 40, String(guarded.length));
  for (const door of guarded) {
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "https://evil.example", ...marked },
      { origin: origin.replace(/\d+$/, "1"), ...marked },
      { origin: "null", "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", ...marked },
      {},
    ] as Record<string, string>[])
      assert.equal(
        await codeOf(door, headers),
        "foreign-origin",
        `${door.method} ${door.path} ${JSON.stringify(headers)}`,
      );
    const code = await codeOf(door, { origin });
    if (door.path === "/v1/backup") assert.equal(code, "scope-missing");
    else
      assert.doesNotMatch(
        code ?? "",
        /operator-only|foreign-origin|not-operator|scope-missing/,
        `${door.method} ${door.path}`,
      );
  }
});
