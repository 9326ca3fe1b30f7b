import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-bodies-"));
const node = await openNode(readConfig(home, { port: 0, baseModel, threads: 1, settleEveryMs: 0 }));
after(async () => {
  await node.close();
  rmSync(home, { recursive: true, force: true });
});

/** What costs most to parse: 17 MiB of empty objects. */
const hostile = `[${"{},".repeat((17 * 2 ** 20) / 3)}{}]`;
const json = { "content-type": "application/json" };
/** Read as they come, in bounds of their own: by whom it is, what it is for, or how long. */
const streamed = [
  "/contributions",
  "/preview",
  "/convert",
  "/v1/files",
  "completions",
  "embeddings",
  "_lora_adapter",
];

test("no route that writes reads a body of any length whole, whoever sends it", async () => {
  const { paths } = (await (await fetch(`${node.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const writing = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== "get")
      .map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, "1") })),
  );
  assert.ok(writing.length > 50, `${writing.length} routes write`);
  for (const { method, path } of writing) {
    const answer = await fetch(node.url + path, { method, body: hostile, headers: json });
    const wanted = streamed.some((end) => path.endsWith(end)) ? [400, 401, 404, 413, 415] : [413];
    const text = await answer.text();
    assert.ok(wanted.includes(answer.status), `${method} ${path}: ${answer.status} ${text.slice(0, 200)}`);
  }
});

test("a body whose length is not told is cut where it is too long, and the refusal says how long it may be", async () => {
  const body = new Blob(["[", "{},".repeat(2 ** 19), "{}]"]).stream();
  const answer = await fetch(`${node.url}/v1/datanets/1/withdrawals`, {
    ...{ method: "POST", headers: json, body, duplex: "half" },
  } as RequestInit);
  assert.equal(answer.status, 413);
  const { error, detail } = (await answer.json()) as {
    error: { code: string; message: string };
    detail: string;
  };
  assert.equal(error.code, "too-large");
  assert.match(detail, /too long; expected 1048576 bytes at most\. Send less at a time\./);
});
