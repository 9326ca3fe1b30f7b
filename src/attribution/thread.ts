/** A thread that is started when it is first asked, and anew when it has ended: who asked it gets an error, who asks next gets a new one. */
import { startWorker, type WorkerHandle, type WorkerMethods } from "../engine/index.ts";

export type Thread<Methods extends WorkerMethods> = Pick<WorkerHandle<Methods>, "call" | "close"> & {
  /** Starts it now. @throws what its set-up throws */
  start(): Promise<void>;
};

/** @param data what the thread's `serveWorker` is given */
export function openThread<Methods extends WorkerMethods>(script: URL, data: unknown): Thread<Methods> {
  let current: Promise<WorkerHandle<Methods>> | undefined;
  let closed = false;

  function running(): Promise<WorkerHandle<Methods>> {
    if (closed) return Promise.reject(new Error("The thread was closed."));
    if (current !== undefined) return current;
    const started = startWorker<Methods>(script, data);
    const forget = () => {
      if (current === started) current = undefined;
    };
    current = started;
    started.then((thread) => thread.ended.then(forget), forget);
    return started;
  }

  return {
    async start() {
      await running();
    },
    call: async (...asked) => (await running()).call(...asked),
    async close() {
      closed = true;
      await (await current?.catch(() => undefined))?.close();
    },
  };
}
