import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeUrl, type Settings } from "./settings.ts";

test("a node is reached where it listens, or where it is said to be", () => {
  const url = (host: string, given?: string) => nodeUrl({ host, port: 4000 } as Settings, given);
  assert.equal(url("127.0.0.1", ""), "http://127.0.0.1:4000");
  assert.equal(url("0.0.0.0", ""), "http://127.0.0.1:4000");
  assert.equal(url("::", ""), "http://[::1]:4000");
  assert.equal(url("x", "https://node.example/api/"), "https://node.example/api");
  for (const wrong of ["node.example", "ftp://node.example", "http://node.example?x"])
    assert.throws(() => url("x", wrong), /not the URL of a node/);
});
