import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, createSamplers, promptTokens } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import { OpenLoraError, OverloadedError } from "./errors.ts";
import { adapter, base, overflowing, pause, reference, serving, type Wrap } from "./fixtures/scheduling.ts";
import { generateRequestSchema, type Piece } from "./request.ts";
import type { Outcome } from "./scheduler.ts";

const greedy = { temperature: 0 } as const;
const long = { prompt: { prompt: "the mill" }, maxTokens: 200, ...greedy } as const;

test("greedy answers under mixed adapters, arriving at different times, are those of each prompt alone", async () => {
  const s = await serving();
  const asked = Array.from({ length: 14 }, (_, i) => ({
    prompt:
      i % 3 === 0
        ? { messages: [{ role: "user", content: `the river ${"and the mill ".repeat(i % 5)}` }] }
        : { prompt: "река naïve ".repeat(1 + (i % 4)) + i },
    maxTokens: 3 + ((i * 7) % 40),
    ...(i % 5 === 0 ? {} : { adapter: adapter(i % 4) }),
    ...greedy,
  }));
  const outcomes = await Promise.all(
    asked.map(async (request, i) => {
      await pause((i * 13) % 40);
      const pieces: Piece[] = [];
      const outcome = await s.generate(request, { emit: (piece) => pieces.push(piece) });
      assert.equal(pieces.map(({ text }) => text).join(""), outcome.text);
      assert.deepEqual(
        pieces.flatMap(({ ids }) => ids),
        outcome.outputIds,
      );
      return outcome;
    }),
  );
  for (const [i, request] of asked.entries()) {
    const expected = await reference(request.prompt, request.maxTokens, request.adapter);
    const { outputIds, promptIds, endedByEos, finishReason } = outcomes[i] as Outcome;
    assert.deepEqual(outputIds, expected, `request ${i}`);
    assert.deepEqual(promptIds, promptTokens(base.tokenizer, request.prompt));
    assert.equal(endedByEos, outputIds.length < request.maxTokens);
    assert.equal(finishReason, endedByEos ? "stop" : "length");
  }
  const answers = new Set(outcomes.map(({ outputIds }) => outputIds.slice(0, 3).join()));
  assert.ok(answers.size > 4, "the adapters must differ for this to prove anything");
  const { decodeRowsTotal, decodeStepsTotal, running, waiting } = s.scheduler.metrics();
  assert.ok(decodeRowsTotal > decodeStepsTotal * 1.5, "rows were not batched");
  assert.deepEqual({ running, waiting, rows: s.rows() }, { running: 0, waiting: 0, rows: 0 });
  assert.equal(s.adapters.metrics().leased, 0);
});

test("a seed's answer does not depend on what else is in the batch", async () => {
  const s = await serving();
  const request = {
    prompt: { prompt: "the valley" },
    maxTokens: 40,
    temperature: 0.9,
    topP: 0.9,
    seed: 11,
    adapter: adapter(0),
  };
  const sampling = { ...generateRequestSchema.parse(request), logprobs: undefined };
  const sampler = createSamplers(base.config.vocab)(sampling, createRandom(11), []);
  const expected = await reference(
    request.prompt,
    40,
    adapter(0),
    (logits) => sampler.choose(logits)?.id as number,
  );
  const alone = await s.generate(request);
  const crowd = await Promise.all([
    s.generate({ ...request, seed: 1 }),
    s.generate({ ...request, adapter: adapter(1), maxTokens: 9 }),
    s.generate(request),
    s.generate({ ...request, adapter: undefined, maxTokens: 25 }),
    pause(8).then(() => s.generate(request)),
  ]);
  assert.deepEqual(alone.outputIds, expected);
  assert.deepEqual(crowd[2]?.outputIds, expected);
  assert.deepEqual(crowd[4]?.outputIds, expected);
  assert.notDeepEqual(crowd[0]?.outputIds, expected);
  assert.equal(alone.seed, 11);
});

