import assert from "node:assert/strict";
import { test } from "node:test";
import { lineageOf } from "./lineage.ts";

const release = (datanets: number) =>
  ({
    id: `0x${"ab".repeat(32)}`,
    model: "valley",
    manifest: {
      base: { name: "base" },
      adapter: { rank: 8, digest: "0x01" },
      datanets: Array.from({ length: datanets }, (_, i) => ({
        datanetId: String(i + 1),
        version: 1,
        license: "CC0-1.0",
        acceptedExamples: 50,
      })),
    },
  }) as unknown as Parameters<typeof lineageOf>[0];

test("what flows out of the contributors is what the release was trained on", () => {
  const { nodes, links } = lineageOf(
    release(1),
    [15, 10, 7, 4, 4, 2, 2, 2, 1, 1, 1, 1].map((examples, i) => ({ contributor: `0x${i}`, examples })),
  );
  const into = (id: string) =>
    links.filter(({ target }) => target === id).reduce((sum, { value }) => sum + value, 0);
  assert.equal(into("1@1"), 50);
  assert.equal(links[0]?.value, 15, "a band is as wide as the examples in it");
  assert.equal(into("adapter"), 50);
  assert.equal(into("model"), 50);
  assert.ok(nodes.some(({ label }) => label === "4 others"));
  const ids = new Set(nodes.map(({ id }) => id));
  assert.ok(links.every(({ source, target }) => ids.has(source) && ids.has(target)));
});

test("of several Datanets everybody is drawn, and no band says whose examples are in which", () => {
  const { nodes, links } = lineageOf(
    release(2),
    Array.from({ length: 11 }, (_, i) => ({ contributor: `0x${i}`, examples: i === 0 ? 50 : 5 })),
  );
  const between = (source: string, target: string) =>
    links.find((link) => link.source === source && link.target === target)?.value;
  assert.deepEqual(
    links.filter(({ target }) => target === "adapter").map(({ source }) => source),
    ["1@1", "2@1"],
  );
  assert.deepEqual([between("0x0", "examples"), between("others", "examples")], [50, 15]);
  assert.deepEqual([between("examples", "1@1"), between("examples", "2@1")], [50, 50]);
  assert.ok(links.every(({ source, target }) => !source.startsWith("0x") || target === "examples"));
  assert.ok(
    nodes.some(({ label }) => label === "100 examples") && nodes.some(({ label }) => label === "3 others"),
  );
});
