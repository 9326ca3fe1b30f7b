import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const measure = fileURLToPath(new URL("fixtures/measure.ts", import.meta.url));
const zippedBytesMax = 1_000_000;

type Loaded = { modules: [url: string, by: string][]; bytes: number; zippedBytes: number };

test("the client holds the protocol and nothing of Node, the engine or the chain, and is small", (t) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [measure], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  assert.equal(status, 0, stderr);
  const { modules, bytes, zippedBytes } = JSON.parse(stdout) as Loaded;

  const ours = modules.filter(([url]) => url.startsWith("file:") && !url.includes("/node_modules/"));
  assert.deepEqual(
    ours.map(([url]) => url).filter((url) => !/\/(client\/src|src\/protocol)\//.test(url)),
    [],
  );
  const heavy = modules.filter(([url]) => /onnxruntime|nomicfoundation|pglite|\/hono\//.test(url));
  assert.deepEqual(heavy, []);
  // This package has another file for browsers, chosen by its own export conditions.
  const builtins = modules.filter(
    ([url, by]) => url.startsWith("node:") && !/@noble\/hashes\/.*cryptoNode\.js$/.test(by),
  );
  assert.deepEqual(builtins, []);

  const kib = (size: number) => `${Math.round(size / 1024)} KiB`;
  t.diagnostic(
    `${modules.length} modules, ${kib(bytes)} of code, ${kib(zippedBytes)} zipped, before a bundler drops what is unused; no bundler is installed here`,
  );
  assert.ok(zippedBytes < zippedBytesMax, `${zippedBytes} bytes, zipped`);
});