test("end of text is reported and is not among the output's ids", async () => {
  const ids = await reference({ prompt: "the mill" }, 12, undefined);
  const end = ids.findIndex((id, i) => i > 2 && !ids.slice(0, i).includes(id));
  const s = await serving({}, { tokenizer: { eosIds: [base.tokenizer.eosId, ids[end] as number] } });
  const outcome = await s.generate({ prompt: { prompt: "the mill" }, ...greedy });
  assert.deepEqual(outcome.outputIds, ids.slice(0, end));
  assert.equal(outcome.finishReason, "stop");
  assert.equal(outcome.endedByEos, true);
});

test("a stop string ends the text before it; its tokens stay in the output's ids", async () => {
  const s = await serving();
  const { text, outputIds } = await s.generate({ ...long, maxTokens: 60 });
  const at = text.length >> 1;
  const stop = text.slice(at, at + 3);
  const outcome = await s.generate({ ...long, maxTokens: 60, stop: ["never this", stop] });
  assert.equal(outcome.text, text.slice(0, text.indexOf(stop)));
  assert.equal(outcome.finishReason, "stop");
  assert.equal(outcome.endedByEos, false);
  assert.deepEqual(outcome.outputIds, outputIds.slice(0, outcome.outputIds.length));
  assert.ok(base.tokenizer.decode(outcome.outputIds).includes(stop));
  assert.ok(!base.tokenizer.decode(outcome.outputIds.slice(0, -1)).includes(stop));
});

test("an answer's length is the default, what was asked, or what the context leaves", async () => {
  const s = await serving({ contextTokens: 40, defaultMaxTokens: 5 });
  const promptLength = promptTokens(base.tokenizer, { prompt: "the mill" }).length;
  for (const [maxTokens, expected] of [
    [undefined, 5],
    [9, 9],
    [1_000_000, 40 - promptLength],
  ] as const) {
    const outcome = await s.generate({ prompt: { prompt: "the mill" }, maxTokens, ...greedy });
    assert.equal(outcome.outputIds.length, expected);
    assert.equal(outcome.maxTokens, expected);
    assert.equal(outcome.finishReason, "length");
  }
});

test("a prompt longer than the context is refused with limit and length", async () => {
  const s = await serving({ contextTokens: 40 });
  await assert.rejects(s.generate({ prompt: { prompt: "x".repeat(50) } }), {
    code: "prompt-too-long",
    message: /51 tokens.*40/,
    details: { limit: 40, actual: 51 },
  });
  await assert.rejects(s.generate({ prompt: { prompt: "x".repeat(40 * 64 + 1) } }), {
    code: "prompt-too-long",
    details: { limitCharacters: 2_560, actualCharacters: 2_561 },
  });
  const fits = await s.generate({ prompt: { prompt: "x".repeat(38) }, ...greedy });
  assert.equal(fits.promptIds.length, 39);
  assert.equal(fits.outputIds.length, 1);
  const mute = await serving({}, { tokenizer: { addBos: false } });
  await assert.rejects(mute.generate({ prompt: { prompt: "" } }), { code: "prompt-invalid" });
  assert.deepEqual(s.scheduler.metrics().refusedTotal, { "prompt-too-long": 2 });
});

test("cancelling a running answer frees its row within one step", async () => {
  let steps = 0;
  const s = await serving(
    { maxRows: 1 },
    {
      decoder: (real) => ({
        decode(tokens) {
          steps++;
          return real.decode(tokens);
        },
      }),
    },
  );
  const controller = new AbortController();
  let stepsAtAbort = 0;
  const first = s.generate(
    { ...long, adapter: adapter(0) },
    {
      signal: controller.signal,
      emit() {
        if (steps !== 5 || controller.signal.aborted) return;
        controller.abort();
        stepsAtAbort = steps;
      },
    },
  );
  const second = s.generate({ ...long, adapter: adapter(1), maxTokens: 1 });
  const cancelled = await first;
  assert.equal(cancelled.finishReason, "cancelled");
  assert.equal(cancelled.cancelledBy, "signal");
  assert.ok(steps - stepsAtAbort <= 1, `${steps - stepsAtAbort} more steps`);
  assert.deepEqual(cancelled.outputIds, await reference(long.prompt, 6, adapter(0)));
  assert.equal((await second).finishReason, "length");
  assert.equal(s.rows(), 0);
  assert.equal(s.adapters.metrics().leased, 0);
});

