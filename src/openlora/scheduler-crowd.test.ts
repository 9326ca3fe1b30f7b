/** Whatever arrives, leaves and fails beside it: an answer is the one its prompt gets alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { createDecoder, moduleNames } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import { parseAdapter } from "./adapters.ts";
import { adapter, base, filesOf, named, overflowing, serving } from "./fixtures/scheduling.ts";

const missing: Digest = `0x${"ab".repeat(32)}`;
const contextMax = 150;

/** Texts that begin alike for a while, or are the same from the start on. */
const promptOf = (text: number, length: number) =>
  Array.from({ length }, (_, i) => 1 + (((i < 70 ? text >> 1 : text) * 31 + i * 7) % 250));

type Token = { readonly id: number /** How far the second best was. */; readonly gap: number };

const decoder = await createDecoder(base, {
  modules: moduleNames,
  rank: 4,
  maxRows: 1,
  maxLength: contextMax,
  threads: 1,
});
const answers = new Map<string, Token[]>();

/** What a prompt is answered, token by token, alone in a decoder of its own. */
async function alone(ids: readonly number[], digest: Digest | undefined, count: number): Promise<Token[]> {
  const key = `${digest}:${ids}`;
  const known = answers.get(key);
  if (known !== undefined && known.length >= count) return known;
  const files = digest && filesOf.get(digest);
  const packed = files && decoder.pack(parseAdapter(digest, files, named));
  const tokens: Token[] = [];
  for (let last: number | undefined; tokens.length < count; ) {
    const [logits] =
      last === undefined ? await decoder.prefill([{ ids, adapter: packed }]) : await decoder.decode([last]);
    const best = [...(logits as Float32Array).keys()].sort(
      (a, b) => (logits?.[b] as number) - (logits?.[a] as number) || a - b,
    );
    const [first, second] = best as [number, number];
    tokens.push({ id: first, gap: (logits?.[first] as number) - (logits?.[second] as number) });
    last = first;
  }
  decoder.remove(0);
  answers.set(key, tokens);
  return tokens;
}

/** Up to where two tokens are as likely as each other but for rounding. */
function assertBegins(actual: readonly number[], expected: readonly Token[], what: string) {
  for (const [i, id] of actual.entries()) {
    if (expected[i]?.id === id) continue;
    if ((expected[i]?.gap as number) < 1e-3) return;
    assert.fail(`${what}: token ${i} of ${actual.length} is ${id}, alone it is ${expected[i]?.id}`);
  }
}

const request = fc.record({
  text: fc.nat(3),
  length: fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom(31, 32, 33, 63, 64, 65, 96, 127, 128, 129),
  ),
  adapter: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(undefined, 0, 1, 2) },
    { weight: 1, arbitrary: fc.constantFrom("overflowing" as const, "missing" as const) },
  ),
  maxTokens: fc.integer({ min: 1, max: 40 }),
  tenant: fc.constantFrom("a", "b"),
  /** In turns of the thread. */
  arrivesAt: fc.nat(120),
  cancelledAt: fc.oneof(fc.constant(undefined), fc.nat(250)),
});
const crowd = fc.record({
  maxRows: fc.constantFrom(1, 2, 3, 5, 5),
  contextTokens: fc.constantFrom(33, 64, 65, 97, 129, contextMax),
  prefillTokensPerStep: fc.constantFrom(1, 3, 7, 16, 40, 200),
  prefixBlocks: fc.constantFrom(0, 1, 3, 1_000),
  adapters: fc.nat(3),
  deterministic: fc.boolean(),
  requests: fc.array(request, { size: "max", minLength: 5, maxLength: 16 }),
});

type Asked = typeof crowd extends fc.Arbitrary<{ requests: (infer A)[] }> ? A : never;

const digestOf = ({ adapter: asked }: Asked): Digest | undefined => {
  if (asked === undefined) return undefined;
  return asked === "overflowing" ? overflowing.digest : asked === "missing" ? missing : adapter(asked);
};

const requestOf = (asked: Asked, contextTokens: number) => ({
  prompt: { ids: promptOf(asked.text, Math.min(asked.length, contextTokens - 1)) },
  maxTokens: asked.maxTokens,
  tenant: asked.tenant,
  temperature: 0,
  adapter: digestOf(asked),
});

const blockBytes = 2 * 2 * 2 * 8 * 4 * 32;
const adapterBytes = 2 * 4 * (64 + 48 + 48 + 64 + 80 + 80 + 80) * 4;

test("every answer is its prompt's own, whatever comes, goes and fails beside it", async () => {
  await fc.assert(
    fc.asyncProperty(crowd, async ({ requests, prefixBlocks, adapters, ...options }) => {
      const { contextTokens } = options;
      const s = await serving(
        {
          ...options,
          prefixCacheBytes: prefixBlocks * blockBytes,
          adapterMemoryBytes: adapters * adapterBytes,
        },
        {},
        async () => {
          for (let i = 0; i < 4; i++) await nextTurn();
        },
      );
      const ask = async (asked: Asked) => {
        for (let turn = 0; turn < asked.arrivesAt; turn++) await nextTurn();
        const controller = new AbortController();
        const answer = s.generate(requestOf(asked, contextTokens), { signal: controller.signal });
        const cancelling = (async () => {
          for (let turn = 0; turn < (asked.cancelledAt ?? 0); turn++) await nextTurn();
          if (asked.cancelledAt !== undefined) controller.abort();
        })();
        const [outcome] = await Promise.allSettled([answer, cancelling]);
        return outcome;
      };
      const outcomes = await Promise.all(requests.map(ask));
      for (const [i, outcome] of outcomes.entries()) {
        const asked = requests[i] as Asked;
        const cancelled = outcome.status === "fulfilled" && outcome.value.finishReason === "cancelled";
        if (cancelled) assert.ok(asked.cancelledAt !== undefined);
        if (typeof asked.adapter === "string") {
          const code = asked.adapter === "missing" ? "adapter-unavailable" : "engine-failed";
          assert.ok(cancelled || (outcome.status === "rejected" && outcome.reason.code === code));
          continue;
        }
        if (outcome.status === "rejected") throw outcome.reason;
        const { outputIds, endedByEos, promptIds, maxTokens } = outcome.value;
        if (!cancelled && !endedByEos) assert.equal(outputIds.length, maxTokens);
        assertBegins(outputIds, await alone(promptIds, digestOf(asked), maxTokens), `request ${i}`);
      }
      for (let i = 0; i < 12; i++) await nextTurn();
      const { running, waiting, loading, prefixBytes } = s.scheduler.metrics();
      assert.deepEqual(
        { running, waiting, loading, rows: s.rows() },
        { running: 0, waiting: 0, loading: 0, rows: 0 },
      );
      assert.equal(s.adapters.metrics().leased, 0);
      assert.ok(s.adapters.metrics().memoryAdapters <= adapters);
      assert.ok(prefixBytes <= prefixBlocks * blockBytes);
    }),
    { numRuns: 60 },
  );
});
