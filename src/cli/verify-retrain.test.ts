import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeBasis, encodeBasis } from "../attribution/index.ts";
import {
  bytesDigest,
  decodeRow,
  encodeRow,
  indexTree,
  releaseId,
  toBytes,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const running = await openRunning({}, true);
const { home, run, openledger, call, file } = running;
const folder = dirname(home);
const base = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
after(() => running.close());

const words = ["abe", "bad", "cab", "dab", "fed", "gem", "hug", "ink"];
const rows = (tag: string, count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ prompt: `${tag}${words[i % 8]}${i}=`, completion: ` ${words[(i * 5 + 3) % 8]}.` }),
  ).join("\n");

let id: string;
let saved: string;
let release: Json;

/** What the command says of a file with a change in it, and how it ends. */
async function verify(
  change: (release: Json) => void,
): Promise<{ code: number; out: Json; failed: string[]; err: string }> {
  const changed = structuredClone(release);
  change(changed);
  const path = join(folder, "changed.json");
  writeFileSync(path, JSON.stringify(changed));
  const { code, out, err } = await call(["verify", path, "--retrain", "--base", base, "--json"]);
  const found = JSON.parse(out);
  const failed = found.checks.filter(({ status }: Json) => status === "failed").map(({ name }: Json) => name);
  return { code: code ?? -1, out: found, failed, err };
}
/** As a developer who lies, and publishes the lie under its own id. */
const renamed = (changed: Json) => {
  changed.releaseId = releaseId(changed.manifest);
};
const check = (out: Json, name: string) => out.checks.find((each: Json) => each.name === name);

before(async () => {
  await run("wallet", "faucet", "50");
  for (const name of ["Words", "More words"])
    await run("datanet", "create", "--name", name, "--license", "CC0-1.0", "--domain", "test");
  await run("contribute", "1", file("a.jsonl", rows("a", 12)));
  await run("contribute", "1", file("h.jsonl", rows("h", 24)), "--heldout", "--as", "cy");
  await run("contribute", "2", file("b.jsonl", rows("b", 8)), "--as", "bo");
  for (const datanet of ["1", "2"]) await run("datanet", "publish", datanet);
  const recipe = {
    rank: 2,
    alpha: 4,
    epochs: 3,
    batch: 8,
    threads: 1,
    seed: 5,
    calibration: { retrainings: 0 },
  };
  const job = await run(
    ...["finetune", "--datanet", "1@1", "--datanet", "2@1", "--model", "words"],
    ...["--recipe", file("recipe.json", JSON.stringify(recipe)), "--watch"],
  );
  id = job.releaseId;
  saved = join(folder, "release.json");
});

test("a release trained again from a node's public data is the same to the byte, and registered on chain", async () => {
  const found = await run("verify", id, "--retrain", "--base", base, "--save", saved);
  assert.equal(found.verified, true);
  assert.deepEqual(
    found.checks.map(({ name, status }: Json) => [name, status]),
    [
      "release",
      "registry",
      "base",
      "adapter",
      "recipe",
      "datanet 1@1",
      "datanet 2@1",
      "training",
      "metric",
    ].map((name) => [name, "passed"]),
  );
  assert.deepEqual(
    [found.reproduction.matches, found.sameMachine, found.distance, found.differences],
    [true, true, null, []],
  );
  assert.equal(found.calibration.status, "unmeasured");
  assert.match(found.standing[0].check, /validators have not attested it/);
  const { outcome, calibration } = await run("release", "show", id);
  assert.deepEqual([outcome, calibration.status], ["none", "unmeasured"]);
  release = JSON.parse(readFileSync(saved, "utf8"));
  const people = await call(["verify", id, "--retrain", "--base", base]);
  assert.equal(people.code, 0);
  assert.match(
    people.out,
    /✓ training +passed\n✓ metric +passed\n\nThe adapter was trained again in .* it is the release's, byte for byte\.\n\nIts scores are NOT CALIBRATED.*\nneither +the index[\s\S]*\n\nNothing failed\./,
  );
  assert.match(people.err, /Training again .*100 %.*loss \d/);
});

test("the saved file is enough, without a node", async () => {
  const env = { OPENLEDGER_URL: "http://127.0.0.1:9" };
  const { code, out } = await openledger(["verify", saved, "--retrain", "--base", base, "--json"], env);
  assert.equal(code, 0);
  const found = JSON.parse(out);
  assert.equal(found.reproduction.adapter, release.manifest.adapter.digest);
  assert.equal(check(found, "registry").status, "unchecked");
});

