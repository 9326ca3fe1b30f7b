import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { formatSafetensors, loadCheckpoint, weightShapes } from "../engine/index.ts";
import { writeTinyBase } from "../openlora/fixtures/tiny-base.ts";
import type { HubError } from "./errors.ts";
import { type HubServer, serveHub } from "./fixtures/hub-server.ts";
import { type Hub, openHub } from "./hub-http.ts";
import { hubIdSchema } from "./hub-model.ts";
import { type PullOptions, pullModel } from "./hub-pull.ts";
import { inspectModel, listModels, modelFolder, pulledFolder } from "./model-folder.ts";

const id = "tests/tiny-1.0";
const weights = "model.safetensors";
const base = writeTinyBase();
const home = mkdtempSync(join(tmpdir(), "pull-"));
let server: HubServer;
let folder: string;
let count = 0;

beforeEach(async () => {
  server = await serveHub(id, base);
  server.files.set("README.md", Buffer.from("# tiny\n"));
  server.files.set("modeling_tiny.py", Buffer.from("import os"));
  server.files.set("pytorch_model.bin", Buffer.from("pickle"));
  server.files.set("onnx/model.safetensors", Buffer.from("another"));
  folder = join(home, `folder-${count++}`);
});
afterEach(() => server.close());
after(() => {
  rmSync(base, { recursive: true });
  rmSync(home, { recursive: true });
});

const hub = (more: Partial<Hub> = {}) =>
  openHub({ endpoint: server.endpoint, retryDelayMs: 1, silenceMs: 2_000, ...more });
const pull = (more: Partial<PullOptions> = {}) => pullModel({ hub: hub(), id, folder, ...more });
const bytesOf = (name: string) => server.files.get(name) as Buffer;
const partial = () => join(folder, `${weights}.partial`);
const refused =
  (code: string, message: RegExp, fix = /./) =>
  (error: HubError) => {
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    assert.match(`${error.message} ${error.expected ?? ""} / ${error.actual ?? ""}`, message);
    assert.match((error.fix ?? ["-"]).join("\n"), fix);
    return true;
  };
const listedAs = (path: string, change: Record<string, unknown>) => {
  server.relist = (entries) =>
    entries.map((entry) => (entry.path === path ? { ...entry, ...change } : entry));
};

test("a model is pulled whole: wanted files only, in bytes that load", async () => {
  server.files.set("1_Pooling/config.json", Buffer.from('{"pooling_mode_mean_tokens":true}'));
  server.files.set("1_Pooling/model.safetensors", Buffer.from("no"));
  const seen: number[] = [];
  const pulled = await pull({ onProgress: ({ bytesHere }) => seen.push(bytesHere) });
  assert.deepEqual(
    pulled.files.map(({ name }) => name),
    ["config.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json", "README.md", weights],
  );
  for (const { name } of pulled.files)
    assert.deepEqual(readFileSync(join(folder, name)), bytesOf(name), name);
  assert.deepEqual(loadCheckpoint(folder).weights, loadCheckpoint(base).weights);
  assert.equal(pulled.commit, server.commit);
  assert.equal(seen.at(-1), pulled.bytes);
  assert.ok(!server.requests.some(({ path }) => /\.py|\.bin|onnx/.test(path)));
  // A second time nothing comes, and nothing is asked.
  server.requests.length = 0;
  assert.equal((await pull()).bytesFetched, 0);
  assert.deepEqual(server.requests, []);
});

test("shards are pulled by their index", async () => {
  const { weights: whole, config } = loadCheckpoint(base);
  server.files.delete(weights);
  const map: Record<string, string> = {};
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  for (const [at, file] of shards.entries()) {
    const tensors = [...weightShapes(config)].filter((_, i) => i % 2 === at);
    for (const [name] of tensors) map[name] = file;
    const data = (name: string) => whole.get(name) as Float32Array;
    const bytes = formatSafetensors(
      tensors.map(([name, shape]) => [name, { data: data(name), shape }] as const),
      "F32",
    );
    server.files.set(file, Buffer.from(bytes));
  }
  const index = "model.safetensors.index.json";
  server.files.set(index, Buffer.from(JSON.stringify({ weight_map: map })));
  const pulled = await pull();
  assert.deepEqual(
    pulled.files.slice(-3).map(({ name }) => name),
    [index, ...shards],
  );
  assert.deepEqual(loadCheckpoint(folder).weights, whole);
  // Configuration and index come once, before anything is written.
  assert.equal(server.sent.get(index), bytesOf(index).length);
  assert.equal(server.sent.get("config.json"), bytesOf("config.json").length);
});

