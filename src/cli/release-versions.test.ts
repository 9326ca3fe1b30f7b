import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadCheckpoint, loadPeft } from "../engine/index.ts";
import { jsonDigest } from "../protocol/index.ts";
import { openRunning } from "./fixtures/running.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const running = await openRunning({}, true);
const { run, refused, call, node } = running;
after(() => running.close());
const scratch = dirname(running.file("rows.jsonl", ""));

const row = (i: number) => `${JSON.stringify({ prompt: `a${i}=`, completion: ` bad ${i % 7}.` })}\n`;
const releases: string[] = [];

/** Two releases of one model, made of a file, by the commands that there are for it. */
before(async () => {
  const form = new FormData();
  form.set("purpose", "fine-tune");
  form.set("file", new Blob([Array.from({ length: 44 }, (_, i) => row(i)).join("")]), "rows.jsonl");
  const headers = { authorization: `Bearer ${node.operatorToken}` };
  const file = (await (
    await fetch(`${node.url}/v1/files`, { method: "POST", headers, body: form })
  ).json()) as { id: string };
  const request = {
    model: node.modelFactory.base.name,
    training_file: file.id,
    suffix: "rows",
    metadata: { "openledger.preset": "quick" },
  };
  await node.modelFactory.openai.createJob("first", request);
  await node.jobs.drain();
  const recipe = running.file("recipe.yaml", "preset: quick\nepochs: 2\nseed: 5\nthreads: 1\n");
  const again = ["finetune", "--duplicate", "first", "--id", "second", "--recipe", recipe, "--watch"];
  const watched = await call(again);
  assert.equal(watched.code, 0, watched.err);
  assert.match(watched.err, /^Job second: "rows"\.\n/m, "who stops watching can come back");
  await node.jobs.drain();
  for (const id of ["first", "second"]) releases.push((await node.modelFactory.getJob(id)).releaseId ?? "");
});

