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

/** Announces a body, and sends none of it: whoever refuses by the length says so before. @param sent what is sent of one without a length */
async function announce(path: string, bytes?: number, method = "POST", sent: readonly string[] = []) {
  const length = bytes === undefined ? {} : { "content-length": bytes };
  const asked = request(node.url + path, {
    method,
    headers: { "content-type": "application/json", ...length, authorization },
  });
  asked.on("error", () => {}); // the connection is given up with the body unsent
  asked.flushHeaders();
  for (const part of sent) asked.write(part);
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

/** Doors, with something in the place of each parameter. */
async function doors(...methods: readonly string[]) {
  const { paths } = (await (await fetch(`${node.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const hex32 = `0x${"ab".repeat(32)}`;
  return Object.entries(paths).flatMap(([path, described]) =>
    Object.keys(described)
      .map((method) => method.toUpperCase())
      .filter((method) => methods.includes(method))
      .map((method) => ({
        method,
        path: path
          .replace(/\{(receipt|receiptId|release|releaseId|channelId|other)\}/g, hex32)
          .replace(/\{(reader|curator|address|payee)\}/g, `0x${"12".repeat(20)}`)
          .replace(/\{[^}]+\}/g, "1"),
      })),
  );
}

test("no door reads a body of any length whole, whoever sends it", async () => {
  // These read as it comes, in bounds of their own.
  const streamed =
    /\/(preview|contributions|convert)$|^\/v1\/files$|\/(completions|embeddings)$|_lora_adapter$/;
  const whole = (await doors("POST", "PUT", "DELETE")).filter(({ path }) => !streamed.test(path));
  assert.ok(whole.length > 45, String(whole.length));
  for (const { method, path } of whole) {
    const { status, code } = await announce(path, 17 * 2 ** 20, method);
    assert.deepEqual([status, code], [413, "too-large"], `${method} ${path}`);
  }
  // One byte too many: all that is sent is read before it is refused.
  const sent = ["[", "{},".repeat(2 ** 20 / 4), " ".repeat(2 ** 20 / 4)];
  const unmeasured = await announce("/v1/datanets/1/withdrawals", undefined, "POST", sent);
  assert.deepEqual(unmeasured, {
    ...{ status: 413, code: "too-large" },
    message: "A body may have 1048576 bytes here.",
  });
});

test("no door calls a body that is no JSON a failure of the node", async () => {
  const changing = await doors("POST", "PUT");
  assert.ok(changing.length > 40, String(changing.length));
  for (const { method, path } of changing) {
    const headers = { "content-type": "application/json", authorization };
    const response = await fetch(node.url + path, { method, headers, body: "{" });
    const text = await response.text();
    assert.ok(response.status < 500, `${method} ${path}: ${text}`);
    if (response.status >= 400) assert.notEqual(errorOf(JSON.parse(text)).message, "", path);
  }
});