test("a pull that was cut goes on where it stopped: no byte comes twice", async () => {
  const { length } = bytesOf(weights);
  // Every attempt of the first run is cut, so that it ends.
  server.cut = { name: weights, after: Math.floor(length / 7), end: "cut", times: 5 };
  await assert.rejects(pull(), refused("unavailable", /model\.safetensors/, /kept/));
  const here = statSync(partial()).size;
  assert.ok(here >= Math.floor(length / 7) * 4 && here < length, `${here} of ${length}`);
  assert.ok(!existsSync(join(folder, weights)));
  server.cut = null;
  server.sent.clear();
  const pulled = await pull();
  assert.equal(server.sent.get(weights), length - here);
  assert.equal(pulled.bytesFetched, length - here);
  assert.equal(server.requests.at(-1)?.range, `bytes=${here}-`);
  assert.deepEqual(readFileSync(join(folder, weights)), bytesOf(weights));
});

test("wherever it is cut, the bytes are the same", async () => {
  const { length } = bytesOf(weights);
  await fc.assert(
    fc.asyncProperty(fc.nat(length - 1), async (after) => {
      folder = join(home, `cut-${count++}`);
      server.cut = { name: weights, after, end: "cut", times: 1 };
      server.sent.clear();
      await pull();
      assert.equal(server.sent.get(weights), length);
      assert.deepEqual(readFileSync(join(folder, weights)), bytesOf(weights));
    }),
    { numRuns: 8 },
  );
});

test("a silent server is left, a passing failure is tried again, a failing one given up", async () => {
  server.cut = { name: weights, after: 1000, end: "silence", times: 1 };
  await pull({ hub: hub({ silenceMs: 150 }) });
  rmSync(folder, { recursive: true });
  let failures = 3;
  server.intercept = (_request, response) => {
    if (failures-- <= 0) return false;
    response.writeHead(failures === 1 ? 429 : 503, { "retry-after": "0.01" }).end();
    return true;
  };
  await pull();
  rmSync(folder, { recursive: true });
  failures = 1_000;
  await assert.rejects(pull(), refused("unavailable", /status 503/));
  assert.ok(failures >= 995, "five attempts at most");
});

test("a resumed pull keeps the commit it was begun with", async () => {
  const before = bytesOf(weights);
  server.cut = { name: weights, after: 5_000, end: "cut", times: 5 };
  await assert.rejects(pull());
  const first = server.commit;
  server.commit = "b".repeat(40);
  server.files.set(weights, Buffer.from(before).fill(7, 200));
  server.cut = null;
  const pulled = await pull();
  assert.equal(pulled.commit, first);
  assert.deepEqual(readFileSync(join(folder, weights)), before);
  await assert.rejects(pull({ revision: server.commit }), refused("other-pull", /commit a{40}/, /--out/));
});

test("what is damaged is refused, named and deleted; what an earlier run left damaged is brought again", async () => {
  server.alter = (name, bytes) => {
    if (name !== weights) return bytes;
    const copy = Buffer.from(bytes);
    copy[copy.length - 5] = (copy[copy.length - 5] as number) ^ 1;
    return copy;
  };
  await assert.rejects(pull(), refused("corrupt", /^model\.safetensors of .* is not the file .* SHA-256/));
  assert.ok(!existsSync(partial()) && !existsSync(join(folder, weights)));
  server.alter = (name, bytes) => (name === "README.md" ? Buffer.from(bytes).fill(0) : bytes);
  rmSync(join(folder, "README.md"));
  await assert.rejects(pull(), refused("corrupt", /^README\.md .* git SHA-1/));
  server.alter = null;
  writeFileSync(partial(), Buffer.alloc(3_000, 9));
  await pull();
  assert.deepEqual(readFileSync(join(folder, weights)), bytesOf(weights));
  // A whole folder is checked, and mended.
  const bytes = Buffer.from(bytesOf(weights));
  bytes[4_000] = (bytes[4_000] as number) ^ 1;
  writeFileSync(join(folder, weights), bytes);
  assert.deepEqual(
    inspectModel(folder)
      .files.filter(({ changed }) => changed)
      .map(({ name }) => name),
    [weights],
  );
  assert.equal((await pull()).bytesFetched, bytes.length);
  assert.ok(inspectModel(folder).files.every(({ changed }) => !changed));
});