test("cancelling what waits or loads ends it at once, without output", async () => {
  const s = await serving({ maxRows: 1 });
  const [loading, waiting] = [new AbortController(), new AbortController()];
  const first = s.generate({ ...long, adapter: adapter(0) }, { signal: loading.signal });
  const second = s.generate({ ...long, adapter: adapter(1) }, { signal: waiting.signal });
  const third = s.generate(long, { signal: AbortSignal.abort() });
  const { loading: loads, waiting: waits } = s.scheduler.metrics();
  assert.deepEqual({ loads, waits }, { loads: 1, waits: 2 });
  waiting.abort();
  loading.abort();
  for (const outcome of await Promise.all([first, second, third])) {
    assert.equal(outcome.finishReason, "cancelled");
    assert.deepEqual(outcome.outputIds, []);
    assert.ok(outcome.promptIds.length > 0);
  }
  await pause(10);
  assert.equal(s.adapters.metrics().leased, 0);
  assert.equal(s.scheduler.metrics().promptTokensTotal, 0, "a cancelled prompt was run");
  assert.equal((await s.generate({ ...long, maxTokens: 2 })).outputIds.length, 2);
});

test("a deadline cancels, whether the request runs, waits or comes too late", async () => {
  const slow: Wrap = {
    decoder: (real) => ({
      async decode(tokens) {
        await pause(5);
        return real.decode(tokens);
      },
    }),
  };
  const s = await serving({ maxRows: 1 }, slow);
  const deadlineAtMs = Date.now() + 300;
  const [running, waiting, late, endless] = await Promise.all([
    s.generate({ ...long, deadlineAtMs }),
    s.generate({ ...long, deadlineAtMs }),
    s.generate({ ...long, deadlineAtMs: Date.now() - 1 }),
    s.generate({ ...long, maxTokens: 3, deadlineAtMs: Number.MAX_SAFE_INTEGER }),
  ]);
  for (const outcome of [running, waiting, late]) {
    assert.equal(outcome.finishReason, "cancelled");
    assert.equal(outcome.cancelledBy, "deadline");
  }
  assert.ok(running.outputIds.length > 0 && running.outputIds.length < 200);
  assert.deepEqual([waiting.outputIds, late.outputIds], [[], []]);
  assert.equal(endless.finishReason, "length");
});

test("a full queue refuses with a time to come back, a tenant's own limit likewise", async () => {
  const s = await serving({ maxRows: 1, maxQueue: 3, maxQueuePerTenant: 2 });
  const short = { ...long, maxTokens: 20 };
  const accepted = [
    s.generate({ ...short, tenant: "a" }),
    s.generate({ ...short, tenant: "a" }),
    s.generate({ ...short, tenant: "a" }),
  ];
  const overTenant = s.generate({ ...short, tenant: "a" });
  accepted.push(s.generate({ ...short, tenant: "b" }));
  const overQueue = s.generate({ ...short, tenant: "c" });
  for (const [refused, message] of [
    [overTenant, /2 of your requests/],
    [overQueue, /3 requests are waiting/],
  ] as const)
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(error instanceof OverloadedError);
      assert.match(error.message, message);
      assert.ok(error.retryAfterMs >= 100 && error.retryAfterMs <= 60_000);
      return true;
    });
  for (const outcome of await Promise.all(accepted)) assert.equal(outcome.outputIds.length, 20);
  assert.equal((await s.generate(short)).outputIds.length, 20);
});

test("where requests wait, tenants take turns", async () => {
  const s = await serving({ maxRows: 1 });
  const ended: string[] = [];
  const ask = async (tenant: string, i: number) => {
    await s.generate({ ...long, maxTokens: 3, tenant });
    ended.push(`${tenant}${i}`);
  };
  await Promise.all([...[0, 1, 2, 3, 4].map((i) => ask("loud", i)), ...[0, 1].map((i) => ask("quiet", i))]);
  assert.deepEqual(ended, ["loud0", "loud1", "quiet0", "loud2", "quiet1", "loud3", "loud4"]);
});

