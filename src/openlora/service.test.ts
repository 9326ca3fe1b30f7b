import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, test } from "node:test";
import type { Digest } from "../protocol/index.ts";
import type { AdapterFiles } from "./adapters.ts";
import { randomAdapter, tinyBaseName, writeTinyBase } from "./fixtures/tiny-base.ts";
import {
  answerLimit,
  baseDigestOf,
  type CreateOpenLora,
  createOpenLora,
  OpenLoraError,
  OverloadedError,
  type Piece,
} from "./index.ts";

const folder = writeTinyBase();
after(() => rmSync(folder, { recursive: true }));
const made = [1, 2].map((seed) => randomAdapter(seed));
const [first, second] = made as [(typeof made)[number], (typeof made)[number]];
const filesOf = new Map<Digest, AdapterFiles>(made.map(({ digest, files }) => [digest, files]));

async function open(given: Partial<CreateOpenLora> = {}) {
  const loads: Digest[] = [];
  const openLora = await createOpenLora({
    baseFolder: folder,
    baseName: tinyBaseName,
    async loadAdapter(digest) {
      loads.push(digest);
      const files = filesOf.get(digest);
      if (files === undefined) throw new Error("no such blob");
      return files;
    },
    ...given,
    options: { threads: 1, slots: 2, maxRows: 2, rank: 4, ...given.options },
  });
  return { openLora, loads };
}

const greedy = { prompt: { prompt: "the river" }, maxTokens: 24, temperature: 0 } as const;

test("answers stream from the thread, each under its adapter, which is read once", async () => {
  const { openLora, loads } = await open();
  await using _ = openLora;
  const pieces: Piece[] = [];
  const base = await openLora.generate(greedy, (piece) => pieces.push(piece));
  assert.equal(pieces.map(({ text }) => text).join(""), base.text);
  assert.deepEqual(
    pieces.flatMap(({ ids }) => ids),
    base.outputIds,
  );
  assert.ok(pieces.every(({ text }) => text.isWellFormed()));
  assert.deepEqual(loads, []);

  const answers = await Promise.all(
    [first.digest, second.digest, first.digest, undefined].map((adapter) =>
      openLora.generate({ ...greedy, adapter }),
    ),
  );
  assert.deepEqual(loads, [first.digest, second.digest]);
  assert.deepEqual(answers[0]?.outputIds, answers[2]?.outputIds);
  assert.deepEqual(answers[3]?.outputIds, base.outputIds);
  assert.equal(new Set(answers.map(({ outputIds }) => outputIds.join())).size, 3);

  const { baseDigest } = openLora.info();
  assert.equal(baseDigest, await baseDigestOf(folder));
  assert.equal(base.fingerprint, baseDigest);
  assert.equal(answers[0]?.fingerprint, `${baseDigest}+${first.digest}`);
  const { scheduler, adapters } = await openLora.metrics();
  assert.equal(scheduler.finishedTotal.length + scheduler.finishedTotal.stop, 5);
  assert.equal(
    scheduler.outputTokensTotal,
    base.outputIds.length + answers.flatMap((a) => a.outputIds).length,
  );
  assert.equal(adapters.loadsTotal, 2);
});

test("a quantized base says so: in its facts, its log and the name of what answered", async () => {
  const lines: string[] = [];
  const { openLora } = await open({ options: { precision: "int8" }, log: (line) => lines.push(line) });
  await using _ = openLora;
  const { precision, baseDigest } = openLora.info();
  assert.equal(precision, "int8");
  assert.match(lines.join(), /is ready .* weights in int8/);
  assert.equal((await openLora.generate(greedy)).fingerprint, `${baseDigest}:int8`);
  const { fingerprint } = await openLora.generate({ ...greedy, adapter: first.digest });
  assert.equal(fingerprint, `${baseDigest}:int8+${first.digest}`);
});

test("a drawn seed is told and gives the same answer again", async () => {
  const { openLora } = await open();
  await using _ = openLora;
  const request = { ...greedy, temperature: 1.2, topP: 0.95 };
  const one = await openLora.generate(request);
  const two = await openLora.generate(request);
  const again = await openLora.generate({ ...request, seed: one.seed });
  assert.notEqual(one.seed, two.seed);
  assert.deepEqual(again.outputIds, one.outputIds);
  assert.notDeepEqual(two.outputIds, one.outputIds);
});

test("prompt tokens are counted as they are generated from, and limit an answer", async () => {
  const { openLora } = await open();
  await using _ = openLora;
  const prompt = { messages: [{ role: "user", content: "the river" }] };
  const promptTokens = await openLora.countPromptTokens(prompt);
  const answer = await openLora.generate({ ...greedy, prompt, maxTokens: undefined });
  assert.equal(promptTokens, answer.promptIds.length);
  assert.equal(answer.maxTokens, answerLimit(openLora.info(), promptTokens, undefined));
  await assert.rejects(openLora.countPromptTokens({ prompt: "x".repeat(300) }), {
    code: "prompt-too-long",
    details: { limit: 256, actual: 301 },
  });
});