test("a file of another size than listed is refused, larger or smaller, told or not", async () => {
  for (const change of [
    (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(10)]),
    (bytes: Buffer) => bytes.subarray(0, -10),
  ]) {
    server.alter = (name, bytes) => (name === weights ? change(bytes) : bytes);
    await assert.rejects(pull(), refused("corrupt", /does not come as the hub lists it/));
    assert.ok(!existsSync(partial()));
  }
  server.alter = null;
  // Endless, without a length.
  server.intercept = (_request, response, which) => {
    if (which !== "store") return false;
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(1 << 16))) {}
      if (!response.destroyed) response.once("drain", more);
    };
    response.writeHead(200);
    more();
    return true;
  };
  await assert.rejects(pull(), refused("corrupt", /more than \d+ bytes|is not the file/));
});

test("what a listing may not say", async () => {
  for (const [path, change, message] of [
    [weights, { lfs: { oid: "../../etc", size: 5 } }, /model\.safetensors is malformed/],
    [weights, { lfs: undefined, oid: "A".repeat(40) }, /model\.safetensors is malformed/],
    [weights, { type: "symlink" }, /malformed/],
    [weights, { lfs: { oid: "0".repeat(64), size: -1 } }, /malformed/],
    ["tokenizer.json", { lfs: { oid: "0".repeat(64), size: 2 ** 40 } }, /at most/],
    ["README.md", { path: weights }, /twice/],
  ] as const) {
    listedAs(path, change);
    await assert.rejects(pull(), refused("malformed", message));
  }
  for (const page of [{}, [null], "text", [[]], 7]) {
    server.relist = () => page;
    await assert.rejects(pull(), refused("malformed", /cannot be used/));
  }
  // Names that lead elsewhere are not wanted, so they are not fetched.
  server.relist = (entries) => [
    ...entries,
    { type: "file", path: `../evil-${count++}.safetensors`, size: 1, oid: "0".repeat(40) },
  ];
  await pull();
  assert.ok(!readdirSync(home).some((name) => name.includes("evil")));
  // An index may not lead elsewhere either.
  folder = join(home, `index-${count++}`);
  server.relist = null;
  server.files.delete(weights);
  for (const name of [
    "../evil.safetensors",
    "/tmp/evil.safetensors",
    "a\\b.safetensors",
    "evil.bin",
    ".x.safetensors",
  ]) {
    server.files.set(
      "model.safetensors.index.json",
      Buffer.from(JSON.stringify({ weight_map: { a: name } })),
    );
    server.commit = `${server.commit.slice(1)}c`;
    await assert.rejects(pull(), refused("unsupported", /does not map tensors to files/));
  }
  assert.ok(!existsSync(folder));
});

test("a pages' chain without end is left", async () => {
  server.intercept = (request, response) => {
    if (!request.url?.includes("/tree/")) return false;
    const link = `<${server.endpoint}${request.url}>; rel="next"`;
    response.writeHead(200, { "content-type": "application/json", link }).end("[]");
    return true;
  };
  await assert.rejects(pull(), refused("malformed", /more than 50 pages/));
});

