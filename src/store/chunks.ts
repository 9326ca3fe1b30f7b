type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Regroups pieces of any lengths into chunks of one size. The last chunk has what is left: it is empty only where there is nothing at all. */
export async function* inChunks(
  pieces: Pieces,
  size: number,
): AsyncGenerator<{ readonly chunk: Buffer; readonly last: boolean }> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    waiting.push(piece);
    bytes += piece.length;
    if (bytes <= size) continue;
    let all = Buffer.concat(waiting);
    // Strictly more than a chunk: which one is the last is known only at the end.
    for (; all.length > size; all = all.subarray(size)) yield { chunk: all.subarray(0, size), last: false };
    waiting = [all];
    bytes = all.length;
  }
  yield { chunk: Buffer.concat(waiting), last: true };
}

/** Reads bytes by length. */
export type ByteReader = {
  /** The next `size` bytes; fewer only at the end. Pieces as they are small: what is asked for at once is in memory at once. */
  take(size: number): Promise<Buffer>;
  /** What is left. */
  rest(): AsyncGenerator<Uint8Array>;
};

export function readerOf(pieces: Pieces): ByteReader {
  const source = (async function* () {
    yield* pieces;
  })();
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  return {
    async take(size) {
      while (bytes < size) {
        const next = await source.next();
        if (next.done) break;
        waiting.push(next.value);
        bytes += next.value.length;
      }
      const all =
        waiting.length === 1
          ? Buffer.from(waiting[0]!.buffer, waiting[0]!.byteOffset, bytes)
          : Buffer.concat(waiting);
      const left = all.subarray(size);
      waiting = left.length > 0 ? [left] : [];
      bytes = left.length;
      return all.subarray(0, size);
    },
    async *rest() {
      yield* waiting.splice(0);
      yield* source;
    },
  };
}
