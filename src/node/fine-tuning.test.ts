/** OpenAI's own client, unchanged, from a file to a model that answers, on a running node. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import OpenAI, { toFile } from "openai";
import { createRandom } from "../engine/index.ts";
import { openNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-fine-tuning-"));
const node = await openNode(
  readConfig(home, { port: 0, baseModel, baseName: "tiny", threads: 1, settleEveryMs: 0 }),
);
after(async () => {
  await node.close();
  rmSync(home, { recursive: true, force: true });
});
const client = new OpenAI({ apiKey: node.operatorToken, baseURL: `${node.url}/v1`, maxRetries: 0 });

const random = createRandom(9);
const words = ["abe", "bad", "cab", "dab", "fed", "gem", "hug", "ink"];
const word = () => words[random.below(words.length)] as string;
const lines = (rows: number, tag: string) =>
  Array.from(
    { length: rows },
    (_, i) => `${JSON.stringify({ prompt: `${tag}${i}${word()}=`, completion: ` ${word()}.` })}\n`,
  ).join("");
const upload = (text: string, name = "train.jsonl") =>
  toFile(Buffer.from(text), name).then((file) => client.files.create({ file, purpose: "fine-tune" }));
const quick = { metadata: { "openledger.preset": "quick", team: "valley" } };
const over = async (id: string) => {
  await node.jobs.drain();
  return client.fineTuning.jobs.retrieve(id);
};
const refused = async (given: Promise<unknown>, status: number, param: string | null, message: RegExp) => {
  await assert.rejects(given, (error: unknown) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.deepEqual(
      [error.status, error.param ?? null, error.type],
      [status, param, "invalid_request_error"],
      error.message,
    );
    assert.match(error.message, message);
    return true;
  });
};

test("files are kept, listed in pages, read back and deleted", async () => {
  const text = lines(60, "f");
  const kept = [];
  for (const n of [1, 2, 3]) kept.push(await upload(text + lines(n, "x"), `part ${n}.jsonl`));
  const [first] = kept as [OpenAI.FileObject];
  assert.deepEqual([first.object, first.purpose, first.filename], ["file", "fine-tune", "part 1.jsonl"]);
  const again = await client.files.retrieve(first.id);
  assert.deepEqual(again, first);
  const listed: string[] = [];
  for await (const file of client.files.list({ limit: 2, order: "asc" })) listed.push(file.id);
  assert.deepEqual(
    listed,
    kept.map(({ id }) => id).sort((a, b) => listed.indexOf(a) - listed.indexOf(b)),
  );
  assert.equal(listed.length, 3);
  const content = await client.files.content(first.id);
  assert.ok((await content.text()).startsWith(text));
  const tag = content.headers.get("etag") as string;
  const headers = { authorization: `Bearer ${node.operatorToken}`, "if-none-match": tag };
  assert.equal((await fetch(`${node.url}/v1/files/${first.id}/content`, { headers })).status, 304);
  assert.deepEqual(await client.files.delete(first.id), { id: first.id, object: "file", deleted: true });
  await refused(client.files.retrieve(first.id), 404, "id", /No such File/);
  await refused(
    client.files.create({ file: await toFile(Buffer.from("x"), "x"), purpose: "vision" }),
    400,
    "purpose",
    /fine-tune/,
  );
  await refused(upload(""), 400, "file", /empty/);
  await assert.rejects(new OpenAI({ apiKey: "none", baseURL: `${node.url}/v1` }).files.list(), {
    status: 401,
  });
  const key = { idempotencyKey: "k1" };
  const once = () =>
    toFile(Buffer.from(text), "a").then((file) =>
      client.files.create(
        { file, purpose: "fine-tune" },
        { headers: { "idempotency-key": key.idempotencyKey } },
      ),
    );
  assert.equal((await once()).id, (await once()).id);
});

test("a file becomes a job, a release, and a model that answers; its manifest names the data and its owner", async () => {
  const file = await upload(lines(60, "t"));
  const job = await client.fineTuning.jobs.create({
    model: "tiny",
    training_file: file.id,
    suffix: "valley-words",
    seed: 11,
    method: {
      type: "supervised",
      supervised: { hyperparameters: { n_epochs: 2, batch_size: 16, learning_rate_multiplier: "auto" } },
    },
    ...quick,
  });
  assert.deepEqual(
    [job.object, job.fine_tuned_model, job.seed, job.training_file],
    ["fine_tuning.job", null, 11, file.id],
  );
  assert.deepEqual(job.hyperparameters, { n_epochs: 2, batch_size: 16, learning_rate_multiplier: 1 });
  const done = await over(job.id);
  assert.equal(done.error, null);
  assert.deepEqual([done.status, done.fine_tuned_model], ["succeeded", "valley-words"]);
  assert.deepEqual(done.metadata, quick.metadata);
  assert.ok((done.trained_tokens ?? 0) > 0 && (done.finished_at ?? 0) >= done.created_at);

  const events: OpenAI.FineTuning.FineTuningJobEvent[] = [];
  for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 3 })) events.push(event);
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  assert.match(events[0]?.message ?? "", /succeeded/);
  const [warning, training] = events.toReversed();
  assert.deepEqual([warning?.level, /over 20 steps/.test(warning?.message ?? "")], ["warn", true]);
  assert.match(training?.message ?? "", /training/);
  assert.ok(
    events.some(
      ({ type, message }) => type === "metrics" && /^Step \d+\/\d+: training loss=\d/.test(message),
    ),
  );

  const [checkpoint] = (await client.fineTuning.jobs.checkpoints.list(job.id)).data;
  assert.ok(checkpoint);
  const release = await node.modelFactory.findRelease("valley-words");
  assert.equal(checkpoint.fine_tuned_model_checkpoint, release?.id);
  const [data] = release?.manifest.datanets ?? [];
  assert.deepEqual([data?.count, data?.license], [40, "C-UDA-1.0"]);
  const developer = node.network.accounts.developer.address.toLowerCase();
  assert.deepEqual([...new Set(release?.contributors)], [developer], "who uploads is paid for it");
  const version = await node.datanets.getVersion(BigInt(data?.datanetId ?? 0), data?.version ?? 0);
  assert.equal(version.heldout.length, 20);
  const { contributors } = await node.datanets.getRules(BigInt(data?.datanetId ?? 0));
  assert.deepEqual(contributors, [developer], "no stranger's row comes between a file and its job");

  const model = await client.models.retrieve("valley-words");
  assert.equal(model.id, "valley-words");
  // The same request with the same key is the same job; another request with it is refused.
  const create = (seed: number) =>
    client.fineTuning.jobs.create(
      { model: "tiny", training_file: file.id, seed, ...quick },
      { headers: { "idempotency-key": "again" } },
    );
  const one = await create(3);
  assert.equal((await create(3)).id, one.id);
  await refused(create(4), 409, null, /asks for something else/);
  await client.fineTuning.jobs.cancel(one.id);
  // Continued by name: the data it was made of stays in.
  const more = await upload(lines(44, "m"));
  const continued = await client.fineTuning.jobs.create({
    model: "valley-words",
    training_file: more.id,
    suffix: "valley-words",
    hyperparameters: { n_epochs: 1 },
    ...quick,
  });
  const finished = await over(continued.id);
  assert.equal(finished.error, null);
  const next = await node.modelFactory.findRelease("valley-words");
  assert.deepEqual([next?.manifest.datanets.length, next?.manifest.parentRelease], [2, release?.id]);
  const page = await client.fineTuning.jobs.list({ limit: 1 });
  assert.deepEqual([page.data[0]?.id, page.hasNextPage()], [continued.id, true]);
});

test("a job is paused, resumed and cancelled; what cannot be done is refused by parameter", async () => {
  const file = await upload(lines(48, "p"));
  const job = await client.fineTuning.jobs.create({
    model: "tiny",
    training_file: file.id,
    hyperparameters: { n_epochs: 1000, learning_rate_multiplier: 0.001 },
    ...quick,
  });
  assert.equal((await client.fineTuning.jobs.pause(job.id)).status as string, "paused");
  assert.notEqual((await client.fineTuning.jobs.resume(job.id)).status as string, "paused");
  await client.fineTuning.jobs.cancel(job.id);
  assert.equal((await over(job.id)).status, "cancelled");
  await refused(client.fineTuning.jobs.pause(job.id), 409, null, /cancelled/);

  const create = (more: object) =>
    client.fineTuning.jobs.create({ model: "tiny", training_file: file.id, ...more } as never);
  await refused(create({ model: "gpt-none" }), 404, "model", /no model "gpt-none"/);
  await refused(create({ training_file: "file-none" }), 400, "training_file", /no file file-none/);
  await refused(create({ training_file: "datanet-99@1" }), 404, null, /99/);
  await refused(create({ suffix: "Bad Name" }), 400, "suffix", /a–z/);
  await refused(create({ method: { type: "dpo" } }), 400, "method.type", /supervised/);
  for (const [epochs, said] of [
    [0, /expected at least 1$/],
    ["lots", /expected "auto" or a number$/],
  ] as const)
    await refused(create({ hyperparameters: { n_epochs: epochs } }), 400, "hyperparameters.n_epochs", said);
  await refused(create({ metadata: { "openledger.license": "GPL-9" } }), 400, "metadata", /GPL-9/);
  const bad = async (text: string) => (await upload(text)).id;
  await refused(create({ training_file: await bad(lines(12, "q")) }), 400, "training_file", /12 rows.*40/);
  await refused(
    create({ training_file: await bad(`${lines(50, "r")}{"a":1}\n`) }),
    400,
    "training_file",
    /line 51/,
  );
  const weighted = {
    messages: [
      { role: "user", content: "a" },
      { role: "assistant", content: "b", weight: 0 },
    ],
  };
  await refused(
    create({ training_file: await bad(JSON.stringify(weighted)) }),
    400,
    "training_file",
    /weight/,
  );
  const small = await bad(lines(5, "v"));
  await refused(create({ validation_file: small }), 400, "validation_file", /5 rows/);
});

test("what OpenAI's client can ask of files and jobs is answered; what is not done here is named", async () => {
  const methods = (of: object) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(of))
      .filter((name) => name !== "constructor")
      .sort();
  // A newer client that can do more fails here.
  assert.deepEqual(methods(client.files), [
    ...["content", "create", "delete", "list", "retrieve", "waitForProcessing"],
  ]);
  assert.deepEqual(methods(client.fineTuning.jobs), [
    ...["cancel", "create", "list", "listEvents", "pause", "resume", "retrieve"],
  ]);
  assert.deepEqual(methods(client.fineTuning.jobs.checkpoints), ["list"]);
  const [file] = (await client.files.list({ limit: 1 })).data;
  assert.equal((await client.files.waitForProcessing(file?.id as string)).status, "processed");

  const listed = async (metadata: Record<string, string>) =>
    (await client.fineTuning.jobs.list({ metadata })).data.map((job) => job.metadata?.team);
  assert.deepEqual(new Set(await listed({ team: "valley" })), new Set(["valley"]));
  assert.deepEqual(await listed({ team: "hills" }), []);
  const asked = (query: string) =>
    fetch(`${node.url}/v1/fine_tuning/jobs?${query}`, {
      headers: { authorization: `Bearer ${node.operatorToken}` },
    });
  assert.deepEqual(((await (await asked("metadata=null")).json()) as { data: [] }).data, []);
  assert.equal((await asked("metadata=all")).status, 400);
  const [job] = (await client.fineTuning.jobs.list({ limit: 1 })).data;
  await refused(
    client.fineTuning.jobs.checkpoints.list(job?.id as string, { after: "ftckpt-0" }),
    400,
    "after",
    /no checkpoint/,
  );
  await refused(client.fineTuning.jobs.list({ limit: 0 }), 400, "limit", /./);
  await refused(client.fineTuning.jobs.retrieve("none"), 404, null, /no fine-tuning job "none"/);
  await refused(client.fineTuning.jobs.list({ after: "none" }), 404, null, /"none"/);
  const admin = client.withOptions({ adminAPIKey: node.operatorToken });
  for (const give of [
    () => admin.fineTuning.checkpoints.permissions.list("valley-words"),
    () => client.fineTuning.alpha.graders.validate({ grader: {} } as never),
    () => client.uploads.create({ bytes: 1, filename: "a", mime_type: "text/jsonl", purpose: "fine-tune" }),
  ])
    await refused(Promise.resolve(give()), 404, null, /Nothing is served at/);
});

test("jobs and releases have pages, ETags, idempotency keys and problem details, in the node's own dialect and in OpenAI's", async () => {
  const headers = { authorization: `Bearer ${node.operatorToken}`, "content-type": "application/json" };
  const ask = async (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) => {
    const answer = await fetch(node.url + path, { ...init, headers: { ...headers, ...init.headers } });
    const text = await answer.text();
    return {
      status: answer.status,
      tag: answer.headers.get("etag"),
      type: answer.headers.get("content-type"),
      body: text === "" ? null : JSON.parse(text),
    };
  };
  const all = (await ask("/v1/fine-tunes?limit=100")).body;
  const ids: string[] = [];
  for (let after = ""; ; ) {
    const { body } = await ask(`/v1/fine-tunes?limit=2${after}`);
    ids.push(...body.data.map(({ id }: { id: string }) => id));
    if (body.next === null) break;
    assert.equal(body.data.length, 2);
    after = `&after=${body.next}`;
  }
  assert.deepEqual(
    ids,
    all.data.map(({ id }: { id: string }) => id),
  );
  const done = all.data.find(({ releaseId }: { releaseId: string | null }) => releaseId !== null);
  for (const path of [
    ...["/v1/fine-tunes", `/v1/fine-tunes/${done.id}`, `/v1/fine-tunes/${done.id}/evaluation`],
    ...["/v1/releases/valley-words", `/v1/releases/${done.releaseId}/evaluation`],
    ...[`/v1/fine_tuning/jobs/${done.id}`, `/v1/fine_tuning/jobs/${done.id}/events`],
  ]) {
    const { status, tag } = await ask(path);
    assert.deepEqual([status, typeof tag], [200, "string"], path);
    const known = await ask(path, { headers: { "if-none-match": `"other", ${tag}` } });
    assert.deepEqual([known.status, known.body], [304, null], path);
    assert.equal((await ask(path, { headers: { "if-none-match": '"other"' } })).status, 200, path);
  }

  const { datanets } = done.spec;
  const order = (path: string, key: string, more: object) =>
    ask(path, {
      method: "POST",
      headers: { "idempotency-key": key },
      body: JSON.stringify({ model: "keyed", datanets, publish: false, recipe: { epochs: 1 }, ...more }),
    });
  const first = await order("/v1/fine-tunes", "a key", {});
  const again = await order("/v1/fine-tunes", "a key", {});
  assert.deepEqual([first.status, again.status, again.body.id], [201, 201, first.body.id]);
  const other = await order("/v1/fine-tunes", "a key", { model: "else" });
  assert.deepEqual([other.status, other.body.error.code], [409, "job-exists"]);
  const grid = { learningRate: [0.001] };
  const sweep = await order("/v1/fine-tunes/sweeps", "a key", { grid });
  assert.equal((await order("/v1/fine-tunes/sweeps", "a key", { grid })).body.id, sweep.body.id);
  const wider = await order("/v1/fine-tunes/sweeps", "a key", { grid: { learningRate: [0.001, 0.002] } });
  assert.deepEqual([wider.status, wider.body.error.code], [409, "job-exists"]);
  const twin = `/v1/fine-tunes/${first.body.id}/duplicate`;
  const copies = [await order(twin, "twin", {}), await order(twin, "twin", {})];
  assert.deepEqual([copies[0]?.status, copies[1]?.body.id], [201, copies[0]?.body.id]);
  for (const { id } of [first.body, { id: `${sweep.body.id}-1` }, copies[0]?.body])
    await ask(`/v1/fine-tunes/${id}/cancel`, { method: "POST" });

  const accept = { accept: "application/problem+json" };
  for (const [path, init, status, code] of [
    ["/v1/fine-tunes/none", {}, 404, "unknown-job"],
    ["/v1/fine-tunes?limit=0", {}, 400, "invalid-request"],
    ["/v1/fine-tunes?after=none", {}, 404, "unknown-job"],
    ["/v1/fine-tunes", { method: "POST", body: "{" }, 400, "invalid-request"],
    ["/v1/fine-tunes", { method: "POST", body: '{"id":5}' }, 400, "invalid-request"],
    ["/v1/fine-tunes", { method: "POST", body: "{}" }, 400, "invalid-request"],
    ["/v1/releases/none", {}, 404, "unknown-release"],
    ["/v1/fine_tuning/jobs", { method: "POST", body: "{" }, 400, "invalid_json"],
    ["/v1/fine_tuning/jobs/none", {}, 404, "unknown_job"],
  ] as const) {
    const { body, type, ...found } = await ask(path, { ...init, headers: accept });
    assert.deepEqual([found.status, body.status, body.error?.code], [status, status, code], path);
    assert.deepEqual([body.type, body.detail], [`about:blank#${code}`, body.error.message], path);
    assert.match(type ?? "", /^application\/problem\+json/, path);
    if (path.startsWith("/v1/fine_tuning"))
      assert.deepEqual([body.error.type, body.error.param], ["invalid_request_error", null]);
  }
});