test("redirects are counted, and lead nowhere but where they may; the token stays with the hub", async () => {
  server.token = "any-token.of_a_mirror";
  await pull({ hub: hub({ token: server.token }) });
  for (const { server: where, authorization } of server.requests)
    assert.equal(authorization, where === "hub" ? `Bearer ${server.token}` : undefined);
  // Back from another place, the token is not sent again.
  folder = join(home, `back-${count++}`);
  server.requests.length = 0;
  server.intercept = (_request, response, which) => {
    if (which !== "store") return false;
    response.writeHead(302, { location: `${server.endpoint}/steal` }).end();
    return true;
  };
  await assert.rejects(pull({ hub: hub({ token: server.token }) }));
  const stolen = server.requests.filter(({ path }) => path === "/steal");
  assert.ok(stolen.length > 0 && stolen.every(({ authorization }) => authorization === undefined));
  for (const [location, message] of [
    ["http://192.0.2.1/x", /http:\/\/192\.0\.2\.1/],
    ["file:///etc/passwd", /file:/],
    ["https://user:pass@example.org/", /https:\/\/example\.org/],
    ["http://[", /nowhere/],
    ["/again", /in circles/],
  ] as const) {
    server.intercept = (_request, response) => {
      response.writeHead(302, { location }).end();
      return true;
    };
    await assert.rejects(pull({ folder: join(home, "none") }), refused("malformed", message));
  }
});

test("endpoints and tokens that are none are refused, and not repeated", () => {
  for (const endpoint of [
    "http://example.org",
    "ftp://127.0.0.1",
    "https://u:secret@example.org",
    "https://x/?q",
    "x",
  ])
    assert.throws(
      () => openHub({ endpoint }),
      (error: Error) => {
        assert.ok(!JSON.stringify({ ...error, message: error.message }).includes("secret"));
        return refused("invalid-endpoint", /endpoint/)(error as HubError);
      },
    );
  assert.equal(openHub({ endpoint: "https://mirror.example/hf/" }).endpoint, "https://mirror.example/hf");
  assert.throws(
    () => openHub({ token: "hf_secret\nx" }),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("who may not read is told what to do", async () => {
  await assert.rejects(pull({ id: "tests/other" }), refused("not-found", /tests\/other/, /HF_TOKEN/));
  await assert.rejects(pull({ revision: "v9" }), refused("not-found", /no such revision/, /--revision/));
  server.token = "right";
  await assert.rejects(pull(), refused("not-found", /private/, /HF_TOKEN/));
  await assert.rejects(pull({ hub: hub({ token: "wrong" }) }), refused("token-refused", /refuses the token/));
  server.gated = "auto";
  await assert.rejects(pull(), refused("gated", /no token/, /accept the terms at http.*tests\/tiny-1\.0,/));
  await assert.rejects(
    pull({ hub: hub({ token: "wrong" }) }),
    refused("gated", /may not read it/, /accept the terms/),
  );
  await pull({ hub: hub({ token: "right" }) });
});

test("what the engine does not run is refused by name before its weights", async () => {
  for (const [file, text, message] of [
    [
      "config.json",
      '{"model_type":"gpt2","architectures":["GPT2LMHeadModel"]}',
      /"gpt2", architecture "GPT2LMHeadModel"/,
    ],
    ["config.json", "[", /not JSON/],
    ["tokenizer.json", null, /no tokenizer\.json/],
    [weights, null, /neither model\.safetensors nor/],
  ] as const) {
    const kept = bytesOf(file);
    server.commit = `${server.commit.slice(1)}d`;
    if (text === null) server.files.delete(file);
    else server.files.set(file, Buffer.from(text));
    await assert.rejects(pull(), refused("unsupported", message));
    server.files.set(file, kept);
  }
  assert.ok(!server.sent.has(weights) && !existsSync(folder));
});

test("a disk without room is told before the weights, and a full one keeps what came", async () => {
  await assert.rejects(
    pull({ freeBytes: async () => 1_000 }),
    refused("disk-full", /does not fit .* bytes free \/ 1000 bytes/, /--out/),
  );
  assert.ok(!server.sent.has(weights));
  if (process.platform !== "linux") return;
  server.cut = { name: weights, after: 0, end: "cut", times: 5 };
  await assert.rejects(pull());
  server.cut = null;
  rmSync(partial());
  symlinkSync("/dev/full", partial());
  await assert.rejects(pull(), refused("disk-full", /is full/, /kept/));
});

test("one pull at a time into a folder, and never over what is there", async () => {
  server.cut = { name: weights, after: 1_000, end: "silence", times: 1 };
  const stop = new AbortController();
  const first = pull({ signal: stop.signal });
  while (!server.sent.has(weights)) await new Promise((resolve) => setTimeout(resolve, 5));
  await assert.rejects(pull(), refused("busy", /under way/, /wait/));
  stop.abort();
  await assert.rejects(first, { name: "AbortError" });
  assert.equal(statSync(partial()).size, 1_000);
  await pull();
  await assert.rejects(pull({ id: "tests/another" }), refused("other-pull", /holds another pull/));
  const full = join(home, `full-${count++}`);
  mkdirSync(full);
  writeFileSync(join(full, "config.json"), "{}");
  await assert.rejects(pull({ folder: full }), refused("other-pull", /not empty/, /--out/));
});

test("ids are two words, never a path", () => {
  for (const good of ["a/b", "HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen/Qwen2.5-0.5B"])
    assert.ok(hubIdSchema.safeParse(good).success, good);
  for (const bad of [
    "a",
    "../b",
    "a/..",
    "a/b/c",
    "/a/b",
    "a/.b",
    "a\\b/c",
    "a--b/c",
    "a/b..c",
    "",
    "a/b\n",
    "a/ b",
    "C:/b",
  ])
    assert.ok(!hubIdSchema.safeParse(bad).success, bad);
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const given = `${a}/${b}`;
      const path = pulledFolder(home, given);
      if (hubIdSchema.safeParse(given).success) assert.ok(path.startsWith(`${join(home, "models")}/`));
    }),
  );
});

