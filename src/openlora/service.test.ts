import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, test } from "node:test";
import { adapterShelf, engineSuite, first, greedy, second } from "./engine-suite.ts";
import { tinyBaseName, writeTinyBase } from "./fixtures/tiny-base.ts";
import { createOpenLora } from "./index.ts";

engineSuite("embedded", ({ folder, loadAdapter, options }) =>
  createOpenLora({
    baseFolder: folder,
    baseName: tinyBaseName,
    loadAdapter,
    options: { threads: 1, ...options },
  }),
);

const folder = writeTinyBase();
after(() => rmSync(folder, { recursive: true }));

test("an adapter that has left its row comes back from memory", async () => {
  const { loads, loadAdapter } = adapterShelf();
  await using openLora = await createOpenLora({
    baseFolder: folder,
    baseName: tinyBaseName,
    loadAdapter,
    options: { threads: 1, maxRows: 2, rank: 4 },
  });
  for (const { digest } of [first, second, first])
    await openLora.generate({ ...greedy, maxTokens: 2, adapter: digest });
  assert.deepEqual(loads, [first.digest, second.digest]);
  const { adapters } = await openLora.metrics();
  assert.equal(adapters.memoryHitsTotal, 1);
});

test("a quantized base says so: in its facts, its log and the name of what answered", async () => {
  const lines: string[] = [];
  await using openLora = await createOpenLora({
    baseFolder: folder,
    baseName: tinyBaseName,
    loadAdapter: adapterShelf().loadAdapter,
    options: { threads: 1, maxRows: 2, rank: 4, precision: "int8" },
    log: (line) => lines.push(line),
  });
  const { precision, baseDigest } = openLora.info();
  assert.equal(precision, "int8");
  assert.match(lines.join(), /is ready .* weights in int8/);
  assert.equal((await openLora.generate(greedy)).fingerprint, `${baseDigest}:int8`);
  const { fingerprint } = await openLora.generate({ ...greedy, adapter: first.digest });
  assert.equal(fingerprint, `${baseDigest}:int8+${first.digest}`);
});