test("what cannot be meant is refused where it stands", async () => {
  const { openLora } = await open();
  await using _ = openLora;
  const refusals = [
    [{ ...greedy, temperature: -1 }, /temperature/],
    [{ ...greedy, topP: 0 }, /topP/],
    [{ ...greedy, maxTokens: 0 }, /maxTokens/],
    [{ ...greedy, stop: [""] }, /stop\[0\]/],
    [{ ...greedy, adapter: "0x12" as Digest }, /adapter/],
    [{ ...greedy, prompt: { messages: [] } }, /prompt/],
    [{ ...greedy, logprobs: true } as typeof greedy, /logprobs/],
  ] as const;
  for (const [request, message] of refusals)
    await assert.rejects(openLora.generate(request), (error: unknown) => {
      assert.ok(error instanceof OpenLoraError);
      assert.equal(error.code, "invalid-request");
      assert.match(error.message, message);
      return true;
    });
});

test("errors keep their kind across the thread", async () => {
  const lies = { digest: first.digest, files: second.files };
  const { openLora } = await open({
    options: { maxRows: 1, maxQueue: 1 },
    loadAdapter(digest) {
      if (digest === lies.digest) return Promise.resolve(lies.files);
      throw new Error("no such blob");
    },
  });
  await using _ = openLora;
  await assert.rejects(openLora.generate({ ...greedy, adapter: lies.digest }), {
    name: "OpenLoraError",
    code: "adapter-refused",
    details: { adapter: lies.digest },
  });
  await assert.rejects(openLora.generate({ ...greedy, adapter: second.digest }), {
    code: "adapter-unavailable",
    message: /no such blob/,
  });
  const crowd = await Promise.allSettled([1, 2, 3].map(() => openLora.generate(greedy)));
  const refused = crowd.filter((outcome) => outcome.status === "rejected");
  assert.equal(refused.length, 1);
  assert.ok(refused[0]?.reason instanceof OverloadedError);
  assert.ok(refused[0].reason.retryAfterMs >= 100);
});

test("a pinned adapter is read ahead of its first use", async () => {
  const { openLora, loads } = await open();
  await using _ = openLora;
  await openLora.pin(first.digest);
  assert.deepEqual(loads, [first.digest]);
  await openLora.generate({ ...greedy, adapter: first.digest });
  assert.deepEqual(loads, [first.digest]);
  assert.equal((await openLora.metrics()).adapters.pinned, 1);
  await openLora.unpin(first.digest);
  assert.equal((await openLora.metrics()).adapters.pinned, 0);
});

test("an aborted signal ends an answer with what there is of it", async () => {
  const { openLora } = await open({ options: { maxRows: 1 } });
  await using _ = openLora;
  const controller = new AbortController();
  const answer = await openLora.generate(
    { ...greedy, maxTokens: 240, signal: controller.signal },
    ({ ids }) => ids.length > 0 && controller.abort(),
  );
  assert.equal(answer.finishReason, "cancelled");
  assert.ok(answer.outputIds.length > 0 && answer.outputIds.length < 240);
  const aborted = await openLora.generate({ ...greedy, signal: AbortSignal.abort() });
  assert.deepEqual(aborted.outputIds, []);
  assert.equal((await openLora.metrics()).scheduler.running, 0);
});

test("an error in the listener cancels the answer and is thrown to the asker", async () => {
  const { openLora } = await open();
  await using _ = openLora;
  const answer = openLora.generate({ ...greedy, maxTokens: 240 }, () => {
    throw new TypeError("the listener broke");
  });
  await assert.rejects(answer, { name: "TypeError", message: "the listener broke" });
  const { scheduler } = await openLora.metrics();
  assert.equal(scheduler.running, 0);
  assert.equal(scheduler.finishedTotal.cancelled, 1);
});

test("closing rejects what is under way, loading and waiting, and everything after", async () => {
  const { openLora } = await open({
    options: { maxRows: 2 },
    loadAdapter: () => new Promise<never>(() => {}),
  });
  const calls = [
    openLora.generate({ ...greedy, maxTokens: 240 }),
    openLora.generate({ ...greedy, adapter: first.digest }),
    openLora.generate(greedy),
    openLora.pin(second.digest),
  ];
  const outcomes = Promise.allSettled(calls);
  await openLora.close();
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof OpenLoraError);
    assert.equal(outcome.reason.code, "closed");
  }
  await assert.rejects(openLora.generate(greedy), { code: "closed" });
  await assert.rejects(openLora.countPromptTokens(greedy.prompt), { code: "closed" });
  await openLora.close();
});

test("a base that cannot be served says why", async () => {
  await assert.rejects(open({ baseFolder: "/nowhere" }), { message: /There is no model in \/nowhere/ });
  await assert.rejects(open({ options: { contextTokens: 4_096 } }), {
    message: /this model has 256 positions/,
  });
  await assert.rejects(open({ options: { slots: 0 } }), { code: "invalid-request", message: /slots/ });
});
