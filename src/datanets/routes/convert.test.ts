import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { OpenAPIHono } from "@hono/zod-openapi";
import { docx, pdf } from "../formats/fixtures/files.ts";
import { mountConvert } from "./convert.ts";

const app = new OpenAPIHono();
mountConvert(app);

function streamed(content: string | Uint8Array, size = 5): RequestInit {
  const bytes = Buffer.from(content as string);
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
  return { method: "POST", body, duplex: "half" } as RequestInit;
}

async function converted(query: Record<string, string>, content: string | Uint8Array) {
  const response = await app.request(`/v1/datanets/convert?${new URLSearchParams(query)}`, streamed(content));
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("a file becomes rows: first what it is, then each row, then the end", async () => {
  const csv = "Frage,Antwort\nWer?,Ich.\nWo?\n";
  const [first, ...rest] = await converted({ name: "a.csv", prompt: "Frage", completion: "Antwort" }, csv);
  assert.deepEqual(
    [first.shape.format, first.shape.shape, first.shape.columns],
    ["csv", "mapping", ["Frage", "Antwort"]],
  );
  assert.deepEqual(rest, [
    {
      source: { file: "a.csv", line: 2, row: 1 },
      example: {
        messages: [
          { role: "user", content: "Wer?" },
          { role: "assistant", content: "Ich." },
        ],
      },
    },
    {
      source: { file: "a.csv", line: 3, row: 2 },
      refused: {
        code: "different-columns",
        message: "The row has 1 cell, the heading 2 columns. Quote cells that hold the separator.",
      },
    },
    { end: true },
  ]);
});

test("so do documents", async () => {
  for (const [name, content] of [
    ["a.pdf", pdf([["Bread."]])],
    ["a.docx", docx(["Bread."])],
  ] as const) {
    const [, row] = await converted({ name }, content);
    assert.deepEqual(row.example, { prompt: "", completion: "Bread." });
  }
});

test("what cannot be read says so in its one row", async () => {
  assert.deepEqual(await converted({ name: "a.jsonl" }, ""), [
    { shape: null },
    {
      source: { file: "a.jsonl" },
      refused: { code: "empty-file", message: "The file is empty: it has no bytes." },
    },
    { end: true },
  ]);
});

test("questions that are not right are refused before the file is read", async () => {
  const queries: Record<string, string>[] = [{}, { name: "a", format: "exe" }, { name: "a", what: "else" }];
  for (const query of queries) {
    const response = await app.request(`/v1/datanets/convert?${new URLSearchParams(query)}`, streamed("x"));
    assert.equal(response.status, 400, JSON.stringify(query));
  }
});

test("a client that goes away frees its place", async () => {
  const row = `{"question":"q","answer":"${"a".repeat(1_000)}"}\n`;
  for (let at = 0; at < 6; at++) {
    const response = await app.request(
      "/v1/datanets/convert?name=a.jsonl",
      streamed(row.repeat(2_000), 4_096),
    );
    assert.equal(response.status, 200);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
  }
});

test("one subscriber has two of the four places, however many addresses it asks from", async () => {
  const shared = new OpenAPIHono();
  mountConvert(shared, { idleMsMax: 100 });
  const stuck = () => ({ method: "POST", body: new ReadableStream(), duplex: "half" }) as RequestInit;
  const from = async (remoteAddress: string) => {
    const env = { incoming: { socket: { remoteAddress } } };
    return (await shared.request("/v1/datanets/convert?name=a.jsonl", stuck(), env)).status;
  };
  const asked = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.1", "192.0.2.2"];
  assert.deepEqual(await Promise.all(asked.map(from)), [200, 200, 503, 200, 200, 503]);
});

test("four at a time: another is told to wait, until one that reads nothing has lost its place", async () => {
  const hasty = new OpenAPIHono();
  mountConvert(hasty, { idleMsMax: 100 });
  const row = `{"question":"q","answer":"${"a".repeat(1_000)}"}\n`;
  const ask = () => hasty.request("/v1/datanets/convert?name=a.jsonl", streamed(row.repeat(2_000), 4_096));
  const four = await Promise.all([ask(), ask(), ask(), ask()]);
  assert.deepEqual(
    four.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const fifth = await ask();
  assert.equal(fifth.status, 503);
  assert.match(await fifth.text(), /"busy"/);
  await setTimeout(500);
  const sixth = await ask();
  assert.equal(sixth.status, 200);
  await sixth.body?.cancel();
  await assert.rejects(four[0]!.text(), /Nobody read on/);
});
