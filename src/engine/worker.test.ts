import assert from "node:assert/strict";
import { test } from "node:test";
import { isMainThread } from "node:worker_threads";
import { createGraph } from "./onnx.ts";
import { createSession, f32, run } from "./runtime.ts";
import { serveWorker, startWorker } from "./worker.ts";

/** Runs a graph over and over: whenever the thread is told to end, ONNX Runtime is at work. */
async function runForever(): Promise<never> {
  const graph = createGraph();
  let y = graph.input("x", "float32", ["N", 64]);
  const weight = graph.initializer("w", "float32", [64, 64], new Float32Array(64 * 64).fill(0.01));
  for (let i = 0; i < 20; i++) y = graph.op("Sigmoid", [graph.op("MatMul", [y, weight])]);
  graph.output(y, "y", "float32", ["N", 64]);
  const session = await createSession(graph.build(), { threads: 1 });
  for (;;) await run(session, { x: f32(new Float32Array(64 * 64).fill(1), [64, 64]) });
}
const methods = { runForever };

if (isMainThread)
  test("a thread that is closed during a run ends without taking the process with it", async () => {
    const worker = await startWorker<typeof methods>(new URL(import.meta.url), {});
    const running = worker.call("runForever", undefined as never);
    const stopped = assert.rejects(running, /The worker was closed/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await worker.close();
    await stopped;
  });
else await serveWorker(() => methods);