test("while an adapter is read, others are answered, and then it is its request's turn", async () => {
  const reading = Promise.withResolvers<void>();
  const s = await serving({ maxRows: 1 }, {}, (digest) =>
    digest === adapter(1) ? reading.promise : Promise.resolve(),
  );
  const ended: string[] = [];
  const ask = async (name: string, i: number) => {
    await s.generate({ ...long, adapter: adapter(i), maxTokens: 3, tenant: name });
    ended.push(name);
  };
  const first = ask("first", 1);
  await Promise.all([ask("second", 0), ask("third", 0)]);
  assert.deepEqual(ended, ["second", "third"]);
  const others = [ask("fourth", 0), ask("fifth", 0)];
  reading.resolve();
  await Promise.all([first, ...others]);
  assert.ok(ended.indexOf("first") <= 3, ended.join());
});

test("a tenant whose adapters do not come keeps no other tenant from its own", async () => {
  const reading = Promise.withResolvers<void>();
  const quick = [adapter(0), adapter(1)];
  const s = await serving({ maxRows: 2, adapterMemoryBytes: 0 }, {}, (digest) =>
    quick.includes(digest) ? Promise.resolve() : reading.promise,
  );
  const slow = Array.from({ length: 6 }, (_, i) => {
    const digest: Digest = `0x${`0${i}`.repeat(32)}`;
    return s.generate({ ...long, adapter: digest, tenant: "slow" });
  });
  const outcomes = Promise.allSettled(slow);
  await pause(5);
  for (const digest of quick) await s.generate({ ...long, adapter: digest, maxTokens: 2, tenant: "quick" });
  assert.equal(s.scheduler.metrics().waiting, 6);
  assert.ok(s.scheduler.metrics().loading <= 2);
  reading.resolve();
  for (const outcome of await outcomes)
    assert.ok(outcome.status === "rejected" && outcome.reason.code === "adapter-unavailable");
  assert.equal(s.adapters.metrics().leased, 0);
});

test("a row has a copy of its adapter: memory is given to others while it runs", async () => {
  const s = await serving({ adapterMemoryBytes: 0 });
  const expected = await reference(long.prompt, 60, adapter(0));
  let seen = 0;
  const emit = () => {
    if (++seen === 3) assert.equal(s.adapters.metrics().memoryBytes, 0);
  };
  const { outputIds } = await s.generate({ ...long, adapter: adapter(0), maxTokens: 60 }, { emit });
  assert.deepEqual(outputIds, expected);
  assert.ok(seen > 3);
});

test("an adapter is read ahead while its request waits for a row", async () => {
  const asked: Digest[] = [];
  const s = await serving({ maxRows: 1 }, {}, async (digest) => void asked.push(digest));
  const running = s.generate({ ...long, maxTokens: 30 });
  const waiting = s.generate({ ...long, adapter: adapter(2), maxTokens: 2 });
  await pause(10);
  assert.deepEqual(asked, [adapter(2)]);
  await Promise.all([running, waiting]);
  assert.equal(s.adapters.metrics().loadsTotal, 1);
});

test("a long prompt is taken in by pieces: answers under way go on in between, and it gives the same answer", async () => {
  const events: string[] = [];
  const s = await serving(
    { prefillTokensPerStep: 16, prefixCacheBytes: 0 },
    {
      decoder: (real) => ({
        feed(first, tokens) {
          events.push(`feed ${tokens.map(({ length }) => length)}`);
          return real.feed(first, tokens);
        },
        decode(tokens) {
          events.push("decode");
          return real.decode(tokens);
        },
      }),
    },
  );
  const prompt = { prompt: "река naïve ".repeat(12) };
  const count = promptTokens(base.tokenizer, prompt).length;
  const short = s.generate({ ...long, maxTokens: 60 });
  await pause(5);
  const answer = await s.generate({ prompt, maxTokens: 10, ...greedy });
  await short;
  assert.deepEqual(answer.outputIds, await reference(prompt, 10, undefined));
  const pieces = events.filter((event) => event === "feed 16").length;
  assert.ok(pieces >= Math.floor(count / 16), events.join());
  assert.ok(!events.join().includes("feed 16,feed 16"), "two pieces without a step between them");
});