test("models of a home are listed and found by id; a folder that is there comes first", async () => {
  const own = mkdtempSync(join(tmpdir(), "home-"));
  try {
    assert.deepEqual(await listModels(own, assert.fail), []);
    assert.equal(modelFolder(own, base), base);
    await pull({ folder: pulledFolder(own, id) });
    assert.equal(modelFolder(own, id), join(own, "models", "tests--tiny-1.0"));
    const [model] = await listModels(own, assert.fail);
    assert.equal(model?.bytesHere, model?.bytes);
    rmSync(join(own, "models", "tests--tiny-1.0", weights));
    const [unfinished] = await listModels(own, assert.fail);
    assert.equal((unfinished?.bytes ?? 0) - (unfinished?.bytesHere ?? 0), bytesOf(weights).length);
    mkdirSync(join(own, "models", "bad"));
    writeFileSync(join(own, "models", "bad", "pull.json"), '{"format":1,"id":"../x"}');
    const damaged: string[] = [];
    assert.equal((await listModels(own, ({ message }) => damaged.push(message))).length, 1);
    assert.match(damaged.join(), /bad\/pull\.json cannot be read/);
  } finally {
    rmSync(own, { recursive: true });
  }
});

test("a folder's description", async () => {
  const { parameters, family, layers, context, template, source, tokenizer, files, memory } =
    inspectModel(base);
  assert.equal(
    parameters,
    [...loadCheckpoint(base).weights.values()].reduce((sum, { length }) => sum + length, 0),
  );
  assert.deepEqual(
    { family, layers, context, template, source },
    {
      family: "llama",
      layers: 2,
      context: 256,
      template: "chat",
      source: null,
    },
  );
  assert.deepEqual(tokenizer, { kind: "BPE", tokens: 272 });
  assert.equal(files.length, 4);
  assert.deepEqual(
    memory.map(({ precision }) => precision),
    ["f32", "int8", "int4"],
  );
  const config = JSON.parse(readFileSync(join(base, "tokenizer_config.json"), "utf8"));
  await pull();
  config.chat_template = "{% if tools %}{{ tools | tojson }}{% endif %}{{ messages[0]['content'] }}";
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  const changed = inspectModel(folder);
  assert.equal(changed.template, "chat and tools");
  // The same number of bytes, in a file that git names.
  writeFileSync(join(folder, "config.json"), bytesOf("config.json").toString().replace("10000", "10001"));
  assert.equal(inspectModel(folder).files.find(({ name }) => name === "config.json")?.changed, true);
  assert.equal(changed.files.find(({ name }) => name === "tokenizer_config.json")?.changed, true);
});