test("a manifest with another seed, or another recipe, is found out, also under an id of its own", async () => {
  const seeded = (changed: Json) => {
    changed.manifest.recipe.seed = 6;
    changed.manifest.seed = 6;
  };
  const plain = await verify(seeded);
  assert.deepEqual([plain.code, plain.failed], [1, ["release", "training"]]);
  const lying = await verify((changed) => {
    seeded(changed);
    renamed(changed);
  });
  assert.deepEqual([lying.code, lying.failed], [1, ["training"]]);
  assert.ok(lying.out.distance.overall > 0.5, `another seed starts elsewhere: ${lying.out.distance.overall}`);
  const [farthest, next] = lying.out.distance.tensors;
  assert.ok(farthest.distance >= next.distance);
  assert.match(farthest.name, /lora_[AB]/);
  assert.ok(lying.out.differences.some(({ what }: Json) => what.startsWith("held-out loss after epoch 1")));
  assert.match(lying.err, /failed: training/);
  const halfway = await verify((changed) => {
    changed.manifest.recipe.seed = 6;
    renamed(changed);
  });
  assert.deepEqual(halfway.failed, ["recipe", "training"]);
  const unknown = await verify((changed) => {
    changed.manifest.recipe.optimiser = "other";
    renamed(changed);
  });
  assert.deepEqual(unknown.failed, ["recipe"]);
  assert.match(check(unknown.out, "training").expected, /a recipe of this program/);
});

test("a gentler recipe than the one that was used is found out by a small distance, too", async () => {
  const { failed, out } = await verify((changed) => {
    changed.manifest.recipe.learningRate = "0.00299";
    renamed(changed);
  });
  assert.deepEqual(failed, ["training"]);
  assert.ok(out.distance.overall > 0 && out.distance.overall < 0.1, String(out.distance.overall));
});

test("a Datanet version that is missing, another's, or changed in one row is named", async () => {
  const missing = await verify((changed) => {
    changed.versions[1] = null;
  });
  assert.deepEqual([missing.code, missing.failed], [1, ["datanet 2@1"]]);
  assert.match(check(missing.out, "datanet 2@1").actual, /not in the file/);
  assert.equal(check(missing.out, "training").status, "unchecked");
  const swapped = await verify((changed) => changed.versions.reverse());
  assert.deepEqual(swapped.failed, ["datanet 1@1", "datanet 2@1"]);
  const altered = await verify((changed) => {
    changed.versions[0].rows[3].completion += " ";
  });
  assert.deepEqual(altered.failed, ["datanet 1@1"]);
  assert.match(check(altered.out, "datanet 1@1").actual, /row 4 of contribution 0 is not example/);
});

test("an adapter altered in one byte is named, whether or not the manifest was altered with it", async () => {
  const flip = (changed: Json) => {
    const bytes = Buffer.from(changed.adapter, "base64");
    bytes[bytes.length - 2] = (bytes[bytes.length - 2] as number) ^ 1;
    changed.adapter = bytes.toString("base64");
    return bytesDigest(bytes);
  };
  assert.deepEqual((await verify(flip)).failed, ["adapter"]);
  const { failed, out } = await verify((changed) => {
    changed.manifest.adapter.digest = flip(changed);
    renamed(changed);
  });
  assert.deepEqual(failed, ["training"]);
  assert.ok(out.distance.overall > 0);
  assert.equal(
    out.distance.tensors.filter(({ distance }: Json) => distance > 0).length,
    1,
    "one tensor, by name",
  );
});

test("a basis whose metric is not the training's is found out, also by another class of machine", async () => {
  const bent = (by: number) => (changed: Json) => {
    const basis = decodeBasis(new Uint8Array(Buffer.from(changed.basis, "base64")));
    basis.metric[7] = (basis.metric[7] as number) * by;
    const bytes = encodeBasis(basis);
    changed.basis = Buffer.from(bytes).toString("base64");
    return bytesDigest(bytes);
  };
  const committed = (by: number, machine?: string) =>
    verify((changed) => {
      changed.manifest.index.basisDigest = bent(by)(changed);
      if (machine !== undefined) changed.manifest.engineVersion = machine;
      renamed(changed);
    });
  assert.deepEqual((await verify(bent(2))).failed, ["metric"], "other bytes than the manifest names");
  assert.deepEqual((await committed(1 + 1e-6)).failed, ["metric"]);
  const elsewhere = "openledger-engine/1 onnxruntime/1.0.0 linux-arm64 Another Processor 9";
  assert.deepEqual((await committed(1 + 1e-6, elsewhere)).failed, []);
  const far = await committed(3, elsewhere);
  assert.deepEqual(far.failed, ["metric"]);
  assert.match(check(far.out, "metric").actual, /of its length from it/);
});

test("on another class of machine nearness is all that is asked, and it is said what differs", async () => {
  const elsewhere = (changed: Json) => {
    changed.manifest.engineVersion = "openledger-engine/1 onnxruntime/1.0.0 linux-arm64 Another Processor 9";
  };
  const near = await verify((changed) => {
    elsewhere(changed);
    changed.manifest.recipe.learningRate = "0.0030001";
    renamed(changed);
  });
  assert.deepEqual([near.code, near.failed, near.out.sameMachine], [0, [], false]);
  assert.equal(check(near.out, "training").status, "unchecked");
  assert.equal(check(near.out, "metric").status, "passed");
  assert.deepEqual(
    near.out.differences.slice(0, 3).map(({ what }: Json) => what),
    ["runtime", "platform", "processor"],
  );
  const far = await verify((changed) => {
    elsewhere(changed);
    changed.manifest.seed = 6;
    changed.manifest.recipe.seed = 6;
    renamed(changed);
  });
  assert.deepEqual(far.failed, ["training"]);
  assert.match(check(far.out, "training").expected, /at most 0\.\d+ of its length/);
});

