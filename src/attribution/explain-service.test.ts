import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createRandom } from "../engine/index.ts";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { createExplainWriter, planExplainIndex } from "./explain-index.ts";
import { openExplainIndex } from "./explain-search.ts";
import { ExplainBusyError, type ExplainQuestion, openExplainer } from "./explain-service.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-explain-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const [count, p] = [200, 1000];
const random = createRandom(8);
const normal = () => Float32Array.from({ length: p }, () => random.normal());
const gradient = normal();
const among = Array.from({ length: 60 }, (_, i) => 3 * i);

function makeIndex(): { bytes: Uint8Array; digest: Digest } {
  const parts: Uint8Array[] = [];
  const options = { budgetBytes: 2 ** 20, rowBytes: 8192, seed: 1 };
  const writer = createExplainWriter(planExplainIndex(count, p, options), (part) => parts.push(part));
  for (let i = 0; i < count; i++) writer.add(i % 10 === 0 ? null : normal());
  writer.end();
  const bytes = new Uint8Array(Buffer.concat(parts));
  return { bytes, digest: bytesDigest(bytes) };
}
const indexes = [makeIndex(), makeIndex()] as const;
const path = async (digest: Digest) => join(folder, digest);
for (const { bytes, digest } of indexes) writeFileSync(join(folder, digest), bytes);

const question = (n: number, index = indexes[0].digest, harmful = true): ExplainQuestion => ({
  ...{ receipt: `0x${String(n).padStart(64, "0")}`, release: index, index, among, harmful },
  answer: { promptIds: [1], outputIds: [2] },
});

test("indexes of several releases are searched in memory for one of them, with the scores of a search of all", async () => {
  let gradients = 0;
  const explainer = openExplainer({
    gradient: async () => {
      gradients++;
      return gradient;
    },
    path,
    memoryBytes: 120_000,
  });
  for (const [n, index] of [0, 1, 0, 1].map((i) => indexes[i] as (typeof indexes)[0]).entries()) {
    const { bytes, digest } = index;
    const whole = openExplainIndex(bytes.length, (at, length) => bytes.subarray(at, at + length));
    const found = await explainer.explain(question(n, digest));
    assert.deepEqual(found, whole.explain(gradient, { among, count: 100, harmful: true }));
    const named = [...found.helpful, ...(found.harmful ?? [])];
    assert.ok(named.length > 60 && named.every(({ example }) => example % 10 !== 0), "no row, no influence");
    assert.deepEqual(await explainer.explain(question(n, digest)), found);
  }
  assert.equal(gradients, 4, "asked again, nothing is computed again");
  await explainer.close();
});

test("one question at a time; what waits is bounded, and what failed is tried again", async () => {
  let release = () => {};
  let under = 0;
  let fail = true;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const explainer = openExplainer({
    gradient: async () => {
      assert.equal(++under, 1);
      await gate;
      under--;
      if (fail) throw new Error("The engine is busy.");
      return gradient;
    },
    path,
  });
  const asked = Array.from({ length: 16 }, (_, n) => explainer.explain(question(n)));
  await assert.rejects(explainer.explain(question(16)), ExplainBusyError);
  assert.equal(explainer.explain(question(3)), asked[3], "the same question does not wait twice");
  const results = Promise.allSettled(asked);
  release();
  assert.deepEqual(
    (await results).map(({ status }) => status),
    asked.map(() => "rejected"),
  );
  fail = false;
  assert.ok((await explainer.explain(question(3))).helpful.length > 0);
  await explainer.close();
});

test("a file that is not the release's index is refused by name, and read again once it is restored", async () => {
  const { bytes, digest } = indexes[1];
  const file = join(folder, digest);
  const altered = bytes.slice();
  altered[5_000] = (altered[5_000] as number) ^ 1;
  writeFileSync(file, altered);
  const explainer = openExplainer({ gradient: async () => gradient, path });
  await assert.rejects(explainer.explain(question(1, digest)), { name: "IndexMismatchError" });
  writeFileSync(file, bytes);
  assert.ok((await explainer.explain(question(1, digest))).sum !== 0);
  await explainer.close();
});
