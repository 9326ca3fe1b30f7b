import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Adapter,
  exportPeft,
  initialAdapter,
  loadPeft,
  type ModuleName,
  moduleNames,
  modulePath,
  moduleShape,
  parseConfig,
  readPeft,
  type TensorData,
} from "./index.ts";

const folder = join(import.meta.dirname, "fixtures", "llama-untied");
const model = parseConfig(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")));
const written = {
  peft_type: "LORA",
  r: 2,
  lora_alpha: 4,
  target_modules: ["q_proj", "v_proj"] as string[] | string,
};

type Rank = (layer: number, name: ModuleName) => number | undefined;

/** Tensors under PEFT's names, where `rankOf` gives a rank; every value is 1. */
function tensorsOf(rankOf: Rank): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  for (let layer = 0; layer < model.layers; layer++)
    for (const name of moduleNames) {
      const rank = rankOf(layer, name);
      const [out, inp] = moduleShape(model, name);
      if (rank === undefined) continue;
      for (const [part, shape] of [["A", [rank, inp]] as const, ["B", [out, rank]] as const])
        tensors.set(`base_model.model.${modulePath(layer, name)}.lora_${part}.weight`, {
          data: new Float32Array(shape[0] * shape[1]).fill(1),
          shape,
        });
    }
  return tensors;
}

const qv: Rank = (_, name) => (name === "q_proj" || name === "v_proj" ? 2 : undefined);
const read = (config: object, rankOf: Rank = qv, maxRank?: number) =>
  readPeft({ ...written, ...config }, tensorsOf(rankOf), model, "x", maxRank);

/** W's change by one module, s B A, `[out, in]`. */
function delta({ config, tensors }: Adapter, layer: number, name: ModuleName): number[] {
  const a = tensors.get(`${modulePath(layer, name)}.lora_A`)?.data as Float32Array;
  const b = tensors.get(`${modulePath(layer, name)}.lora_B`)?.data as Float32Array;
  const [out, inp] = moduleShape(model, name);
  return Array.from({ length: out * inp }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < config.rank; k++)
      sum += (b[Math.floor(i / inp) * config.rank + k] as number) * (a[k * inp + (i % inp)] as number);
    return config.scale * sum;
  });
}

test("what peft can do and this engine cannot is refused by name", () => {
  const cases: [object, RegExp][] = [
    [{ peft_type: "ADALORA", target_r: 8 }, /type ADALORA; only LORA/],
    [{ peft_type: "IA3", r: undefined }, /type IA3/],
    [{ use_dora: true }, /uses DoRA/],
    [{ bias: "lora_only" }, /trains biases \("lora_only"\)/],
    [{ lora_bias: true }, /"lora_bias"/],
    [{ fan_in_fan_out: true }, /transposed weights/],
    [{ modules_to_save: ["lm_head"] }, /saves whole modules/],
    [{ layer_replication: [[0, 2]] }, /"layer_replication"/],
    [{ target_parameters: ["mlp.experts"] }, /"target_parameters"/],
    [{ trainable_token_indices: [1] }, /"trainable_token_indices"/],
    [{ alora_invocation_tokens: [1, 2] }, /"alora_invocation_tokens"/],
    [{ arrow_config: { top_k: 3 } }, /"arrow_config"/],
    [{ use_qalora: true }, /"use_qalora"/],
    [{ something_new: 1 }, /"something_new"/],
    [{ toString: 1 }, /"toString"/],
    [{ init_lora_weights: "pissa" }, /init_lora_weights "pissa", which changes the base/],
    [{ init_lora_weights: "loftq" }, /"loftq"/],
    [{ target_modules: ["q_proj", "embed_tokens"] }, /adapts "embed_tokens"; supported: q_proj, /],
    [{ target_modules: ["q_proj", "self_attn"] }, /adapts "self_attn"/],
    [{ target_modules: ["layers.2.self_attn.q_proj"] }, /adapts "layers\.2\.self_attn\.q_proj"/],
    [{ target_modules: [] }, /malformed adapter_config\.json/],
    [{ r: 1025 }, /malformed adapter_config\.json[\s\S]*1024/],
    [{ rank_pattern: { q_proj: 0 } }, /malformed/],
    [{ lora_alpha: 0 }, /malformed/],
    [{ layers_to_transform: [0], layers_pattern: "h" }, /layers_pattern "h"/],
    [{ target_modules: "all-linear", layers_to_transform: [0] }, /layers_to_transform beside/],
  ];
  for (const [config, message] of cases)
    assert.throws(() => read(config), { name: "CheckpointError", message }, JSON.stringify(config));
  const nothing = {
    corda_config: { a: 1 },
    peft_version: "9",
    megatron_core: "megatron.core",
    kasa_config: null,
  };
  read({ ...nothing, use_bdlora: null, loftq_config: {}, init_lora_weights: "gaussian" });
});

