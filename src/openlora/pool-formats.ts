/**
 * What an answer must be, as the grammar that servers are given: the one that the embedded engine follows, so that both hold answers to the
 * same and refuse the same.
 */
import { startWorker, type WorkerHandle, workerUrl } from "../engine/index.ts";
import { closedError, OpenLoraError, OverloadedError, unsettle } from "./errors.ts";
import type { GrammarSource } from "./format.ts";
import type { FormatThread } from "./format-worker.ts";
import type { Format } from "./request.ts";

/** Formats that wait for their grammar, and grammars kept. */
const pendingMax = 64;
const keptMax = 256;

export type PoolFormats = {
  /** @throws OpenLoraError `invalid-request` naming what cannot be held to, `overloaded`, `engine-failed`, `closed` */
  source(format: Format): Promise<GrammarSource>;
  close(): Promise<void>;
};

/** Its thread starts with the first format. */
export function createPoolFormats(): PoolFormats {
  let thread: Promise<WorkerHandle<FormatThread>> | undefined;
  let closed = false;
  let pending = 0;
  /** The least recently used first. */
  const kept = new Map<string, GrammarSource>();

  async function make(format: Format): Promise<GrammarSource> {
    if (closed) throw closedError();
    if (pending >= pendingMax)
      throw new OverloadedError(`${pending} formats are being read already. Try again later.`, 1_000);
    pending++;
    try {
      thread ??= startWorker<FormatThread>(workerUrl(import.meta.url, "format-worker"), undefined);
      return unsettle(await (await thread).call("source", format));
    } catch (cause) {
      if (cause instanceof OpenLoraError) throw cause;
      thread = undefined;
      throw closed
        ? closedError()
        : new OpenLoraError("engine-failed", `The thread for formats failed: ${(cause as Error).message}`);
    } finally {
      pending--;
    }
  }

  return {
    async source(format) {
      const name = JSON.stringify(format);
      const source = kept.get(name) ?? (await make(format));
      kept.delete(name);
      kept.set(name, source);
      const [oldest] = kept.keys();
      if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
      return source;
    },
    async close() {
      closed = true;
      await (await thread?.catch(() => undefined))?.close();
    },
  };
}
