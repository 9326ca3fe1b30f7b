import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, describe, test } from "node:test";
import type { Digest } from "../protocol/index.ts";
import type { AdapterFiles } from "./adapters.ts";
import { randomAdapter, tinyBaseName, writeTinyBase } from "./fixtures/tiny-base.ts";
import {
  answerLimit,
  baseDigestOf,
  createOpenLora,
  type Format,
  type GenerateInput,
  type LoadAdapter,
  type OpenLora,
  OpenLoraError,
  type OpenLoraOptions,
  OverloadedError,
  type Piece,
} from "./index.ts";

/** Options that every adapter of the port has. */
export type SuiteOptions = Pick<
  OpenLoraOptions,
  "maxRows" | "rank" | "maxQueue" | "maxQueuePerTenant" | "contextTokens" | "adapterLoadTimeoutMs"
>;

/** Opens the engine under test over the base in `folder`, named `tinyBaseName`. */
export type OpenEngine = (given: {
  folder: string;
  loadAdapter: LoadAdapter;
  options: SuiteOptions;
}) => Promise<OpenLora>;

export const greedy = { prompt: { prompt: "the river" }, maxTokens: 24, temperature: 0 } as const;

const made = [1, 2, 3].map((seed) => randomAdapter(seed));
/** Adapters over the suite's base, and their files. */
export const [first, second, third] = made as [(typeof made)[0], (typeof made)[0], (typeof made)[0]];
export const filesOf = new Map<Digest, AdapterFiles>(made.map(({ digest, files }) => [digest, files]));

const calls = {
  type: "structural_tag",
  format: {
    type: "tag",
    begin: "<call>",
    content: {
      type: "json_schema",
      json_schema: { type: "object", properties: {}, additionalProperties: false },
    },
    end: "</call>",
  },
};
/** Formats that the suite asks for. */
export const suiteFormats: readonly Format[] = [
  { type: "json-schema", schema: JSON.stringify({ enum: ["river", "mill", 7] }) },
  { type: "structural-tag", tag: JSON.stringify(calls) },
];

/** Reads the suite's adapters, and notes which. */
export function adapterShelf() {
  const loads: Digest[] = [];
  const loadAdapter: LoadAdapter = async (digest) => {
    loads.push(digest);
    const files = filesOf.get(digest);
    if (files === undefined) throw new Error("no such blob");
    return files;
  };
  return { loads, loadAdapter };
}

