import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ben, type Node, openWorld, type World } from "../inference/fixtures/world.ts";
import { type BaseModel, openBaseModel } from "../modelfactory/index.ts";
import {
  auditSchema,
  bytesDigest,
  decodeRow,
  encodeRow,
  toBytes,
  toHex,
  verifyAudit,
} from "../protocol/index.ts";
import { createReplayer, type Replay, type ReplayInput } from "./replay.ts";
import { compareQueries, tolerance } from "./tolerance.ts";

let world: World;
let node: Node;
let base: BaseModel;
/** The audit of one answer as JSON, as it would be moved to another machine. */
let file: Record<string, unknown>;
let replay: (input: ReplayInput) => Promise<Replay>;

before(async () => {
  world = await openWorld();
  node = await world.openNode(await world.newFolder());
  base = await openBaseModel("tiny", world.baseFolder);
  replay = createReplayer(base);
  const { secret } = await node.newKey(undefined, ben);
  const response = await node.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
    body: JSON.stringify({
      model: "valley",
      messages: [{ role: "user", content: "the mill of the" }],
      max_tokens: 10,
      temperature: 0,
      stop: ["\n\n\n"],
    }),
  });
  assert.equal(response.status, 200, await response.text());
  await node.inference.drain();
  const [bundle] = await node.bundles();
  assert.ok(bundle);
  const [row] = await node.database.query<{ id: `0x${string}` }>(
    "select receipt_id as id from inference.requests",
  );
  const evidence = await node.inference.evidence(row!.id);
  assert.ok(evidence?.request);
  const { served, files, indexRows } = world.release;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const audit = auditSchema.parse(
    JSON.parse(
      JSON.stringify(
        auditSchema.encode({
          schema: "openledger/audit/1",
          domain: {
            chainId: Number(world.ledgerDomain.chainId),
            verifyingContract: world.ledgerDomain.verifyingContract,
          },
          bundle,
          manifest: served.manifest,
          index: { contributors: [...served.contributors], rows: indexRows.map(({ bytes }) => toHex(bytes)) },
          request: toHex(evidence.request),
          response: evidence.response,
          tokens: { prompt: [...evidence.promptIds], output: [...evidence.outputIds] },
          files: {
            adapterConfig: base64(files.adapterConfig),
            adapter: base64(files.adapterTensors),
            basis: base64(files.basis),
          },
        }),
      ),
    ),
  );
  file = auditSchema.encode(audit) as unknown as Record<string, unknown>;
});
after(async () => {
  await node.close();
  await world.close();
});

/** The audit with something changed, and what its replay fails at. */
async function failures(change: (audit: ReplayInput) => void): Promise<string[]> {
  const audit = structuredClone(auditSchema.parse(file)) as ReplayInput;
  change(audit);
  const { checks } = await replay(audit);
  return checks.filter(({ status }) => status === "failed").map(({ name }) => name);
}

test("from one file and the base model alone, every check passes and the query comes out again", async () => {
  const found = await replay(auditSchema.parse(file));
  assert.deepEqual(
    found.checks.map(({ name, status }) => [name, status]),
    ["base", "adapter", "basis", "tokens", "prompt", "answer", "gradient"].map((name) => [name, "passed"]),
  );
  assert.ok(found.comparison && found.comparison.distance < 1e-3, `${found.comparison?.distance}`);
  assert.equal(found.comparison.moved < 1e-3, true);
  assert.ok((await verifyAudit(file)).every(({ name, status }) => status === "passed" || name === "terms"));
});

test("a query that is another answer's, or bent, is not the gradient", async () => {
  const bend = (by: (q: Int16Array) => Int16Array) =>
    failures((audit) => {
      (audit.bundle as { query: string }).query = toHex(
        encodeRow(by(decodeRow(toBytes(audit.bundle.query)))),
      );
    });
  assert.deepEqual(await bend((q) => q.map((x) => -x)), ["gradient"]);
  assert.deepEqual(await bend((q) => q.map((x, i) => (i === 0 ? x >> 1 : x))), ["gradient"]);
  assert.deepEqual(await bend((q) => q.map((x) => x >> 4)), ["gradient"]);
});

