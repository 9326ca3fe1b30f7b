import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { complaints, growth } from "./load.ts";

test("a short load on a real node has an answer for every request and frees everything", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL("load.ts", import.meta.url)),
    ...["--json", "--seconds", "4", "--clients", "6", "--adapters", "2"],
  ]).catch((error: { stdout?: string; stderr?: string }) => {
    // Four seconds of a node that has just started say nothing about its memory.
    if (/^Memory grew .*$/.test((error.stderr ?? "").trim().split("\n").at(-1) ?? "")) return error as never;
    throw error;
  });
  const result = JSON.parse(stdout);
  assert.ok(result.byStatus[200] > 6 && result.tokPerSec > 0 && result.latencyMs.p99 >= result.latencyMs.p50);
  assert.deepEqual(complaints({ ...result, rssGrowth: null }), []);
});

test("errors, broken streams, growth and what is held are complained about; 429 is not", () => {
  const fine = {
    byStatus: { 200: 9, 429: 3 },
    connectionErrors: 0,
    brokenStreams: 0,
    rssGrowth: 1.04,
    heldAtEnd: { a: 0 },
  };
  assert.deepEqual(complaints(fine), []);
  assert.match(complaints({ ...fine, byStatus: { 500: 2 } })[0] ?? "", /2 answers of status 500/);
  assert.match(complaints({ ...fine, connectionErrors: 1 })[0] ?? "", /1 requests had no answer/);
  assert.match(complaints({ ...fine, brokenStreams: 1 })[0] ?? "", /DONE/);
  assert.match(complaints({ ...fine, rssGrowth: 1.06 })[0] ?? "", /Memory grew by 1.06/);
  assert.match(complaints({ ...fine, heldAtEnd: { a: Number.NaN } })[0] ?? "", /a is NaN/);
});

test("growth compares the last quarter with the second", () => {
  assert.equal(growth([1, 1, 1]), null);
  assert.equal(growth([9, 9, 100, 100, 7, 7, 110, 110]), 1.1);
});
