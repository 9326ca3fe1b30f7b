/**
 * Generation state: a batch of rows that each hold a conversation's keys and values and the adapter it runs under. A step runs any
 * consecutive rows; rows keep their numbers until {@link Decoder.swap} or {@link Decoder.remove} moves them.
 */
import { type AdapterLayout, createAdapterRows, type PackedAdapter, packAdapter } from "./adapter-rows.ts";
import type { Weights } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { cacheInput, cacheOutput, decodingGraph, nextCacheOutput } from "./decoding-graph.ts";
import { createDeviceMemory } from "./device-memory.ts";
import { createKvCache } from "./kv-cache.ts";
import type { Adapter } from "./lora.ts";
import type { Precision } from "./quantize.ts";
import { createSession, type Device, f32, i64, runKeeping, type Tensor } from "./runtime.ts";

export type DecoderOptions = AdapterLayout & {
  /** Conversations decoded at once. */
  readonly maxRows: number;
  /** Longest conversation in tokens, prompt and answer. */
  readonly maxLength: number;
  readonly threads: number;
  /** What linear weights and the output head are held in; left out, float32. Adapters are float32 always. */
  readonly precision?: Precision | undefined;
  /** Where steps are computed; the CPU when left out. */
  readonly device?: Device | undefined;
  /**
   * Every run has the same shapes: all rows, the whole context, prompts alone in pieces of `prefillChunk` tokens. Kernels choose their
   * order of sums by shape, so only then is a row's answer the same to the last bit whatever runs beside it.
   */
  readonly deterministic?: { readonly prefillChunk: number } | undefined;
};

export type Decoder = Awaited<ReturnType<typeof createDecoder>>;