test("another base, a file of something else and an unknown release are told in a line", async () => {
  const other = fileURLToPath(new URL("../engine/fixtures/llama-tied", import.meta.url));
  const elsewhere = await call(["verify", saved, "--retrain", "--base", other, "--json"]);
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /failed: base/);
  const garbage = await call(["verify", file("garbage.json", '{"schema":"x"}'), "--retrain", "--base", base]);
  assert.equal(garbage.code, 1);
  assert.match(garbage.err, /is not a release's file/);
  const unknown = await call(["verify", `0x${"9".repeat(64)}`, "--retrain", "--base", base]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /There is no model or release/);
  const both = await call(["verify", saved, "--retrain", "--replay", "--base", base]);
  assert.equal(both.code, 2);
});

test("the same release's index is made again bit for bit from what the node serves, and from a file; a longer row in it is named", async () => {
  const whole = join(folder, "whole.json");
  const found = await run(
    "verify",
    id,
    "--index",
    "--base",
    base,
    "--save",
    whole,
    "--seed",
    `0x${"ab".repeat(32)}`,
  );
  assert.deepEqual(
    [found.verified, found.identical, found.examples.length, found.apart.threshold],
    [true, true, 20, 0],
  );
  assert.ok(
    found.checks.every(({ status }: Json) => status === "passed"),
    JSON.stringify(found.checks),
  );
  const names = found.checks.map(({ name }: Json) => name);
  for (const name of [
    "release",
    "registry",
    "held-out",
    "clusters",
    "rows",
    "null rows",
    "threshold",
    "examples",
  ])
    assert.ok(names.includes(name), name);
  const offline = await run("verify", whole, "--index", "--base", base, "--seed", found.seed);
  assert.deepEqual([offline.witness, offline.identical], [found.witness, true]);

  const lied = JSON.parse(readFileSync(whole, "utf8"));
  const row = decodeRow(toBytes(lied.index.rows[0])).map((x) => Math.trunc(x / 2));
  lied.index.rows[0] = toHex(encodeRow(Int16Array.from(row)));
  const rows = lied.index.rows.map((bytes: `0x${string}`, at: number) => ({
    row: at,
    payee: lied.index.contributors[at] ?? zeroAddress,
    bytes: toBytes(bytes),
  }));
  lied.manifest.index.root = indexTree(rows).root;
  renamed(lied);
  writeFileSync(whole, JSON.stringify(lied));
  const { code, out } = await call(["verify", whole, "--index", "--base", base, "--json"]);
  assert.equal(code, 1);
  assert.deepEqual(
    JSON.parse(out)
      .checks.filter(({ status }: Json) => status === "failed")
      .map(({ name, found }: Json) => [
        name,
        found.map((what: string) => what.replace(/0\.(50\d|499)/, "0.50")),
      ]),
    [["rows", [`row 0 of contributor ${lied.index.contributors[0]} is 0.50 times as long as recomputed`]]],
  );
  const { code: usage } = await call(["verify", saved, "--index", "--base", base, "--json"]);
  assert.equal(usage, 2, "a file without an index");
});

test("a release that continues another is trained again from that one's adapter, also from a file; another adapter is named", async () => {
  const recipe = {
    rank: 2,
    alpha: 4,
    epochs: 2,
    batch: 8,
    threads: 1,
    seed: 7,
    calibration: { retrainings: 0 },
  };
  const job = await run(
    ...["finetune", "--datanet", "1@1", "--datanet", "2@1", "--model", "words", "--continue-from", id],
    ...["--recipe", file("more.json", JSON.stringify(recipe)), "--watch"],
  );
  const path = join(folder, "continued.json");
  const found = await run("verify", job.releaseId, "--retrain", "--base", base, "--save", path);
  assert.deepEqual([found.reproduction.matches, check(found, "start").status], [true, "passed"]);
  assert.deepEqual(check(found, "start").actual, id);
  const continued = JSON.parse(readFileSync(path, "utf8"));
  const fromFile = async (change: (changed: Json) => void) => {
    const changed = structuredClone(continued);
    change(changed);
    writeFileSync(path, JSON.stringify(changed));
    const { code, out } = await call(["verify", path, "--retrain", "--base", base, "--json"]);
    return { code, out: JSON.parse(out) };
  };
  assert.equal((await fromFile(() => {})).out.reproduction.matches, true);
  const without = await fromFile((changed) => {
    delete changed.start;
  });
  assert.deepEqual(
    [without.code, check(without.out, "start").actual, check(without.out, "training").status],
    [1, "It is not in the file.", "unchecked"],
  );
  const other = await fromFile((changed) => {
    changed.start = { manifest: changed.manifest, adapter: changed.adapter };
  });
  assert.match(check(other.out, "start").actual, new RegExp(`release ${job.releaseId}`));
  const bent = await fromFile((changed) => {
    changed.start.adapter = changed.adapter;
  });
  assert.match(check(bent.out, "start").actual, /an adapter 0x[0-9a-f]{64}, not that release's/);
});