test("prompts that begin alike under one adapter are computed once, and under another adapter again", async () => {
  const s = await serving();
  const prompt = { prompt: "the mill and the river and the valley ".repeat(4) };
  const count = promptTokens(base.tokenizer, prompt).length;
  const ask = async (i: number, more = "") => {
    const text = { prompt: prompt.prompt + more };
    const { outputIds } = await s.generate({ prompt: text, adapter: adapter(i), maxTokens: 12, ...greedy });
    assert.deepEqual(outputIds, await reference(text, 12, adapter(i)));
    return s.scheduler.metrics().promptTokensTotal;
  };
  assert.equal(await ask(0), count);
  const again = await ask(0);
  assert.ok(again - count <= 32 + 1, `${again - count} of ${count} tokens were computed again`);
  const longer = await ask(0, "end");
  assert.ok(longer - again <= 32 + 4);
  assert.equal((await ask(1)) - longer, count);
  assert.ok(s.scheduler.metrics().prefixBytes > 0);
});

test("deterministic: answers are equal to the last bit alone, in a crowd, and after a kept beginning", async () => {
  const seen: string[] = [];
  const s = await serving(
    { deterministic: true, maxRows: 5 },
    {
      decoder: (real) => ({
        async decode(tokens) {
          const logits = await real.decode(tokens);
          seen.push(
            ...logits.map((row) =>
              Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString("base64"),
            ),
          );
          return logits;
        },
      }),
    },
  );
  const prompt = { prompt: "the mill and the river and the valley ".repeat(5) };
  const request = { prompt, adapter: adapter(0), maxTokens: 30, temperature: 0.8, seed: 4 };
  const alone = await s.generate(request);
  const expected = seen.splice(0);
  assert.ok(expected.length >= alone.outputIds.length - 1);
  const crowd = Array.from({ length: 9 }, (_, i) =>
    s.generate({
      ...request,
      prompt: { prompt: "река ".repeat(i * 3 + 1) },
      adapter: adapter(i % 3),
      seed: i,
    }),
  );
  const again = await s.generate(request);
  await Promise.all(crowd);
  assert.deepEqual(again.outputIds, alone.outputIds);
  for (const bits of expected) assert.ok(seen.includes(bits), "a step's logits differ");
  assert.ok(s.scheduler.metrics().prefixTokensTotal >= 64);
});

test("an adapter that cannot be served fails its own requests only", async () => {
  const s = await serving();
  const missing: Digest = `0x${"ab".repeat(32)}`;
  const [good, bad] = await Promise.allSettled([
    s.generate({ ...long, maxTokens: 5, adapter: adapter(0) }),
    s.generate({ ...long, adapter: missing }),
  ]);
  assert.equal(good.status, "fulfilled");
  assert.ok(bad.status === "rejected" && bad.reason instanceof OpenLoraError);
  assert.equal(bad.reason.code, "adapter-unavailable");
  assert.ok(bad.reason.message.includes(missing) && bad.reason.message.includes("no such blob"));
});

test("an adapter that overflows is named, and neither its neighbours nor who comes after it in its row notice", async () => {
  const s = await serving({ maxRows: 2 });
  const expected = await reference(long.prompt, 20, undefined);
  const neighbour = s.generate({ ...long, maxTokens: 20 });
  await assert.rejects(s.generate({ ...long, adapter: overflowing.digest }), {
    code: "engine-failed",
    message: new RegExp(`${overflowing.digest} gives values that are not numbers`),
  });
  const next = await Promise.all([1, 2].map(() => s.generate({ ...long, maxTokens: 20 })));
  for (const { outputIds } of [await neighbour, ...next]) assert.deepEqual(outputIds, expected);
});

test("the beginning of a prompt is not kept under an adapter that overflows", async () => {
  const s = await serving();
  const prompt = { prompt: "the mill and the river and the valley ".repeat(4) };
  await assert.rejects(s.generate({ prompt, adapter: overflowing.digest, ...greedy }));
  assert.equal(s.scheduler.metrics().prefixBytes, 0);
  await s.generate({ prompt, adapter: adapter(0), maxTokens: 1, ...greedy });
  assert.ok(s.scheduler.metrics().prefixBytes > 0);
});

