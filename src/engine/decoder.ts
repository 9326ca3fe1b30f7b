/**
 * Generation state: adapter slots, and a batch of rows that each hold a conversation's KV cache. Rows are contiguous, so a step over
 * n rows reads the first n rows of the cache without a copy; a row that leaves is replaced by the last one.
 */
import type { Weights } from "./checkpoint.ts";
import { type ModelConfig, type ModuleName, moduleShape } from "./config.ts";
import { cacheInput, cacheOutput, decodingGraph, poolInput } from "./decoding-graph.ts";
import { type Adapter, adapterShapes } from "./lora.ts";
import type { Precision } from "./quantize.ts";
import { createSession, type Device, f32, i64, run, type Tensor } from "./runtime.ts";

export type DecoderOptions = {
  modules: readonly ModuleName[];
  /** Largest rank of an adapter that may be loaded. */
  rank: number;
  /** Adapter slots, not counting slot 0, the base model. */
  slots: number;
  /** Conversations decoded at once. */
  maxRows: number;
  /** Longest conversation in tokens, prompt and answer. */
  maxLength: number;
  threads: number;
  /** What linear weights and the output head are held in; left out, float32. Adapters are float32 always. */
  precision?: Precision;
  /** Where steps are computed; the CPU when left out. */
  device?: Device;
};

export type Decoder = Awaited<ReturnType<typeof createDecoder>>;

const bucket = 64;