/** What every engine behind the port must do. */
export function engineSuite(name: string, openEngine: OpenEngine): void {
  describe(`engine: ${name}`, () => {
    const folder = writeTinyBase();
    after(() => rmSync(folder, { recursive: true }));

    async function open(given: { loadAdapter?: LoadAdapter; options?: SuiteOptions } = {}) {
      const { loads, loadAdapter } = adapterShelf();
      const options = { maxRows: 2, rank: 4, ...given.options };
      const openLora = await openEngine({ folder, loadAdapter, ...given, options });
      return { openLora, loads };
    }

    test("answers stream, each under its adapter, which is read once", async () => {
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
      assert.ok(pieces.every(({ ids }) => ids.length <= 1));
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
      assert.equal(scheduler.promptTokensTotal, 5 * base.promptIds.length);
      assert.equal(adapters.loadsTotal, 2);
      assert.equal(adapters.leased, 0);
    });

    test("it says what the reference engine says, greedy and drawn, whole and stopped", async () => {
      const { openLora } = await open({ options: { maxRows: 1 } });
      const reference = await createOpenLora({
        baseFolder: folder,
        baseName: tinyBaseName,
        loadAdapter: adapterShelf().loadAdapter,
        options: { threads: 1, rank: 8, maxRows: 1 },
      });
      await using _ = openLora;
      await using __ = reference;
      const prompts = [
        { prompt: "the river" },
        { prompt: "日本語の" },
        { messages: [{ role: "user", content: "naïve café?" }] },
        { ids: [1, 2, 3, 4, 5, 6, 7, 8] },
      ];
      const requests: GenerateInput[] = prompts.flatMap((prompt) => [
        { prompt, maxTokens: 40, temperature: 0, seed: 1 },
        { prompt, maxTokens: 40, temperature: 0, seed: 1, adapter: first.digest },
        { prompt, maxTokens: 40, temperature: 1.3, topP: 0.95, seed: 11, adapter: second.digest },
        { prompt, maxTokens: 40, temperature: 1.3, seed: 12, stop: ["e", "の", "\n"] },
        { prompt, maxTokens: 20, temperature: 1.5, seed: 13, topK: 9, minP: 0.01, logprobs: 5 },
        { prompt, maxTokens: 20, temperature: 0, seed: 14, logprobs: 0, logitBias: { "7": 1.5 } },
        {
          prompt,
          maxTokens: 20,
          temperature: 0,
          seed: 15,
          frequencyPenalty: 1,
          presencePenalty: 0.5,
          repetitionPenalty: 1.3,
        },
      ]);
      for (const request of requests) {
        const { seconds, waitedSeconds, ...expected } = await reference.generate(request);
        const { seconds: s, waitedSeconds: w, ...actual } = await openLora.generate(request);
        assert.deepEqual(actual, expected);
        assert.ok(s >= w && w >= 0);
      }
    });

    test("an answer is held to its format, and a format that cannot be held to is refused by name", async () => {
      const { openLora } = await open();
      await using _ = openLora;
      const [choice, call] = suiteFormats;
      for (const seed of [1, 2, 3]) {
        const drawn = { ...greedy, temperature: 2, seed };
        const chosen = await openLora.generate({ ...drawn, format: choice });
        assert.equal(chosen.endedByEos, true);
        assert.ok(["river", "mill", 7].includes(JSON.parse(chosen.text)), chosen.text);
        const called = await openLora.generate({ ...drawn, format: call });
        assert.match(called.text, /^<call>\{\s?\}<\/call>$/);
      }
      const refusals = [
        [{ type: "json-schema", schema: "{" }, /not JSON/],
        [{ type: "json-schema", schema: '{"type":"nonsense"}' }, /nonsense/],
        [{ type: "structural-tag", tag: '{"type":"other"}' }, /structural tag/],
      ] as const;
      for (const [format, message] of refusals)
        await assert.rejects(openLora.generate({ ...greedy, format }), { code: "invalid-request", message });
    });

    test("an answer ends before a stop string, whose tokens are counted", async () => {
      const { openLora } = await open();
      await using _ = openLora;
      const whole = await openLora.generate(greedy);
      assert.equal(whole.finishReason, "length");
      assert.equal(whole.outputIds.length, greedy.maxTokens);
      const middle = whole.text.slice(3, 5);
      const cut = await openLora.generate({ ...greedy, stop: [middle] });
      assert.equal(cut.finishReason, "stop");
      assert.equal(cut.endedByEos, false);
      assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(middle)));
      assert.deepEqual(cut.outputIds, whole.outputIds.slice(0, cut.outputIds.length));
      assert.ok(cut.outputIds.length < whole.outputIds.length);
      const pieces: string[] = [];
      const held = await openLora.generate({ ...greedy, stop: [`${whole.text}!`] }, ({ text }) => {
        pieces.push(text);
      });
      assert.equal(held.text, whole.text);
      assert.equal(pieces.join(""), whole.text);
    });

    test("the end of text ends an answer and is not among its tokens", async () => {
      const { openLora } = await open();
      await using _ = openLora;
      const { eosId } = openLora.info();
      for (let seed = 0; ; seed++) {
        assert.ok(seed < 200, "no seed ends by the end of text");
        const answer = await openLora.generate({ ...greedy, temperature: 2, maxTokens: 64, seed });
        if (answer.finishReason === "length") continue;
        assert.equal(answer.finishReason, "stop");
        assert.equal(answer.endedByEos, true);
        assert.ok(!answer.outputIds.includes(eosId));
        break;
      }
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
        [{ ...greedy, logprobs: true as unknown as number }, /logprobs/],
      ] as const;
      for (const [request, message] of refusals)
        await assert.rejects(openLora.generate(request), (error: unknown) => {
          assert.ok(error instanceof OpenLoraError);
          assert.equal(error.code, "invalid-request");
          assert.match(error.message, message);
          return true;
        });
    });

    test("an adapter that is damaged, unknown, too large or late is named, and others are served", async () => {
      const wide = randomAdapter(9, { rank: 8 });
      const { openLora } = await open({
        options: { adapterLoadTimeoutMs: 200 },
        async loadAdapter(digest) {
          if (digest === first.digest) return second.files;
          if (digest === second.digest) return second.files;
          if (digest === wide.digest) return wide.files;
          if (digest === third.digest) return new Promise<never>(() => {});
          throw new Error("no such blob");
        },
      });
      await using _ = openLora;
      const unknown: Digest = `0x${"ab".repeat(32)}`;
      const refusals = [
        [first.digest, "adapter-refused", /tensors have the digest/],
        [unknown, "adapter-unavailable", /no such blob/],
        [wide.digest, "adapter-refused", /rank 8/],
        [third.digest, "adapter-unavailable", /200 ms/],
      ] as const;
      for (const [adapter, code, message] of refusals)
        await assert.rejects(openLora.generate({ ...greedy, adapter }), (error: unknown) => {
          assert.ok(error instanceof OpenLoraError);
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.equal(error.details.adapter, adapter);
          return true;
        });
      const answer = await openLora.generate({ ...greedy, adapter: second.digest });
      assert.equal(answer.outputIds.length, greedy.maxTokens);
      assert.equal((await openLora.metrics()).adapters.leased, 0);
    });

    test("an adapter that many ask for at once is read once, and more than there are rows take turns", async () => {
      const { openLora, loads } = await open({ options: { maxRows: 2 } });
      await using _ = openLora;
      const adapters = [first, second, third, first, second, third].map(({ digest }) => digest);
      const answers = await Promise.all(
        adapters.map((adapter) => openLora.generate({ ...greedy, maxTokens: 6, adapter })),
      );
      for (const i of [0, 1, 2]) assert.deepEqual(answers[i]?.outputIds, answers[i + 3]?.outputIds);
      assert.deepEqual(new Set(loads), new Set(adapters));
      assert.equal(loads.length, 3);
    });

    test("a full queue refuses and says when to come back", async () => {
      const { openLora } = await open({ options: { maxRows: 1, maxQueue: 1 } });
      await using _ = openLora;
      const crowd = await Promise.allSettled([1, 2, 3].map(() => openLora.generate(greedy)));
      const refused = crowd.filter((outcome) => outcome.status === "rejected");
      assert.equal(refused.length, 1);
      assert.ok(refused[0]?.reason instanceof OverloadedError);
      assert.ok(refused[0].reason.retryAfterMs >= 100);
      assert.equal((await openLora.metrics()).scheduler.refusedTotal.overloaded, 1);
    });

    test("tenants take turns", async () => {
      const { openLora } = await open({ options: { maxRows: 1, maxQueuePerTenant: 3 } });
      await using _ = openLora;
      const order: string[] = [];
      const ask = async (tenant: string) => {
        await openLora.generate({ ...greedy, maxTokens: 4, tenant });
        order.push(tenant);
      };
      const crowd = ["a", "a", "a", "a", "b"].map(ask);
      await assert.rejects(ask("a"), { code: "overloaded", message: /your requests/ });
      await Promise.all(crowd);
      assert.ok(order.indexOf("b") < 3, `b waited for all of a: ${order}`);
    });

    test("a pinned adapter is read ahead of its first use and stays", async () => {
      const { openLora, loads } = await open();
      await using _ = openLora;
      await openLora.pin(first.digest);
      await openLora.pin(first.digest);
      assert.deepEqual(loads, [first.digest]);
      for (const { digest } of [second, third, first])
        await openLora.generate({ ...greedy, maxTokens: 2, adapter: digest });
      assert.deepEqual(loads, [first.digest, second.digest, third.digest]);
      const before = (await openLora.metrics()).adapters;
      assert.equal(before.pinned, 1);
      await openLora.unpin(first.digest);
      assert.equal((await openLora.metrics()).adapters.pinned, 0);
      const unknown: Digest = `0x${"ab".repeat(32)}`;
      await assert.rejects(openLora.pin(unknown), { code: "adapter-unavailable" });
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
      assert.equal(answer.cancelledBy, "signal");
      assert.ok(answer.outputIds.length > 0 && answer.outputIds.length < 240);
      const aborted = await openLora.generate({ ...greedy, signal: AbortSignal.abort() });
      assert.deepEqual(aborted.outputIds, []);
      assert.equal((await openLora.metrics()).scheduler.running, 0);
    });

    test("a deadline ends what runs and what waits", async () => {
      const { openLora } = await open({ options: { maxRows: 1 } });
      await using _ = openLora;
      const late = await openLora.generate({ ...greedy, deadlineAtMs: Date.now() - 1 });
      assert.deepEqual([late.finishReason, late.cancelledBy, late.outputIds], ["cancelled", "deadline", []]);
      const controller = new AbortController();
      let begun = () => {};
      const begins = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const long = openLora.generate({ ...greedy, maxTokens: 250, signal: controller.signal }, () => begun());
      await begins;
      const waiting = await openLora.generate({ ...greedy, deadlineAtMs: Date.now() + 5 });
      assert.equal(waiting.cancelledBy, "deadline");
      controller.abort();
      await long;
      const { scheduler } = await openLora.metrics();
      assert.deepEqual([scheduler.running, scheduler.waiting], [0, 0]);
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
      const { loadAdapter } = adapterShelf();
      const options = { maxRows: 2, rank: 4 };
      await assert.rejects(openEngine({ folder: "/nowhere", loadAdapter, options }), {
        message: /There is no model in \/nowhere/,
      });
      await assert.rejects(open({ options: { contextTokens: 4_096 } }), {
        message: /this model has 256 positions/,
      });
      await assert.rejects(open({ options: { maxRows: 0 } }), {
        code: "invalid-request",
        message: /maxRows/,
      });
    });
  });
}