test("a failing engine fails the answers under way and serves the next ones", async () => {
  let failing = true;
  const s = await serving(
    { maxRows: 2 },
    {
      decoder: (real) => ({
        async decode(tokens) {
          if (!failing) return real.decode(tokens);
          failing = false;
          throw new Error("out of memory");
        },
      }),
    },
  );
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => s.generate({ ...long, maxTokens: 4 })));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected", "fulfilled"],
  );
  assert.ok(outcomes[0]?.status === "rejected" && outcomes[0].reason.code === "engine-failed");
  assert.match(outcomes[0].reason.message, /out of memory/);
  assert.equal(s.rows(), 0);
});

test("closing waits for the step under way, and rejects what runs, loads and waits", async () => {
  const inStep = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let steps = 0;
  const s = await serving(
    { maxRows: 2 },
    {
      decoder: (real) => ({
        async decode(tokens) {
          if (++steps === 3) inStep.resolve();
          if (steps === 3) await goOn.promise;
          return real.decode(tokens);
        },
      }),
    },
  );
  const calls = [
    s.generate(long),
    inStep.promise.then(() => s.generate({ ...long, adapter: adapter(0) })),
    inStep.promise.then(() => s.generate(long)),
  ];
  const outcomes = Promise.allSettled(calls);
  await inStep.promise;
  const { loading, waiting } = s.scheduler.metrics();
  assert.deepEqual({ loading, waiting }, { loading: 1, waiting: 1 });
  let closed = false;
  const closing = s.scheduler.close().then(() => {
    closed = true;
  });
  await pause(20);
  assert.equal(closed, false);
  goOn.resolve();
  await closing;
  assert.equal(steps, 3);
  for (const outcome of await outcomes)
    assert.ok(outcome.status === "rejected" && outcome.reason.code === "closed");
  await assert.rejects(s.generate(long), { code: "closed" });
  assert.deepEqual({ rows: s.rows(), leased: s.adapters.metrics().leased }, { rows: 0, leased: 0 });
});

test("a prompt of tokens is taken as it is; one that is none of the model's is refused", async () => {
  const s = await serving();
  const ids = promptTokens(base.tokenizer, { prompt: "the mill" });
  const [asText, asIds] = await Promise.all([
    s.generate({ ...long, maxTokens: 5 }),
    s.generate({ ...long, maxTokens: 5, prompt: { ids } }),
  ]);
  assert.deepEqual(asIds, { ...asIds, promptIds: ids, outputIds: asText.outputIds });
  await assert.rejects(s.generate({ prompt: { ids: [3, 272] } }), {
    code: "prompt-invalid",
    message: /272.*0 to 271/,
  });
});

test("what a request asks of sampling is done: penalties, bias, cuts", async () => {
  const s = await serving();
  const short = { ...long, maxTokens: 24 };
  const usual = await s.generate(short);
  const [first] = usual.outputIds as [number];
  const [banned, forced, single, unrepeated] = await Promise.all([
    s.generate({ ...short, logitBias: { [first]: -100 } }),
    s.generate({ ...short, logitBias: { 7: 100 } }),
    s.generate({ ...short, temperature: 2, topK: 1, seed: 5 }),
    s.generate({ ...short, repetitionPenalty: 10, presencePenalty: 2, frequencyPenalty: 2 }),
  ]);
  assert.ok(!banned.outputIds.includes(first));
  assert.deepEqual(new Set(forced.outputIds), new Set([7]));
  assert.deepEqual(single.outputIds, usual.outputIds);
  assert.ok(new Set(unrepeated.outputIds).size > new Set(usual.outputIds).size);
  await assert.rejects(s.generate({ ...short, logitBias: { 272: 1 } }), {
    code: "invalid-request",
    message: /logitBias.*272.*0 to 271/,
  });
});

