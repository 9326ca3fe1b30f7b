/** The scoring thread, started anew when it has ended: who asked it gets an error, who asks next gets a new one. */
import { startWorker, type WorkerHandle, workerUrl } from "../engine/index.ts";
import type { ScoringMethods, ScoringWorkerData } from "./worker.ts";

type Thread = WorkerHandle<ScoringMethods>;

export type ScoringThread = Pick<Thread, "call" | "close">;

/** @throws what the thread's first start threw; a later one's is told to whoever asked for it */
export async function openScoringThread(data: ScoringWorkerData): Promise<ScoringThread> {
  let current: Promise<Thread> | undefined;
  let closed = false;

  function running(): Promise<Thread> {
    if (closed) return Promise.reject(new Error("The scoring thread was closed."));
    if (current !== undefined) return current;
    const started = startWorker<ScoringMethods>(workerUrl(import.meta.url, "worker"), data);
    const forget = () => {
      if (current === started) current = undefined;
    };
    current = started;
    started.then((thread) => thread.ended.then(forget), forget);
    return started;
  }

  await running();
  return {
    call: async (...asked) => (await running()).call(...asked),
    async close() {
      closed = true;
      await (await current?.catch(() => undefined))?.close();
    },
  };
}