test("with a list, every module in every layer must be there and nothing else", () => {
  const key = (layer: number, name: ModuleName, part: string) =>
    `base_model\\.model\\.${modulePath(layer, name).replaceAll(".", "\\.")}\\.lora_${part}\\.weight`;
  assert.throws(
    () => read({}, (layer, name) => (layer === 1 ? undefined : qv(layer, name))),
    new RegExp(`lacks the tensor "${key(1, "q_proj", "A")}": it was made for another model or is incomplete`),
  );
  assert.throws(
    () => read({}, (_, name) => (name === "down_proj" ? undefined : 2)),
    new RegExp(`holds "${key(0, "k_proj", "A")}", which its configuration does not account for`),
  );
  assert.throws(() => read({}, () => 3), /does not account for/);
  assert.throws(() => read({}, (_, name) => qv(_, name) && 3), /of shape \[3,32\], this base needs \[2,32\]/);
  assert.throws(() => readPeft(written, new Map(), model, "x"), /lacks the tensor/);
});

test("modules and layers are those that the configuration names, in each of peft's ways", () => {
  const inFirst: Rank = (layer, name) => (layer === 0 ? qv(layer, name) : undefined);
  const all: Rank = () => 2;
  const cases: [string, object, Rank][] = [
    ["a list", {}, qv],
    [
      "paths and ends of paths",
      { target_modules: ["model.layers.0.self_attn.q_proj", "0.self_attn.v_proj"] },
      inFirst,
    ],
    ["one layer", { layers_to_transform: 0, layers_pattern: "" }, inFirst],
    ["layers in a list", { layers_to_transform: [0, 7], layers_pattern: ["h", "layers"] }, inFirst],
    [
      "whole paths, which no choice of layers touches",
      {
        target_modules: ["q_proj", "model.layers.0.self_attn.v_proj", "model.layers.0.self_attn.q_proj"],
        layers_to_transform: 7,
      },
      inFirst,
    ],
    ["no layers chosen", { layers_to_transform: [] }, qv],
    [
      "exceptions",
      { exclude_modules: ["layers.1.self_attn.q_proj", "1.self_attn.v_proj", "lm_head"] },
      inFirst,
    ],
    ["all", { target_modules: "All-Linear" }, all],
    [
      "all but some",
      { target_modules: "all-linear", exclude_modules: [...moduleNames.slice(1)] },
      (_, name) => (name === "q_proj" ? 2 : undefined),
    ],
    ["an expression, which is not run", { target_modules: "(a+)+$" }, inFirst],
    ["all but an expression's", { target_modules: "all-linear", exclude_modules: "(a|a)*b" }, inFirst],
  ];
  for (const [what, config, rankOf] of cases) {
    const adapter = read(config, rankOf);
    for (let layer = 0; layer < model.layers; layer++)
      for (const name of moduleNames)
        if (adapter.config.modules.includes(name)) {
          const expected = rankOf(layer, name) === undefined ? 0 : 4;
          assert.ok(
            delta(adapter, layer, name).every((value) => value === expected),
            `${what}: ${layer} ${name}`,
          );
        } else assert.equal(rankOf(layer, name), undefined, `${what}: ${layer} ${name}`);
  }
  assert.throws(() => read({ layers_to_transform: [1] }, inFirst), /does not account for/);
  assert.throws(() => read({ exclude_modules: ["q_proj"] }), /does not account for/);
  assert.throws(() => read({ layers_to_transform: [7] }, () => undefined), /changes no module of this base/);
});

test("ranks and scales follow the first pattern that matches, as in peft", () => {
  const path = "model.layers.1.self_attn.q_proj";
  // What peft.utils.other.get_pattern_key answers for this path.
  const matching = [
    "q_proj",
    "self_attn.q_proj",
    "layers.1.self_attn.q_proj",
    path,
    `^${path}`,
    "q_proj$",
    ".*q_proj",
    ".*_proj",
    ".*\\.q_proj",
    "1\\.self_attn\\.q_proj",
    ".*",
    "self.attn.q.proj",
    "^.*q_proj$",
    "attn.q_proj".replace("attn", "self_attn"),
  ];
  const passing = [
    "proj",
    "attn.q_proj",
    "q_pro",
    "^q_proj",
    "^layers.1.self_attn.q_proj",
    "",
    ".",
    "Q_PROJ",
    "self_attn\\.q\\.proj",
    `x${path}`,
    ".*\\.model.layers.1.self_attn.q_proj",
    "-",
  ];
  const refused = [
    "(a+)+",
    "q_proj|v_proj",
    "[qv]_proj",
    "q_proj+",
    "layers\\.\\d+\\.self_attn",
    "q_proj{2}",
    "q?_proj",
    "layers.*.q_proj",
    "\\w",
    "q_proj\\",
    "$q",
    "q_proj(?=x)",
    "q\nproj",
  ];
  const scaleOf = (alpha_pattern: object) => delta(read({ alpha_pattern }), 1, "q_proj")[0];
  for (const pattern of matching) assert.equal(scaleOf({ [pattern]: 8 }), 8, pattern);
  for (const pattern of passing) assert.equal(scaleOf({ [pattern]: 8 }), 4, pattern);
  for (const option of ["rank_pattern", "alpha_pattern"])
    for (const pattern of refused)
      assert.throws(
        () => read({ [option]: { [pattern]: 2 } }),
        (error: Error) => error.message.includes(`has the ${option} "${pattern}"; supported:`),
        pattern,
      );
  assert.equal(scaleOf({ v_proj: 2, ".*proj": 6, q_proj: 8 }), 6);
});

