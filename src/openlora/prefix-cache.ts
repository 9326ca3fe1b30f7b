/**
 * Keys and values of prompts' beginnings, kept for the next prompt that begins alike under the same adapter: a system prompt is read once.
 *
 * A prompt is cut into blocks of equal length; a block is known by the block before it and its own tokens, compared whole, so that no
 * other prompt can be mistaken for it.
 */

export type PrefixCacheMetrics = {
  prefixBytes: number;
  prefixBytesMax: number;
  /** Prompt tokens that did not have to be computed. */
  prefixTokensTotal: number;
};

export type PrefixCache = {
  readonly blockTokens: number;
  /** Blocks of the longest cached beginning that leaves at least one token to compute. */
  find(model: string, ids: readonly number[]): readonly Float32Array[];
  /** Keeps whole blocks of a prompt from its beginning, as many as there is room for; `read` copies positions [from, to) of it. */
  keep(model: string, ids: readonly number[], read: (from: number, to: number) => Float32Array): void;
  metrics(): PrefixCacheMetrics;
};

type Block = { readonly number: number; readonly data: Float32Array };

/** @param bytes most bytes kept; 0 keeps nothing */
export function createPrefixCache({
  bytes,
  blockTokens,
}: {
  bytes: number;
  blockTokens: number;
}): PrefixCache {
  /** By {@link keyOf}, the least recently used first. */
  const blocks = new Map<string, Block>();
  let next = 1;
  let kept = 0;
  let prefixTokensTotal = 0;

  const keyOf = (before: string, ids: readonly number[], i: number) =>
    `${before}:${ids.slice(i * blockTokens, (i + 1) * blockTokens).join()}`;

  /** Marks a chain as used, its beginning last: what stands behind an evicted block could not be found. */
  function touch(keys: readonly string[]): void {
    for (const key of keys.toReversed()) {
      const block = blocks.get(key) as Block;
      blocks.delete(key);
      blocks.set(key, block);
    }
  }

  /** The cached blocks of a prompt, from its beginning. */
  function chain(model: string, ids: readonly number[], most: number): { keys: string[]; found: Block[] } {
    const keys: string[] = [];
    const found: Block[] = [];
    for (let i = 0, before = model; i < most; i++) {
      const key = keyOf(before, ids, i);
      const block = blocks.get(key);
      if (block === undefined) break;
      keys.push(key);
      found.push(block);
      before = String(block.number);
    }
    return { keys, found };
  }

  return {
    blockTokens,
    find(model, ids) {
      const { keys, found } = chain(model, ids, Math.floor((ids.length - 1) / blockTokens));
      touch(keys);
      prefixTokensTotal += found.length * blockTokens;
      return found.map(({ data }) => data);
    },
    keep(model, ids, read) {
      const whole = bytes === 0 ? 0 : Math.floor(ids.length / blockTokens);
      const { keys, found } = chain(model, ids, whole);
      let before = found.length === 0 ? model : String(found.at(-1)?.number);
      for (let i = found.length; i < whole; i++) {
        const data = read(i * blockTokens, (i + 1) * blockTokens);
        if ((i + 1) * data.byteLength > bytes) break;
        const key = keyOf(before, ids, i);
        const block = { number: next++, data };
        blocks.set(key, block);
        kept += data.byteLength;
        keys.push(key);
        before = String(block.number);
      }
      touch(keys);
      for (const [key, { data }] of blocks) {
        if (kept <= bytes) break;
        blocks.delete(key);
        kept -= data.byteLength;
      }
    },
    metrics: () => ({ prefixBytes: kept, prefixBytesMax: bytes, prefixTokensTotal }),
  };
}
