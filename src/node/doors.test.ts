/** What the doors of a whole node answer to bodies that are too large, or no JSON. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-doors-"));
const node = await openNode(readConfig(home, { port: 0, baseModel, threads: 1, settleEveryMs: 0 }));
after(async () => {
  await node.close();
  rmSync(home, { recursive: true, force: true });
});

const authorization = `Bearer ${node.operatorToken}`;
const errorOf = (answer: unknown) => (answer as { error: { code: string; message: string } }).error;

/** Announces a body, and sends none of it: whoever refuses by the length says so before. */
async function announce(path: string, bytes: number) {
  const asked = request(node.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": bytes, authorization },
  });
  asked.on("error", () => {}); // the connection is given up with the body unsent
  asked.flushHeaders();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const { code, message } = errorOf(await json(answer));
  asked.destroy();
  return { status: answer.statusCode, code, message };
}

test("a body beyond a door's limit is answered with 413, and the limit", async () => {
  const channel = `/v1/channels/0x${"ab".repeat(32)}/vouchers`;
  for (const [path, bytesMax] of [
    ["/v1/delegations", 4_096],
    ["/v1/relays/commitments", 4_096],
    ["/v1/claims", 4_096],
    ["/v1/settle", 4_096],
    ["/v1/disputes/check", 16_384],
    ["/v1/keys", 4_096],
    ["/v1/keys/activate", 4_096],
    [channel, 4_096],
    ["/v1/validators/statements", 65_536],
    ["/v1/operator/keys", 8_192],
    ["/v1/session", 8_192],
  ] as const)
    assert.deepEqual(
      await announce(path, 100_000),
      { status: 413, code: "too-large", message: `A body may have ${bytesMax} bytes here.` },
      path,
    );
});

test("no door calls a body that is no JSON a failure of the node", async () => {
  const { paths } = (await (await fetch(`${node.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const doors = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
  const changing = doors.filter(({ method }) => method === "POST" || method === "PUT");
  assert.ok(changing.length > 40, String(changing.length));
  const hex32 = `0x${"ab".repeat(32)}`;
  for (const { method, path } of changing) {
    const filled = path
      .replace(/\{(receipt|receiptId|release|releaseId|channelId|other)\}/g, hex32)
      .replace(/\{(reader|curator|address|payee)\}/g, `0x${"12".repeat(20)}`)
      .replace(/\{[^}]+\}/g, "1");
    const headers = { "content-type": "application/json", authorization };
    const response = await fetch(node.url + filled, { method, headers, body: "{" });
    const text = await response.text();
    assert.ok(response.status < 500, `${method} ${path}: ${text}`);
    if (response.status >= 400) assert.notEqual(errorOf(JSON.parse(text)).message, "", path);
  }
});
