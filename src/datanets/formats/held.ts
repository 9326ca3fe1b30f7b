/**
 * Formats that a library reads whole (Parquet, PDF, DOCX) run in a thread of their own: what somebody made to break such a library
 * ends that thread, with a name, and neither the process nor its answers to others.
 */
import { Worker } from "node:worker_threads";
import type { FormatLimits } from "./limits.ts";
import { type BlockItem, type RecordItem, type RefusalCode, type Source, UnreadableError } from "./source.ts";

export type HeldFormat = "parquet" | "pdf" | "docx";

/** What the thread is told. */
export type HeldTask = {
  readonly format: HeldFormat;
  readonly file: string;
  readonly content: { readonly path: string } | { readonly bytes: Uint8Array };
  readonly limits: FormatLimits;
};

/** What the thread answers to each "next". */
export type HeldReply =
  | { readonly items: (RecordItem | BlockItem)[]; readonly done: boolean }
  | { readonly failed: { code: RefusalCode; message: string; place: Omit<Source, "file"> } };

const watchMs = 100;

/** @throws UnreadableError as the format's reader does, and `too-large`, `too-slow` where the thread had to be ended */
export async function* readHeld(task: HeldTask): AsyncGenerator<(RecordItem | BlockItem)[]> {
  const { limits, format } = task;
  const url = new URL("./held-worker.ts", import.meta.url);
  const worker = new Worker(url, {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: limits.threadMiBMax },
    stdout: true,
    stderr: true,
  });
  const memory = new AbortController();
  // Heap, buffers and WebAssembly's memory of this thread alone: what else the process does is not the file's fault.
  const measure = async () => {
    const { total_heap_size, external_memory } = await worker.getHeapStatistics();
    if (total_heap_size + external_memory > limits.memoryMiBMax * 2 ** 20) memory.abort();
  };
  const watch = setInterval(() => {
    // A thread that only begins may never answer the first time; one that has ended says so by its exit.
    measure().catch(() => {});
  }, watchMs);
  try {
    for (;;) {
      const reply = await step(worker, limits, format, memory.signal);
      if ("failed" in reply) {
        const { code, message, place } = reply.failed;
        throw new UnreadableError(code, message, place);
      }
      yield reply.items;
      if (reply.done) return;
    }
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

function step(
  worker: Worker,
  limits: FormatLimits,
  format: string,
  exceeded: AbortSignal,
): Promise<HeldReply> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      clearInterval(watch);
      exceeded.removeEventListener("abort", tooLarge);
      worker.off("message", answered).off("error", broke).off("exit", gone);
      end();
    };
    const fail = (error: Error) => settle(() => reject(error));
    const tooLarge = () =>
      fail(
        new UnreadableError(
          "too-large",
          `Reading this ${format} takes more memory than a file may; it was given up.`,
        ),
      );
    const answered = (reply: HeldReply) => settle(() => resolve(reply));
    const broke = (error: NodeJS.ErrnoException) =>
      error.code === "ERR_WORKER_OUT_OF_MEMORY" ? tooLarge() : fail(error);
    const gone = () => fail(new Error(`The thread that read this ${format} ended.`));
    const watch = setInterval(() => {
      if (performance.now() - startedMs > limits.stepMsMax)
        fail(
          new UnreadableError(
            "too-slow",
            `Reading this ${format} took longer than ${limits.stepMsMax / 1_000} s without getting on; it was given up.`,
          ),
        );
    }, watchMs);
    if (exceeded.aborted) return tooLarge();
    exceeded.addEventListener("abort", tooLarge);
    worker.on("message", answered).on("error", broke).on("exit", gone);
    worker.postMessage("next");
  });
}