test("many long patterns cost little", () => {
  const alpha_pattern = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, i) => [`.*${"._".repeat(95)}${i}`, 1]),
  );
  const start = process.cpuUsage();
  read({ alpha_pattern });
  assert.ok(process.cpuUsage(start).user < 1e6);
  assert.throws(
    () => read({ rank_pattern: Object.fromEntries(Array.from({ length: 2_001 }, (_, i) => [`m${i}`, 1])) }),
    /at most 2000 patterns/,
  );
  assert.throws(() => read({ alpha_pattern: { ["x".repeat(201)]: 1 } }), /malformed/);
});

test("any ranks and scales by module become one rank and scale that change the weights alike", () => {
  const modules = fc.record({ rank: fc.integer({ min: 1, max: 5 }), alpha: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.array(modules, { minLength: 4, maxLength: 4 }), fc.boolean(), (of, rslora) => {
      const at = (layer: number, name: ModuleName) =>
        of[layer * 2 + (name === "q_proj" ? 0 : 1)] as { rank: number; alpha: number };
      const patterns = (what: "rank" | "alpha") =>
        Object.fromEntries(
          [0, 1].flatMap((layer) =>
            (["q_proj", "v_proj"] as const).map((name) => [modulePath(layer, name), at(layer, name)[what]]),
          ),
        );
      const adapter = read(
        { use_rslora: rslora, rank_pattern: patterns("rank"), alpha_pattern: patterns("alpha") },
        (layer, name) => qv(layer, name) && at(layer, name).rank,
      );
      assert.equal(adapter.config.rank, Math.max(...of.map(({ rank }) => rank)));
      for (const layer of [0, 1])
        for (const name of ["q_proj", "v_proj"] as const) {
          const { rank, alpha } = at(layer, name);
          const expected = rank * (alpha / (rslora ? Math.sqrt(rank) : rank)); // A and B are ones
          for (const value of delta(adapter, layer, name)) assert.ok(Math.abs(value / expected - 1) < 1e-6);
        }
    }),
    { numRuns: 50 },
  );
});

test("a value that is no number is refused, and its tensor named", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const [key, { data }] of tensorsOf(qv)) {
      const tensors = tensorsOf(qv);
      const broken = Float32Array.from(data);
      broken[broken.length - 1] = value;
      tensors.set(key, { data: broken, shape: tensors.get(key)?.shape as number[] });
      assert.throws(
        () => readPeft(written, tensors, model, "x"),
        (error: Error) => error.message === `The adapter x has values in "${key}" that are not numbers.`,
      );
    }
  // A finite value that scaling makes infinite.
  const tensors = tensorsOf(qv);
  for (const { data } of tensors.values()) data.fill(3e38);
  assert.throws(
    () => readPeft({ ...written, alpha_pattern: { q_proj: 400 } }, tensors, model, "x"),
    /q_proj\.lora_B\.weight" that are not numbers/,
  );
});

test("an adapter with no room for its rank is refused before anything is padded", () => {
  const wide: Rank = (layer, name) => qv(layer, name) && (layer === 0 && name === "q_proj" ? 1024 : 2);
  const config = { rank_pattern: { "0.self_attn.q_proj": 1024 } };
  assert.throws(() => read(config, wide, 16), /has rank 1024; there is room for 16/);
  assert.equal(read(config, wide).config.rank, 1024);
});

test("what is exported is read again as it was", () => {
  const shape = fc.record({
    rank: fc.integer({ min: 1, max: 8 }),
    scale: fc.constantFrom(0.25, 1, 2, 16 / 3),
    modules: fc.subarray([...moduleNames], { minLength: 1 }),
  });
  fc.assert(
    fc.property(shape, fc.nat(), (lora, seed) => {
      const adapter = initialAdapter(model, lora, seed);
      const files = exportPeft(adapter, "base");
      const again = readPeft(
        JSON.parse(new TextDecoder().decode(files["adapter_config.json"])),
        new Map([...adapter.tensors].map(([name, tensor]) => [`base_model.model.${name}.weight`, tensor])),
        model,
        "x",
      );
      assert.deepEqual(again.tensors, adapter.tensors);
      assert.deepEqual(again.config.modules, lora.modules);
      assert.ok(Math.abs(again.config.scale / lora.scale - 1) < 1e-12);
    }),
    { numRuns: 30 },
  );
});

test("a folder that is no adapter says so", () => {
  assert.throws(() => loadPeft(folder, model), /Cannot read the adapter in/);
  assert.throws(() => readPeft([], new Map(), model, "x"), /malformed adapter_config\.json/);
  assert.throws(() => readPeft(null, new Map(), model, "x"), /malformed adapter_config\.json/);
});