test("a finished job is shown with its intervals; its recipe comes out as YAML; it is neither paused nor resumed", async () => {
  const { out } = await call(["finetune", "--job", "second"]);
  assert.match(out, /95 % intervals +base +rows/);
  assert.match(out, /mean loss of 20 rows +\d\.\d{3} \(\d/);
  assert.match(
    out,
    /by the 20 held-out rows that epochs are compared on: \d\.\d{3} → \d\.\d{3} nats a token/,
  );
  assert.doesNotMatch(out, /Exactly right/, "the report says it, and nothing says it twice");
  assert.match(out, /ROUGE-L, 20 answers/);
  assert.match(out, /mean loss of 24 general prompts/);
  const shown = await call(["finetune", "--job", "second", "--show-recipe"]);
  assert.match(shown.out, /^rank: 8\n(.*\n)*seed: 5\n/);
  assert.equal((await run("release", "show", "rows")).releaseId, releases[1]);
  const error = await refused(["finetune", "--job", "second", "--pause"], 1);
  assert.equal(error.code, "job-over");
  await refused(["finetune", "--pause"], 2);
  const second = ["finetune", "--job", "second"];
  for (const [args, one, other] of [
    [[...second, "--duplicate", "first"], "--job", "--duplicate"],
    [[...second, "--pause", "--resume"], "--pause", "--resume"],
    [[...second, "--cancel", "--watch"], "--cancel", "--watch"],
    [[...second, "--show-recipe", "--cancel"], "--cancel", "--show-recipe"],
    [[...second, "--preset", "quick"], "--job", "--preset"],
    [["finetune", "--estimate", "--pay", "3"], "--estimate", "--pay"],
    [["finetune", "--preset", "quick", "--recipe", "r.yaml"], "--preset", "--recipe"],
  ] as const) {
    const { code, out, err } = await call([...args]);
    assert.deepEqual([code, out], [2, ""]);
    for (const named of [one, other]) assert.match(err, new RegExp(`'${named}[ ']`), err);
  }
  assert.match(
    (await call(["finetune", "list"])).out,
    /^job +model.*\nsecond +rows +succeeded.*\nfirst +rows/,
  );
  assert.deepEqual((await run("finetune", "list", "--after", "second")).data.length, 1);
  const grid = running.file("grid.yaml", "rank: [4, 8]\n");
  const stray = await refused(["finetune", "sweep", grid, "--datanet", "1@1", "--watch"], 2);
  assert.match(stray.message, /does not take --watch/);
});

test("a model goes back to the release before and forth again; its line and what changed are shown", async () => {
  const [first, second] = releases as [string, string];
  const { out } = await call(["release", "history", "rows"]);
  assert.match(out, new RegExp(`${second} .* served\\n${first} `));
  assert.deepEqual(await run("release", "rollback", "rows"), {
    model: "rows",
    serves: first,
    served: second,
  });
  assert.equal((await fetch(`${node.url}/v1/models/rows`)).status, 200);
  assert.equal((await refused(["release", "rollback", "rows"], 1)).code, "no-parent");
  const { differences } = await run("release", "diff", "rows", second);
  const of = (path: string) => differences.find((one: { path: string }) => one.path === path);
  assert.deepEqual(of("recipe.epochs"), { path: "recipe.epochs", before: 5, after: 2 });
  assert.match((await call(["release", "diff", first, second])).out, /recipe\.seed +1 +5/);
  assert.equal((await run("release", "serve", "rows", second)).serves, second);
});

test("a release shows its evaluation without its job, as its manifest names it", async () => {
  const { manifest, standing } = (await (await fetch(`${node.url}/v1/releases/rows`)).json()) as {
    standing: { check: string }[];
    manifest: { adapter: { digest: string }; evaluation: { reportDigest: string } };
  };
  assert.match(standing.at(-1)?.check ?? "", /^nobody has measured it/, "it was made without retrainings");
  const found = await run("release", "evaluation", "rows");
  assert.equal(found.adapter, manifest.adapter.digest);
  assert.equal(jsonDigest(found), manifest.evaluation.reportDigest);
  const { out } = await call(["release", "evaluation", releases[0] as string]);
  assert.match(out, /95 % intervals +base +tuned\n.*mean loss of 20 rows/);
  await refused(["release", "evaluation", `0x${"ab".repeat(32)}`], 1);
});

test("a release is exported for peft, and merged for transformers, into a folder that was not there", async () => {
  const [peft, merged] = [join(scratch, "peft"), join(scratch, "merged")];
  await run("release", "export", "rows", "--out", peft);
  const base = loadCheckpoint(baseModel);
  assert.equal(loadPeft(peft, base.config).config.rank, 8);
  await run("release", "export", "rows", "--out", merged, "--format", "merged", "--base", baseModel);
  assert.ok(readdirSync(merged).includes("tokenizer.json"));
  const weights = loadCheckpoint(merged).weights;
  assert.notDeepEqual(
    weights.get("model.layers.0.self_attn.q_proj.weight"),
    base.weights.get("model.layers.0.self_attn.q_proj.weight"),
  );
  await refused(["release", "export", "rows", "--out", merged], 2);
  const other = fileURLToPath(new URL("../engine/fixtures/qwen2", import.meta.url));
  const error = await refused(
    ["release", "export", "rows", "--out", join(scratch, "none"), "--format", "merged", "--base", other],
    2,
  );
  assert.match(error.message, /not the release's base/);
});

test("a sweep is begun from a file and compared; its best is released by duplicating it", async () => {
  const datanetId = (await node.modelFactory.getJob("first")).spec.datanets[0]?.datanetId;
  const grid = running.file(
    "grid.yaml",
    "learningRate: [0.0001, 0.003]\nrecipe: { epochs: 1, threads: 1, calibration: { retrainings: 0, leaveOut: 0 } }\n",
  );
  const begun = await run("finetune", "sweep", grid, "--datanet", `${datanetId}@1`, "--id", "grid");
  assert.deepEqual(begun.data.map(({ job }: { job: string }) => job).sort(), ["grid-1", "grid-2"]);
  await node.jobs.drain();
  const { out } = await call(["finetune", "compare", "grid"]);
  assert.match(out, /grid-\d +learningRate 0\.\d+ +\d\.\d{3} \(/);
  const [best] = (await run("finetune", "compare", "grid")).data;
  await run("finetune", "--duplicate", best.job, "--publish", "--model", "best", "--id", "best");
  await node.jobs.drain();
  assert.ok((await node.modelFactory.getJob("best")).releaseId);
  assert.equal((await refused(["finetune", "compare", "none"], 1)).code, "unknown-job");
  await refused(["finetune", "sweep", running.file("list.yaml", "- 1"), "--datanet", "1@1"], 2);
});