export async function createDecoder(
  base: { config: ModelConfig; weights: Weights },
  options: DecoderOptions,
) {
  const { config } = base;
  const { modules, maxRows, maxLength, deterministic, precision, device = "cpu" } = options;
  const { kvHeads: K, headDim: h, layers, vocab } = config;
  const groups = config.heads / K;
  const parts = Array.from({ length: layers }, (_, layer) =>
    (["k", "v"] as const).map((part) => ({
      past: cacheInput(layer, part),
      fresh: cacheOutput(layer, part),
      next: nextCacheOutput(layer, part),
    })),
  ).flat();
  // A run may not have more positions than the graph, padding included.
  const positions = Math.max(maxLength, deterministic?.prefillChunk ?? 1);
  const session = await createSession(
    decodingGraph(config, base.weights, { modules, positions, precision, device }),
    { threads: options.threads, device, keep: device === "cpu" ? [] : parts.map(({ next }) => next) },
  );
  const adapters = createAdapterRows(config, options, maxRows);
  const cache = createKvCache(config, maxRows, maxLength, deterministic !== undefined);
  const deviceAdapters = createDeviceMemory(device);
  const deviceCaches = createDeviceMemory(device);

  /**
   * Runs new tokens through rows [first, first + tokens.length).
   *
   * @param shape rows and positions of the run, at least what the tokens need; more is padding whose results are dropped
   * @returns the logits after each row's last token
   */
  async function runRows(
    first: number,
    tokens: readonly (readonly number[])[],
    shape: { rows: number; positions: number },
  ): Promise<Float32Array[]> {
    const { rows: B, positions: S } = shape;
    const past = Array.from({ length: B }, (_, b) =>
      b < tokens.length ? (cache.lengths[first + b] as number) : 0,
    );
    cache.reserve(Math.max(...tokens.map((row, b) => (past[b] as number) + row.length)));
    // ONNX Runtime 1.30 crashes on WebGPU in a product over no positions at all.
    const mayBeEmpty = deterministic === undefined && device === "cpu";
    const T = mayBeEmpty && Math.max(...past) === 0 ? 0 : cache.capacity;
    const ids = new BigInt64Array(B * S);
    const positions = new BigInt64Array(B * S);
    const bias = new Float32Array(B * groups * S * (T + S)).fill(-1e30);
    for (let b = 0; b < B; b++)
      for (let s = 0; s < S; s++) {
        ids[b * S + s] = BigInt(tokens[b]?.[s] ?? 0);
        positions[b * S + s] = BigInt(Math.min((past[b] as number) + s, maxLength - 1));
        for (let g = 0; g < groups; g++) {
          const line = ((b * groups + g) * S + s) * (T + S);
          bias.fill(0, line, line + (past[b] as number));
          bias.fill(0, line + T, line + T + s + 1);
        }
      }
    const feeds: Record<string, Tensor> = {
      input_ids: i64(ids, [B, S]),
      position_ids: i64(positions, [B, S]),
      bias: f32(bias, [B, 1, groups * S, T + S]),
      split: i64(BigInt64Array.of(BigInt(T), BigInt(S)), [2]),
      last: i64(
        BigInt64Array.from({ length: B }, (_, b) => BigInt((tokens[b]?.length ?? 1) - 1)),
        [B, 1],
      ),
    };
    const rows = `${first}+${B}`;
    Object.assign(
      feeds,
      await deviceAdapters.get(rows, adapters.tag(first, B), () => adapters.feeds(first, B)),
      await deviceCaches.get(rows, cache.tag(first, B), () =>
        Object.fromEntries(
          parts.map(({ past }, i) => [
            past,
            f32(T === 0 ? new Float32Array(0) : cache.view(i, first, B), [B, K, T, h]),
          ]),
        ),
      ),
    );
    if (device === "webgpu") {
      const place = new Float32Array(B * T * S);
      for (const [b, row] of tokens.entries())
        for (let s = 0; s < row.length; s++) place[(b * T + (past[b] as number) + s) * S + s] = 1;
      feeds.place = f32(place, [B, 1, T, S]);
    }
    const { data: out, kept } = await runKeeping(session, feeds);
    for (const [b, row] of tokens.entries()) {
      for (const [i, { fresh }] of parts.entries()) {
        const [from, offset] = device === "cpu" ? [out[fresh], b] : [out.new, i * B + b];
        cache.append(i, first + b, from as Float32Array, offset * K * S * h, S, row.length);
      }
      cache.advance(first + b, row.length);
    }
    if (device === "webgpu")
      deviceCaches.keep(
        rows,
        cache.tag(first, B),
        Object.fromEntries(parts.map(({ past, next }) => [past, kept[next] as Tensor])),
      );
    const logits = out.logits as Float32Array;
    return tokens.map((_, b) => logits.subarray(b * vocab, (b + 1) * vocab));
  }

  function requireRoom(first: number, tokens: readonly (readonly number[])[]): void {
    if (first < 0 || first + tokens.length > cache.lengths.length)
      throw new RangeError(
        `Rows ${first} to ${first + tokens.length - 1} of ${cache.lengths.length} were asked for.`,
      );
    for (const [b, row] of tokens.entries()) {
      const length = (cache.lengths[first + b] as number) + row.length;
      if (row.length === 0) throw new RangeError("A row needs at least one token.");
      if (length > maxLength)
        throw new RangeError(`A row would grow to ${length} tokens: the limit is ${maxLength}.`);
    }
  }

  const decoder = {
    /** Open rows. */
    get rows() {
      return cache.lengths.length;
    },
    /** Tokens a row has taken in. */
    length: (row: number): number => cache.lengths[row] as number,
    /** Lays an adapter out as rows hold it. @throws RangeError when it does not fit */
    pack: (adapter: Adapter): PackedAdapter => packAdapter(config, options, adapter),
    /** Opens an empty row at the end, under an adapter or the base model. @returns its number */
    open(adapter?: PackedAdapter): number {
      const row = cache.lengths.length;
      if (row >= maxRows) throw new RangeError(`${row + 1} rows asked for, ${maxRows} at most.`);
      cache.open();
      adapters.set(row, adapter);
      return row;
    },
    /**
     * Gives rows [first, first + tokens.length) a piece of their prompts, at least a token each; returns each one's logits after its last.
     * Where runs are deterministic, pieces must end at multiples of the chunk or at the prompt's end.
     *
     * @throws RangeError when a row would grow beyond `maxLength`
     */
    async feed(first: number, tokens: readonly (readonly number[])[]): Promise<Float32Array[]> {
      requireRoom(first, tokens);
      if (deterministic === undefined)
        return runRows(first, tokens, {
          rows: tokens.length,
          positions: Math.max(...tokens.map((row) => row.length)),
        });
      const logits: Float32Array[] = [];
      for (const [b, row] of tokens.entries()) logits.push(await feedAlone(first + b, row));
      return logits;
    },
    /** Gives rows [0, tokens.length) one token each; returns their logits. @throws RangeError as {@link Decoder.feed} */
    async decode(tokens: readonly number[]): Promise<Float32Array[]> {
      const each = tokens.map((token) => [token]);
      requireRoom(0, each);
      return runRows(0, each, { rows: deterministic === undefined ? tokens.length : maxRows, positions: 1 });
    },
    /** A copy of the keys and values of positions [from, to) of a row. */
    readCache: (row: number, from: number, to: number): Float32Array => cache.read(row, from, to),
    /** Appends blocks of `positions` that {@link Decoder.readCache} returned, under the same adapter and after the same tokens. */
    writeCache: (row: number, blocks: readonly Float32Array[], positions: number): void =>
      cache.write(row, blocks, positions),
    /** Exchanges two rows. */
    swap(a: number, b: number): void {
      if (a === b) return;
      cache.swap(a, b);
      adapters.swap(a, b);
    },
    /** Takes a row out. The last row moves to its number. */
    remove(row: number): void {
      const last = cache.lengths.length - 1;
      if (row < 0 || row > last) throw new RangeError(`There is no row ${row} of ${last + 1}.`);
      cache.copy(last, row);
      adapters.copy(last, row);
      cache.close();
    },
    /** Opens rows and gives each its whole prompt; returns their logits. */
    prefill(prompts: readonly { ids: readonly number[]; adapter?: PackedAdapter | undefined }[]) {
      const first = cache.lengths.length;
      for (const { adapter } of prompts) decoder.open(adapter);
      return decoder.feed(
        first,
        prompts.map(({ ids }) => ids),
      );
    },
  };

  /** A row's tokens in runs that end at multiples of the chunk, each padded to a whole one. */
  async function feedAlone(row: number, tokens: readonly number[]): Promise<Float32Array> {
    const { prefillChunk } = deterministic as { prefillChunk: number };
    let logits: Float32Array | undefined;
    for (let at = 0; at < tokens.length; ) {
      const room = prefillChunk - (decoder.length(row) % prefillChunk);
      const part = tokens.slice(at, at + room);
      [logits] = await runRows(row, [part], { rows: 1, positions: prefillChunk });
      at += part.length;
    }
    return logits as Float32Array;
  }

  return decoder;
}
