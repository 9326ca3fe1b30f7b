import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scratchFolder } from "../common/measure.ts";
import { formatGgufHeader, interleaveHeads, quantizeQ8, writeGguf, writeGgufAdapter } from "./gguf.ts";
import { adapterRank, createAdapterMaker, qv, randomBase, tinyShape } from "./material.ts";

/** Reads what the format says, in the format's own order; knows nothing of the writer. */
function readGguf(bytes: Buffer) {
  let at = 0;
  /** Moves on. @returns where it was */
  const take = (count: number) => {
    at += count;
    return at - count;
  };
  const u32 = () => bytes.readUInt32LE(take(4));
  const u64 = () => Number(bytes.readBigUInt64LE(take(8)));
  const text = () => {
    const start = take(u64());
    return bytes.toString("utf8", start, at);
  };
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return bytes.readInt32LE(take(4));
    if (type === 6) return bytes.readFloatLE(take(4));
    if (type === 8) return text();
    assert.equal(type, 9);
    const of = u32();
    return Array.from({ length: u64() }, () => value(of));
  };
  assert.equal(bytes.toString("latin1", 0, 4), "GGUF");
  at = 4;
  assert.equal(u32(), 3);
  const [tensorCount, keyCount] = [u64(), u64()];
  const metadata = Object.fromEntries(Array.from({ length: keyCount }, () => [text(), value(u32())]));
  const tensors = Array.from({ length: tensorCount }, () => ({
    name: text(),
    dims: Array.from({ length: u32() }, u64),
    type: u32(),
    offset: u64(),
  }));
  return { metadata, tensors, dataStart: Math.ceil(at / 32) * 32 };
}

test("a GGUF file holds its metadata, and its tensors where it says", async () => {
  await using folder = scratchFolder("gguf-test-");
  const path = join(folder.path, "x.gguf");
  const metadata = {
    count: { u32: 7 },
    scale: { f32: 0.5 },
    name: { string: "żółw" },
    words: { strings: ["a", "", "ccc"] },
    types: { i32s: [1, -1] },
  };
  const first = Float32Array.of(1, 2, 3, 4, 5, 6);
  const second = Float32Array.from({ length: 64 }, (_, i) => i - 20);
  const tensors = [
    { name: "first", shape: [2, 3], type: "F32" as const, data: () => first },
    { name: "second", shape: [2, 32], type: "Q8_0" as const, data: () => second },
  ];
  writeGguf(path, metadata, tensors);
  const bytes = readFileSync(path);
  const read = readGguf(bytes);
  assert.deepEqual(read.metadata, {
    count: 7,
    scale: 0.5,
    name: "żółw",
    words: ["a", "", "ccc"],
    types: [1, -1],
  });
  assert.deepEqual(
    read.tensors.map(({ name, dims, type, offset }) => [name, dims, type, offset]),
    [
      ["first", [3, 2], 0, 0],
      ["second", [32, 2], 8, 32],
    ],
  );
  assert.equal(read.dataStart, formatGgufHeader(metadata, tensors).length);
  assert.deepEqual(
    Array.from({ length: 6 }, (_, i) => bytes.readFloatLE(read.dataStart + 4 * i)),
    [...first],
  );
  assert.deepEqual(
    bytes.subarray(read.dataStart + 32, read.dataStart + 32 + 68),
    Buffer.from(quantizeQ8(second)),
  );
});

test("Q8_0 blocks are within half a step of their weights", () => {
  const data = Float32Array.from({ length: 96 }, (_, i) => (i < 32 ? 0 : Math.sin(i) * (i < 64 ? 1 : 100)));
  const view = new DataView(quantizeQ8(data).buffer) as DataView & {
    getFloat16(at: number, little: boolean): number;
  };
  for (const [i, value] of data.entries()) {
    const block = Math.floor(i / 32) * 34;
    const scale = view.getFloat16(block, true);
    assert.ok(Math.abs(view.getInt8(block + 2 + (i % 32)) * scale - value) <= scale * 0.6, `weight ${i}`);
  }
});

test("halves of each head become neighbours", () => {
  const rows = Float32Array.from({ length: 16 }, (_, i) => i); // 2 heads of 4 rows of width 2
  assert.deepEqual([...interleaveHeads(rows, 2, 4)], [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
});

test("an adapter's file names every pair of matrices, B of q in the peer's order", async () => {
  await using folder = scratchFolder("gguf-test-");
  const path = join(folder.path, "lora.gguf");
  const { config } = randomBase(tinyShape);
  const adapter = createAdapterMaker(config, qv).adapter(3);
  writeGgufAdapter(path, config, adapter);
  const bytes = readFileSync(path);
  const { metadata, tensors, dataStart } = readGguf(bytes);
  assert.equal(metadata["adapter.lora.alpha"], adapter.config.scale * adapterRank);
  assert.deepEqual(
    tensors.map(({ name }) => name),
    [0, 1].flatMap((layer) =>
      ["q", "v"].flatMap((m) => ["a", "b"].map((part) => `blk.${layer}.attn_${m}.weight.lora_${part}`)),
    ),
  );
  const b = tensors.find(({ name }) => name === "blk.1.attn_q.weight.lora_b")!;
  assert.deepEqual(b.dims, [adapterRank, 64]);
  const ours = adapter.tensors.get("model.layers.1.self_attn.q_proj.lora_B")!.data;
  const row = (n: number) =>
    Array.from({ length: adapterRank }, (_, i) =>
      bytes.readFloatLE(dataStart + b.offset + (n * adapterRank + i) * 4),
    );
  assert.deepEqual(row(1), [...ours.subarray(8 * adapterRank, 9 * adapterRank)]); // headDim 16: row 8 turns with row 0
});
