/** The thread that searches explain indexes: it holds no model, only rows of the indexes that were asked last. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { serveWorker } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import { fileDigest } from "../store/index.ts";
import { IndexMismatchError } from "./check-index.ts";
import { type Explained, type ExplainIndex, openExplainIndex } from "./explain-search.ts";

export type ExplainWorkerData = {
  /** For the rows of all open indexes together. */
  memoryBytes: number;
};
export type ExplainRequest = {
  /** What the manifest names, and a local file of it. */
  digest: Digest;
  path: string;
  /** The answer's, scaled by the metric `[p]`. */
  gradient: Float32Array;
  among: readonly number[];
  count: number;
  harmful: boolean;
};
export type ExplainMethods = { explain: (request: ExplainRequest) => Promise<Explained> };

type Open = { readonly index: ExplainIndex; readonly close: () => void };

/** Indexes that stay open at most. */
const openMax = 8;

await serveWorker<ExplainWorkerData>(({ memoryBytes }): ExplainMethods => {
  const opened = new Map<Digest, Open>();

  /** @throws IndexMismatchError when the file is not the one the manifest names */
  async function openFile(digest: Digest, path: string): Promise<Open> {
    const actual = await fileDigest(path);
    if (actual !== digest)
      throw new IndexMismatchError(
        `The explain index here is not the release's: its digest must be ${digest}; got ${actual}. Restore the release's files.`,
      );
    const file = openSync(path, "r");
    try {
      const read = (position: number, length: number) => {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const more = readSync(file, bytes, done, length - done, position + done);
          if (more === 0) throw new IndexMismatchError(`The explain index at ${path} was cut short.`);
          done += more;
        }
        return bytes;
      };
      return {
        index: openExplainIndex(fstatSync(file).size, read, memoryBytes),
        close: () => closeSync(file),
      };
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /** Closes those asked least recently until another one finds room. */
  function makeRoom(bytes: number): void {
    let used = [...opened.values()].reduce((sum, { index }) => sum + index.memory, 0);
    for (const [oldest, { index, close }] of opened) {
      if (used + bytes <= memoryBytes && opened.size < openMax) break;
      opened.delete(oldest);
      used -= index.memory;
      close();
    }
  }

  /** One at a time. */
  async function use(digest: Digest, path: string): Promise<ExplainIndex> {
    let found = opened.get(digest);
    if (found === undefined) {
      makeRoom(Math.min(statSync(path).size, memoryBytes));
      found = await openFile(digest, path);
    }
    opened.delete(digest);
    opened.set(digest, found); // most recently used last
    return found.index;
  }

  return {
    async explain({ digest, path, gradient, ...ask }) {
      return (await use(digest, path)).explain(gradient, ask);
    },
  };
});
