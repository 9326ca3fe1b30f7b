/** What the golden tests share: the fixtures that `scripts/golden.py` made, and the checks against them. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Adapter,
  argmax,
  createDecoder,
  type Device,
  loadCheckpoint,
  loadPeft,
  moduleNames,
  readSafetensors,
  type Sequence,
} from "./index.ts";

export const fixture = (...path: string[]) => join(import.meta.dirname, "fixtures", ...path);

type Batch = { batch: { ids: number[]; weights: number[] }[] };

/** `expected.json` of a fixture with its batch as sequences, and the arrays beside it by name. */
export function loadExpected<T>(...path: string[]) {
  const expected = JSON.parse(readFileSync(fixture(...path, "expected.json"), "utf8")) as T & Batch;
  const arrays = new Map(
    ["expected.safetensors", "gradients.safetensors"]
      .filter((file) => existsSync(fixture(...path, file)))
      .flatMap((file) => [...readSafetensors(fixture(...path, file))]),
  );
  const array = (key: string): Float32Array => {
    const found = arrays.get(key);
    assert.ok(found, `${path.join("/")}: there is no expected "${key}"`);
    return found.data;
  };
  const sequences: Sequence[] = expected.batch.map(({ ids, weights }) => ({
    ids,
    targets: weights.flatMap((weight, t) => (weight === 0 ? [] : [t])),
  }));
  return { expected, array, sequences };
}

/** Asserts max |actual − expected| ≤ tolerance · max |expected|. */
export function near(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Number.isFinite(actual[i]), `${what}: element ${i} is ${actual[i]}`);
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)));
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  assert.ok(
    difference <= tolerance * largest,
    `${what}: relative error ${difference / largest}, at most ${tolerance}`,
  );
}

/** What PyTorch gives with an adapter, or without: the summed loss and the greedy answer of each sequence. */
export type AdapterFacts = { losses: number[]; greedy: number[][] };

/**
 * Adapters by their base. a: all seven modules. b: rslora on two. c: ranks and scales by pattern, one layer of two. d: rslora with ranks
 * and scales by pattern, modules by regular expression, bf16. e: modules and layers left out, f16. Qwen2's: on modules with biases;
 * Qwen3's: "all-linear".
 */
export const adapters: readonly (readonly [base: string, adapter: string])[] = [
  ...["adapter-a", "adapter-b", "adapter-c", "adapter-d", "adapter-e"].map(
    (adapter) => ["llama-untied", adapter] as const,
  ),
  ["qwen2", "adapter-a"],
  ["qwen3", "adapter-a"],
];

/** What peft gives for an adapter. llama-untied keeps it for its first adapters beside what the base gives; others have a file each. */
export function adapterGolden(base: string, adapter: string) {
  const own = existsSync(fixture(base, adapter, "expected.json"));
  const { expected, array, sequences } = own
    ? loadExpected<AdapterFacts>(base, adapter)
    : loadExpected<Record<string, AdapterFacts>>(base);
  const facts = (own ? expected : (expected as Record<string, AdapterFacts>)[adapter]) as AdapterFacts;
  const logits = (i: number) => array(own ? `logits.${i}` : `${adapter}.logits.${i}`);
  return { facts, logits, sequences };
}

/** One conversation and what PyTorch makes of it: logits `[positions, vocab]`, and the greedy answer of 8 tokens. */
export type GoldenRow = {
  readonly what: string;
  readonly slot: number;
  readonly ids: readonly number[];
  readonly logits: Float32Array;
  readonly greedy: readonly number[];
};

/** All adapters of a base, and every golden conversation without an adapter and under each. */
export function goldenRows(base: string): [adapters: Adapter[], rows: GoldenRow[]] {
  const { config } = loadBase(base);
  const own = adapters.filter(([name]) => name === base).map(([, adapter]) => adapter);
  const rows = ["base", ...own].flatMap((label, slot) => {
    const { facts, logits, sequences } = adapterGolden(base, label);
    return sequences.map(({ ids }, i) => ({
      what: `${label}, sequence ${i}`,
      slot,
      ids,
      logits: logits(i),
      greedy: facts.greedy[i] as number[],
    }));
  });
  return [own.map((adapter) => loadPeft(fixture(base, adapter), config)), rows];
}

/** Runs all rows in one batch, prefilled by 1, 4 or all tokens: logits position by position, then the greedy answers. */
export async function assertDecodes(
  checkpoint: ReturnType<typeof loadCheckpoint>,
  adapters: readonly Adapter[],
  rows: readonly GoldenRow[],
  device: Device = "cpu",
): Promise<void> {
  const vocab = checkpoint.config.vocab;
  for (const prefillLength of [1, 4, Number.POSITIVE_INFINITY]) {
    const decoder = await createDecoder(checkpoint, {
      modules: moduleNames,
      rank: Math.max(1, ...adapters.map(({ config }) => config.rank)),
      maxRows: rows.length,
      maxLength: Math.max(...rows.map(({ ids }) => ids.length)) + 9,
      threads: 1,
      device,
    });
    const packed = [undefined, ...adapters.map(decoder.pack)];
    const answers: number[][] = rows.map(() => []);
    let logits = await decoder.prefill(
      rows.map(({ ids, slot }) => ({ ids: ids.slice(0, prefillLength), adapter: packed[slot] })),
    );
    const at = rows.map(({ ids }) => Math.min(prefillLength, ids.length));
    while (answers.some((answer) => answer.length < 8)) {
      const next = rows.map(({ what, ids, logits: golden }, b) => {
        const own = logits[b] as Float32Array;
        const position = at[b] as number;
        at[b] = position + 1;
        if (position <= ids.length) {
          const place = `${what}, position ${position - 1}, prefilled ${prefillLength}`;
          near(own, golden.subarray((position - 1) * vocab, position * vocab), 1e-4, place);
        }
        if (position < ids.length) return ids[position] as number;
        const token = argmax(own);
        answers[b]?.push(token);
        return token;
      });
      logits = await decoder.decode(next);
    }
    rows.forEach(({ what, greedy }, b) => {
      assert.deepEqual(answers[b]?.slice(0, 8), greedy, what);
    });
  }
}

export const loadBase = (name: string) => loadCheckpoint(fixture(name));
