/** Model folders: whole ones in every layout, and every way to be damaged that is told apart by name. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  CheckpointError,
  formatConfig,
  formatSafetensors,
  initialWeights,
  loadCheckpoint,
  type ModelConfig,
  parseSafetensors,
  sha256File,
  type TensorData,
  weightShapes,
} from "./index.ts";

const config: ModelConfig = {
  family: "qwen2",
  layers: 2,
  hidden: 16,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  intermediate: 24,
  vocab: 64,
  biases: ["q_proj", "k_proj", "v_proj"],
  qkNorm: false,
  rope: { theta: 10_000 },
  normEpsilon: 1e-6,
  maxPositions: 64,
  tied: false,
};
const scratch = mkdtempSync(join(tmpdir(), "checkpoint-"));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;

/** A folder of its own for the model, with these files beside its configuration and tokenizer. */
function folderOf(files: Record<string, Uint8Array | string>, model = config): string {
  const folder = join(scratch, `model-${folders++}`);
  cpSync(join(import.meta.dirname, "fixtures", "tokenizer-smol"), folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(formatConfig(model, { bos: 0, eos: 0 })));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
}

function tensorsOf(model: ModelConfig): [string, TensorData][] {
  const weights = initialWeights(model, 3);
  return [...weightShapes(model)].map(([name, shape]) => [
    name,
    { data: weights.get(name) as Float32Array, shape },
  ]);
}
const tensors = tensorsOf(config);
const half = tensors.length >> 1;

/** Two shards and the index that says which tensor lies in which. */
function sharded(first = tensors.slice(0, half), second = tensors.slice(half)) {
  const weightMap = Object.fromEntries([
    ...first.map(([name]) => [name, "model-00001-of-00002.safetensors"]),
    ...second.map(([name]) => [name, "model-00002-of-00002.safetensors"]),
  ]);
  return {
    "model-00001-of-00002.safetensors": formatSafetensors(first, "F32"),
    "model-00002-of-00002.safetensors": formatSafetensors(second, "F32"),
    "model.safetensors.index.json": JSON.stringify({ weight_map: weightMap }),
  };
}

test("one file or shards, f32 or f16: the same weights", () => {
  const whole = loadCheckpoint(folderOf({ "model.safetensors": formatSafetensors(tensors, "F32") }));
  assert.deepEqual(whole.weights, new Map(tensors.map(([name, { data }]) => [name, data])));
  assert.deepEqual(whole.config, config);
  assert.deepEqual(loadCheckpoint(folderOf(sharded())).weights, whole.weights);
  const halves = loadCheckpoint(folderOf({ "model.safetensors": formatSafetensors(tensors, "F16") }));
  for (const [name, data] of halves.weights)
    data.forEach((value, i) => {
      const exact = whole.weights.get(name)?.[i] as number;
      assert.ok(Math.abs(value - exact) <= Math.abs(exact) * 2 ** -11, name);
    });
});

test("an embedding model's names, without their prefix, are the same weights", () => {
  const tied = { ...config, tied: true };
  const bare = tensorsOf(tied).map(([name, tensor]) => [name.replace("model.", ""), tensor] as const);
  const folder = folderOf({ "model.safetensors": formatSafetensors(bare, "F32") }, tied);
  assert.deepEqual(loadCheckpoint(folder).weights, initialWeights(tied, 3));
});

const shards = sharded();
const withValue = (value: number) =>
  tensors.map(([name, { data, shape }]): [string, TensorData] => [
    name,
    { data: name.includes("1.mlp.up") ? Float32Array.from(data).fill(value, 5, 6) : data, shape },
  ]);
const index = (map: object) => ({ ...shards, "model.safetensors.index.json": JSON.stringify(map) });
const { "model-00002-of-00002.safetensors": _, ...withoutSecond } = shards;