test("a basis whose metric holds no number fails the gradient, and throws nothing", async () => {
  const found = await failures((audit) => {
    const bytes = Buffer.from(audit.files!.basis, "base64");
    bytes.writeFloatLE(Number.NaN, 16 + 4 * bytes.readUInt32LE(4));
    Object.assign(audit.files!, { basis: bytes.toString("base64") });
    Object.assign(audit.manifest.index, { basisDigest: bytesDigest(bytes) });
  });
  assert.deepEqual(found, ["gradient"]);
});

test("what was altered is named", async () => {
  const { tokens } = auditSchema.parse(file);
  assert.ok(tokens);
  const other = (ids: readonly number[]) => ids.map((id, i) => (i === 0 ? (id === 9 ? 10 : 9) : id));
  const cases: [string[], (audit: ReplayInput) => void][] = [
    [["prompt"], (audit) => Object.assign(audit, { tokens: { ...tokens, prompt: other(tokens.prompt) } })],
    [["answer"], (audit) => Object.assign(audit, { tokens: { ...tokens, output: other(tokens.output) } })],
    [
      ["tokens", "answer"],
      (audit) => Object.assign(audit, { tokens: { ...tokens, output: tokens.output.slice(1) } }),
    ],
    [
      ["prompt"],
      (audit) => Object.assign(audit, { request: toHex(new TextEncoder().encode('{"prompt":"a"}')) }),
    ],
    [
      ["basis"],
      (audit) => Object.assign(audit.files!, { basis: audit.files!.basis.replace(/.{4}$/, "AAAA") }),
    ],
    [
      ["adapter"],
      (audit) => Object.assign(audit.files!, { adapter: audit.files!.adapter.replace(/.{4}$/, "AAAA") }),
    ],
    [
      ["gradient"],
      (audit) => {
        const config = JSON.parse(Buffer.from(audit.files!.adapterConfig, "base64").toString());
        const doubled = JSON.stringify({ ...config, lora_alpha: 2 * config.lora_alpha });
        Object.assign(audit.files!, { adapterConfig: Buffer.from(doubled).toString("base64") });
      },
    ],
  ];
  for (const [expected, change] of cases) {
    const failed = await failures(change);
    assert.deepEqual(failed, expected);
  }
});

test("what is not in the file stays unchecked, and is said to be", async () => {
  const { tokens: _, files: __, ...plain } = auditSchema.parse(file);
  const { checks, comparison } = await replay(plain);
  assert.equal(comparison, null);
  assert.deepEqual(
    checks.filter(({ status }) => status === "unchecked").map(({ name }) => name),
    ["adapter", "basis", "tokens", "prompt", "answer", "gradient"],
  );
});

test("a query within the distance that moves more than a hundredth of a fee is wrong all the same", () => {
  const rows = [
    [100, 0],
    [0, 100],
    [0, 0],
  ];
  const terms = { rows, contributors: 2, thresholdMillionths: 1_000_000, influenceShare: 0.45 };
  const right = [30_000, 60];
  assert.equal(compareQueries([30_000, 61], right, terms).within, true);
  // The second contributor is dropped: a few thousandths of the fee.
  assert.equal(compareQueries([30_000, 0], right, terms).within, true);
  const lone = {
    ...terms,
    rows: [
      [0, 100],
      [0, -100],
      [0, 0],
    ],
  };
  const turned = compareQueries([30_000, -60], right, lone, { ...tolerance, noise: 0 });
  assert.ok(turned.distance < tolerance.distance * 2);
  assert.equal(turned.moved, 0.45);
  assert.equal(turned.within, false);
});
