import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, test } from "node:test";
import { tinyBaseName, tinyConfig, writeTinyBase } from "./fixtures/tiny-base.ts";
import { createOpenLora } from "./index.ts";
import { memoryByPrecision, requireMemory, servingMemory } from "./memory.ts";
import { type OpenLoraOptions, openLoraOptionsSchema, servingLimits } from "./options.ts";

const folder = writeTinyBase();
after(() => rmSync(folder, { recursive: true }));
const limitsOf = (options: OpenLoraOptions) =>
  servingLimits(openLoraOptionsSchema.parse(options), tinyConfig);

test("every part is counted", () => {
  const limits = limitsOf({ maxRows: 3, rank: 4, adapterMemoryBytes: 1_000, prefixCacheBytes: 100 });
  const memory = servingMemory(tinyConfig, limits);
  const layers = 2 * (32 * 32 * 2 + 16 * 32 * 2 + 48 * 32 * 3 + 64) + 32;
  assert.equal(memory.base, Math.ceil(4 * (2 * 272 * 32 + layers) * 4.5));
  assert.equal(memory.rows, 3 * 2 * 4 * (64 + 48 + 48 + 64 + 80 + 80 + 80) * 4);
  assert.equal(memory.cache, 3 * 2 * 2 * 2 * 8 * 4 * 256);
  assert.equal(memory.total, memory.base + memory.rows + memory.cache + 1_100);
  requireMemory(tinyConfig, limits, memory.total);
  assert.throws(() => requireMemory(tinyConfig, limits, memory.total - 1), {
    code: "invalid-request",
    message: /may take 1 MiB of memory and 1 MiB are available: .* 3 rows of 256 tokens.*lower maxRows/,
  });
});

test("a base whose graph is beyond what the runtime reads is refused before it is loaded", () => {
  const config = { ...tinyConfig, hidden: 4_096, vocab: 200_000, tied: true };
  const limits = { ...limitsOf({}), vocabTokens: 200_000 };
  assert.throws(() => requireMemory(config, limits, Number.MAX_SAFE_INTEGER), {
    message: /up to 2 GiB.*int8/,
  });
  requireMemory(config, { ...limits, precision: "int8" }, Number.MAX_SAFE_INTEGER);
});

test("a server that would not fit does not start, and says what to lower", async () => {
  const options = { threads: 1, maxRows: 1_024, adapterMemoryBytes: 2 ** 52 };
  await assert.rejects(
    createOpenLora({ baseFolder: folder, baseName: tinyBaseName, loadAdapter: async () => never(), options }),
    { name: "OpenLoraError", message: /Serving this base may take .* GiB of memory/ },
  );
});

const never = (): never => {
  throw new Error("No adapter is asked for.");
};

test("memory by precision is serving's at its defaults, and says which graphs the runtime reads", () => {
  assert.deepEqual(
    memoryByPrecision(tinyConfig).map(({ precision, bytes, servable }) => [precision, bytes, servable]),
    (["f32", "int8", "int4"] as const).map((precision) => [
      precision,
      servingMemory(tinyConfig, limitsOf({ precision })).total,
      true,
    ]),
  );
  // 1.1 billion parameters: 4.4 GB in float32, 1.3 GB in 8 bits.
  const large = { ...tinyConfig, vocab: 1 << 20, hidden: 512 };
  assert.deepEqual(
    memoryByPrecision(large).map(({ servable }) => servable),
    [false, true, true],
  );
});
