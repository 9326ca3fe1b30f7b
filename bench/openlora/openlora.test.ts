import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bytesDigest } from "../../src/protocol/index.ts";
import { scratchFolder } from "../common/measure.ts";
import { createAdapterMaker, qv, randomBase, requireRoom, tinyShape, writeAdapters } from "./material.ts";
import { agreement } from "./peer.ts";

const program = fileURLToPath(new URL("../openlora.ts", import.meta.url));

test("a quick run prints every figure of the benchmark as one line of JSON and leaves nothing behind", async () => {
  await using scratch = scratchFolder("bench-test-");
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    ...["--quick", "--json", "--registered", "1,16,40", "--scratch", scratch.path],
  ]);
  const result = JSON.parse(stdout);
  assert.deepEqual(Object.keys(result).slice(0, 13), [
    "modules",
    "batch",
    "tokPerSecBase",
    "tokPerSecDistinct",
    "ratioDistinct",
    "all7",
    "registered",
    "tokPerSecByRegistered",
    "coldLoadMsP50",
    "coldLoadMsP95",
    "bytesPerAdapter",
    "rssMiB",
    "peer",
  ]);
  for (const key of ["tokPerSecBase", "tokPerSecDistinct", "ratioDistinct", "coldLoadMsP50", "coldLoadMsP95"])
    assert.ok(result[key] > 0, key);
  assert.ok(result.all7.ratioDistinct > 0);
  assert.deepEqual(result.registered, [1, 16, 40]);
  assert.equal(result.tokPerSecByRegistered.length, 3);
  assert.ok(result.coldLoads > 16 && result.coldLoadMsP95 >= result.coldLoadMsP50);
  assert.equal(result.peer, null);
  assert.deepEqual(readdirSync(scratch.path), []);
});

test("adapters all differ and are called by their files' digests", async () => {
  await using folder = scratchFolder("bench-test-");
  const { config } = randomBase(tinyShape);
  const maker = createAdapterMaker(config, qv);
  const digests = writeAdapters(folder.path, maker, 30, () => {});
  assert.equal(new Set(digests).size, 30);
  assert.equal(digests[7], bytesDigest(maker.tensors(7)));
  const [a, b] = [maker.adapter(0), maker.adapter(1)].map(
    ({ tensors }) => tensors.values().next().value!.data,
  );
  assert.ok(a!.filter((value, i) => value === b![i]).length < a!.length / 100);
});

test("too little room is said before anything is written, with the way out", () => {
  assert.throws(
    () => requireRoom(".", 1e18, "Register fewer adapters."),
    /1500000000.0 GB free; there are .*Register fewer/,
  );
});

test("agreement counts tokens before a row's first difference", () => {
  const ours = [
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ];
  assert.equal(agreement(ours, ours), 1);
  assert.equal(
    agreement(ours, [
      [1, 2, 3, 4],
      [1, 9, 3, 4],
    ]),
    5 / 8,
  );
});