test("log-probabilities come with every token, in pieces and in all, through a stop string and half characters", async () => {
  const s = await serving();
  const request = {
    prompt: { prompt: "река " },
    maxTokens: 60,
    temperature: 1,
    seed: 4,
    logprobs: 3,
  } as const;
  const { text: whole } = await s.generate(request);
  const stop = whole.slice(whole.length >> 1, (whole.length >> 1) + 4);
  for (const asked of [request, { ...request, stop: [stop] }]) {
    const pieces: Piece[] = [];
    const { logprobs, outputIds, text } = await s.generate(asked, { emit: (piece) => pieces.push(piece) });
    assert.deepEqual(
      logprobs?.map(({ id }) => id),
      outputIds,
    );
    assert.deepEqual(
      pieces.flatMap((piece) => piece.logprobs ?? []),
      logprobs,
    );
    for (const piece of pieces) assert.equal(piece.logprobs?.length ?? 0, piece.ids.length);
    const bytes = Buffer.from((logprobs ?? []).flatMap((token) => [...token.bytes]));
    assert.ok(bytes.toString().startsWith(text.slice(0, -1)));
    for (const { logprob, top } of logprobs ?? []) {
      assert.ok(logprob < 0);
      assert.equal(top.length, 3);
      assert.ok(top.every((other, i) => other.logprob <= (top[i - 1]?.logprob ?? 0)));
    }
  }
  const none = await s.generate({ ...request, logprobs: undefined });
  assert.equal("logprobs" in none, false);
});

test("answers are held to their formats beside others, which stay as they are", async () => {
  const s = await serving({ grammarThreads: 1 });
  const free = { ...long, maxTokens: 40 };
  const alone = await s.generate(free);
  const schema = {
    type: "array",
    items: { type: "object", properties: { kind: { enum: ["é", "b"] } }, required: ["kind"] },
    maxItems: 3,
  };
  const format = { type: "json-schema", schema: JSON.stringify(schema) } as const;
  const held = { prompt: { prompt: "the mill" }, maxTokens: 120, temperature: 1.5, format };
  const [beside, ...answers] = await Promise.all([
    s.generate(free),
    ...[1, 2, 3, 4, 5, 6].map((seed) => s.generate({ ...held, seed })),
  ]);
  assert.deepEqual(beside.outputIds, alone.outputIds);
  const again = await s.generate({ ...held, seed: 3 });
  assert.deepEqual(again.outputIds, answers[2]?.outputIds);
  for (const { text, finishReason, endedByEos } of answers) {
    assert.equal(finishReason, "stop");
    assert.equal(endedByEos, true);
    for (const { kind } of JSON.parse(text)) assert.match(kind, /^[éb]$/);
  }
  assert.ok(answers.some(({ text }) => text.includes("é")));
  const endless = { type: "json-schema", schema: '{"type":"string","minLength":200}' } as const;
  const cut = await s.generate({ ...held, maxTokens: 9, format: endless });
  assert.equal(cut.finishReason, "length");
  assert.match(cut.text, /^"[^"]*$/);
  const stopped = await s.generate({ ...held, seed: 1, stop: ["]"] });
  assert.equal(stopped.finishReason, "stop");
  assert.equal(stopped.endedByEos, false);
  await s.scheduler.close();
});

test("a format that cannot be held to is refused before it waits; one being compiled can be cancelled", async () => {
  const s = await serving({ maxRows: 1 });
  const ask = (schema: object, signal?: AbortSignal) =>
    s.generate(
      { ...long, maxTokens: 9, format: { type: "json-schema", schema: JSON.stringify(schema) } },
      signal === undefined ? {} : { signal },
    );
  await ask({ type: "null" });
  const running = s.generate({ ...long, maxTokens: 200 });
  await assert.rejects(ask({ type: "nope" }), { code: "invalid-request", message: /type "nope"/ });
  assert.equal(s.scheduler.metrics().running, 1, "it was refused only when the other had ended");
  const controller = new AbortController();
  const compiling = ask({ type: "string" }, controller.signal);
  controller.abort();
  const { finishReason, cancelledBy, outputIds } = await compiling;
  assert.deepEqual(
    { finishReason, cancelledBy, outputIds },
    { finishReason: "cancelled", cancelledBy: "signal", outputIds: [] },
  );
  await running;
  const closing = ask({ type: "boolean" });
  await Promise.all([assert.rejects(closing, { code: "closed" }), s.scheduler.close()]);
});