for (const [what, files, message] of [
  ["no weights at all", {}, /neither model.safetensors nor model.safetensors.index.json/],
  ["a shard that is not there", withoutSecond, /Cannot read .*model-00002-of-00002/],
  [
    "a tensor that is in no shard",
    sharded(tensors.slice(1, half)),
    /lacks the tensor "model.embed_tokens.weight"/,
  ],
  [
    "a tensor in two shards",
    sharded(tensors.slice(0, half + 1)),
    /stands in .*00001-of-00002.safetensors and in .*00002/,
  ],
  [
    "a path out of the folder",
    index({ weight_map: { a: "../model.safetensors" } }),
    /name of a .safetensors/,
  ],
  ["an absolute path", index({ weight_map: { a: "/etc/model.safetensors" } }), /name of a .safetensors/],
  ["a shard that is a folder", index({ weight_map: { a: ".." } }), /name of a .safetensors/],
  ["an index that maps nothing", index({ weight_map: [] }), /does not map tensors to files/],
  ["an index that is not JSON", { ...shards, "model.safetensors.index.json": "{" }, /Cannot read/],
  [
    "a NaN",
    { "model.safetensors": formatSafetensors(withValue(Number.NaN), "F16") },
    /element 5 of tensor "model.layers.1.mlp.up_proj.weight" is NaN/,
  ],
  [
    "an infinity",
    { "model.safetensors": formatSafetensors(withValue(Number.NEGATIVE_INFINITY), "F32") },
    /element 5 of tensor "model.layers.1.mlp.up_proj.weight" is -Infinity/,
  ],
  [
    "a tensor of another shape",
    {
      "model.safetensors": formatSafetensors(
        tensors.map(([name, { data, shape }]) => [name, { data, shape: shape.toReversed() }]),
        "F32",
      ),
    },
    /has shape \[16,64\], its config.json calls for \[64,16\]/,
  ],
] as const)
  test(`${what} is refused by name`, () => {
    assert.throws(() => loadCheckpoint(folderOf(files)), { name: "CheckpointError", message });
  });

/** A file with this header over `bytes` of data. */
function fileOf(header: unknown, bytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}
const f32 = (shape: number[], from: number, to: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [from, to],
});

for (const [what, header, bytes, message] of [
  ["no JSON", "{", 0, /header is not JSON/],
  ["a list", [], 0, /not a JSON object/],
  ["a negative offset", { a: f32([1], -4, 0) }, 4, /entry of tensor "a" is malformed/],
  ["a tensor past the end", { a: f32([2], 0, 8) }, 4, /the file ends at/],
  ["a size that is not the shape's", { a: f32([3], 0, 8) }, 8, /needs 12 bytes, its entry gives 8/],
  [
    "a shape beyond all numbers",
    { a: f32([2 ** 40, 2 ** 40], 0, 8) },
    8,
    /needs .* bytes, its entry gives 8/,
  ],
  ["tensors that overlap", { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /starts at byte/],
  ["a gap", { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /starts at byte/],
  ["bytes behind the last tensor", { a: f32([1], 0, 4) }, 8, /its tensors end at byte/],
  ["an unknown type", { a: { ...f32([1], 0, 4), dtype: "Q4" } }, 4, /type Q4. Supported: F32, F16, BF16/],
  ["a type that is no float", { a: { ...f32([1], 0, 4), dtype: "I32" } }, 4, /type I32. Supported/],
] as const)
  test(`a header with ${what} is refused`, () => {
    assert.throws(() => parseSafetensors(fileOf(header, bytes), "the file"), {
      name: "CheckpointError",
      message,
    });
  });

test("a file with any byte changed or cut off is read or refused, never anything else", () => {
  const file = formatSafetensors(tensors.slice(0, 3), "F32");
  const headerBytes = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  fc.assert(
    fc.property(
      fc.nat(headerBytes - 1),
      fc.nat(255),
      fc.option(fc.nat(file.length), { nil: undefined }),
      (at, byte, cut) => {
        const changed = file.slice(0, cut);
        if (at < changed.length) changed[at] = byte;
        try {
          parseSafetensors(changed, "the file");
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("loading holds one float32 copy and little more", { skip: process.platform !== "linux" }, () => {
  const wide = { ...config, hidden: 512, intermediate: 2048, vocab: 24_000 };
  const many = [...weightShapes(wide)].map(([name, shape]): [string, TensorData] => [
    name,
    { data: new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), shape },
  ]);
  const copyBytes = many.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
  const folder = folderOf({ "model.safetensors": formatSafetensors(many, "F16") }, wide);
  // The most memory a process ever held; it never falls, so loading needs a process of its own.
  const script = `
    import { readFileSync } from "node:fs";
    import { loadCheckpoint } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    const peak = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const before = peak();
    const { weights } = loadCheckpoint(${JSON.stringify(folder)});
    console.log(weights.size > 0 ? peak() - before : 0);`;
  const grown = Number(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }),
  );
  assert.ok(
    copyBytes > 80e6 && grown > copyBytes * 0.9,
    `${grown} bytes for ${copyBytes}: nothing was measured`,
  );
  assert.ok(grown < copyBytes * 1.2, `${grown} bytes to hold ${copyBytes}`);
});

test("a file's digest is that of its bytes, however long", () => {
  const path = join(scratch, "long");
  writeFileSync(path, Buffer.alloc(3_000_001, "openledger"));
  assert.equal(
    sha256File(path),
    // sha256sum's answer
    "5bd9696a282c70fdbb4184ca97646e5853ab37ed048cf6c3bf91d465d4311cda",
  );
  assert.equal(readFileSync(path).length, 3_000_001);
});