export async function createDecoder(
  base: { config: ModelConfig; weights: Weights },
  options: DecoderOptions,
) {
  const { config } = base;
  const { modules, rank, maxRows, maxLength, threads, device = "cpu" } = options;
  const { kvHeads: K, headDim: h, layers } = config;
  const groups = config.heads / K;
  const session = await createSession(
    decodingGraph(config, base.weights, modules, maxLength, options.precision, device),
    { threads, device },
  );

  const pools = new Map<string, { data: Float32Array; stride: number; dims: number[] }>();
  for (let layer = 0; layer < layers; layer++)
    for (const name of modules) {
      const [out, inp] = moduleShape(config, name);
      const pool = (dims: [number, number]) => ({
        data: new Float32Array((options.slots + 1) * dims[0] * dims[1]),
        stride: dims[0] * dims[1],
        dims: [options.slots + 1, ...dims],
      });
      pools.set(poolInput(layer, name, "A"), pool([inp, rank]));
      pools.set(poolInput(layer, name, "B"), pool([rank, out]));
    }
  const poolFeeds: Record<string, Tensor> = Object.fromEntries(
    [...pools].map(([name, { data, dims }]) => [name, f32(data, dims)]),
  );

  let capacity = bucket;
  const stride = () => K * capacity * h; // floats of one row in one cache
  const newCaches = () => Array.from({ length: layers * 2 }, () => new Float32Array(maxRows * stride()));
  let caches = newCaches();
  const lengths: number[] = [];
  const slots: number[] = [];

  function grow(needed: number): void {
    if (needed <= capacity) return;
    const old = { caches, capacity };
    capacity = Math.min(Math.ceil(needed / bucket) * bucket, Math.ceil(maxLength / bucket) * bucket);
    caches = newCaches();
    old.caches.forEach((from, i) => {
      for (let line = 0; line < lengths.length * K; line++)
        caches[i]?.set(
          from.subarray(line * old.capacity * h, (line + 1) * old.capacity * h),
          line * capacity * h,
        );
    });
  }

  /** Runs rows [first, first + ids.length) on new tokens; returns their logits, one row each. */
  async function forward(first: number, ids: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const rows = ids.length;
    const S = Math.max(...ids.map((x) => x.length));
    const past = lengths.slice(first, first + rows);
    // ONNX Runtime 1.30 crashes on WebGPU in a product over no positions at all.
    const T = device === "cpu" && Math.max(...past) === 0 ? 0 : capacity;
    const tokens = new BigInt64Array(rows * S);
    const positions = new BigInt64Array(rows * S);
    const bias = new Float32Array(rows * groups * S * (T + S)).fill(-1e30);
    ids.forEach((row, b) => {
      for (let s = 0; s < S; s++) {
        tokens[b * S + s] = BigInt(row[s] ?? 0);
        positions[b * S + s] = BigInt(Math.min((past[b] as number) + s, maxLength - 1));
        for (let g = 0; g < groups; g++) {
          const line = ((b * groups + g) * S + s) * (T + S);
          bias.fill(0, line, line + Math.min(T, past[b] as number));
          bias.fill(0, line + T, line + T + s + 1);
        }
      }
    });
    const feeds: Record<string, Tensor> = {
      input_ids: i64(tokens, [rows, S]),
      position_ids: i64(positions, [rows, S]),
      bias: f32(bias, [rows, 1, groups * S, T + S]),
      split: i64(BigInt64Array.of(BigInt(T), BigInt(S)), [2]),
      last: i64(
        BigInt64Array.from(ids, (row) => BigInt(row.length - 1)),
        [rows, 1],
      ),
      ...poolFeeds,
    };
    if (modules.length > 0)
      feeds.slots = i64(BigInt64Array.from(slots.slice(first, first + rows), BigInt), [rows]);
    const width = K * T * h;
    for (let layer = 0; layer < layers; layer++)
      for (const [i, part] of (["k", "v"] as const).entries()) {
        const cache = caches[layer * 2 + i] as Float32Array;
        feeds[cacheInput(layer, part)] = f32(
          T === 0 ? new Float32Array(0) : cache.subarray(first * width, (first + rows) * width),
          [rows, K, T, h],
        );
      }
    const out = await run(session, feeds);
    for (let layer = 0; layer < layers; layer++)
      for (const [i, part] of (["k", "v"] as const).entries()) {
        const cache = caches[layer * 2 + i] as Float32Array;
        const fresh = out[cacheOutput(layer, part)] as Float32Array;
        for (let b = 0; b < rows; b++)
          for (let head = 0; head < K; head++) {
            const from = (b * K + head) * S * h;
            cache.set(
              fresh.subarray(from, from + (ids[b] as readonly number[]).length * h),
              (first + b) * stride() + (head * capacity + (past[b] as number)) * h,
            );
          }
      }
    ids.forEach((row, b) => {
      lengths[first + b] = (past[b] as number) + row.length;
    });
    const logits = out.logits as Float32Array;
    return ids.map((_, b) => logits.subarray(b * config.vocab, (b + 1) * config.vocab));
  }

  return {
    /** Rows in the batch now. */
    get rows() {
      return lengths.length;
    },
    /** Puts an adapter into a slot (1 … slots), or empties it. */
    setSlot(slot: number, adapter: Adapter | undefined): void {
      if (!Number.isInteger(slot) || slot < 1 || slot > options.slots)
        throw new RangeError(
          `Slot ${slot} does not exist: there are slots 1 to ${options.slots}; slot 0 is the base model.`,
        );
      for (const { data, stride: size } of pools.values()) data.fill(0, slot * size, (slot + 1) * size);
      if (adapter === undefined) return;
      const { rank: own, scale } = adapter.config;
      if (own > rank) throw new RangeError(`An adapter of rank ${own} does not fit slots of rank ${rank}.`);
      const extra = adapter.config.modules.filter((m) => !modules.includes(m));
      if (extra.length > 0)
        throw new RangeError(
          `The adapter changes ${extra.join(", ")}; these slots hold ${modules.join(", ")}.`,
        );
      for (const { name, part, shape } of adapterShapes(config, adapter.config)) {
        const from = adapter.tensors.get(name)?.data as Float32Array;
        const key = name.replace(/\.lora_([AB])$/, ".pool_$1");
        const { data, stride: size } = pools.get(key) as { data: Float32Array; stride: number };
        const at = slot * size;
        const [first, second] = shape;
        // A [r, in] → [in, rank]; B [out, r] → scale · [rank, out].
        for (let i = 0; i < first; i++)
          for (let j = 0; j < second; j++) {
            const value = from[i * second + j] as number;
            if (part === "A") data[at + j * rank + i] = value;
            else data[at + j * first + i] = value * scale;
          }
      }
    },
    /** Adds rows for new conversations; returns each one's logits after its prompt. */
    async prefill(prompts: readonly { ids: readonly number[]; slot: number }[]): Promise<Float32Array[]> {
      const first = lengths.length;
      if (first + prompts.length > maxRows)
        throw new RangeError(`${first + prompts.length} rows asked for, ${maxRows} at most.`);
      for (const { ids, slot } of prompts) {
        if (ids.length === 0) throw new RangeError("A prompt needs at least one token.");
        if (ids.length >= maxLength)
          throw new RangeError(
            `A prompt of ${ids.length} tokens leaves no room for an answer: the limit is ${maxLength} in all.`,
          );
        lengths.push(0);
        slots.push(slot);
      }
      grow(Math.max(...prompts.map((p) => p.ids.length)));
      return forward(
        first,
        prompts.map((p) => p.ids),
      );
    },
    /** Advances every row by one token; returns each one's logits. */
    async decode(tokens: readonly number[]): Promise<Float32Array[]> {
      if (tokens.length !== lengths.length)
        throw new RangeError(`${tokens.length} tokens for ${lengths.length} rows.`);
      const longest = Math.max(...lengths) + 1;
      if (longest > maxLength)
        throw new RangeError(`A row would grow to ${longest} tokens: the limit is ${maxLength}.`);
      grow(longest);
      return forward(
        0,
        tokens.map((token) => [token]),
      );
    },
    /** Takes a row out. The last row moves to its number. */
    remove(row: number): void {
      const last = lengths.length - 1;
      if (row < 0 || row > last) throw new RangeError(`There is no row ${row} of ${lengths.length}.`);
      if (row !== last) {
        for (const cache of caches) cache.copyWithin(row * stride(), last * stride(), (last + 1) * stride());
        lengths[row] = lengths[last] as number;
        slots[row] = slots[last] as number;
      }
      // What a row leaves is masked for the next one, but 0 × NaN is NaN: values that overflowed would live on in other answers.
      const used = (lengths.pop() as number) * h;
      for (const cache of caches)
        for (let head = 0; head < K; head++) {
          const start = last * stride() + head * capacity * h;
          cache.fill(0, start, start + used);
        }
      slots.pop();
    },
  };
}
