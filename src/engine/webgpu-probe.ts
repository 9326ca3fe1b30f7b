/**
 * A program of its own: runs a small graph on WebGPU, so that a driver which aborts takes down only this process. Prints one line of
 * JSON, a {@link ProbeReport}.
 */
import { constants } from "node:os";
import { createGraph } from "./onnx.ts";
import { createSession, f32, run } from "./runtime.ts";
import type { ProbeReport } from "./webgpu.ts";

/** Whether the dynamic linker finds a library. It is no addon: what it is refused for says whether it was there. */
function hasLibrary(name: string): boolean {
  try {
    process.dlopen({ exports: {} }, name, constants.dlopen.RTLD_LAZY);
    return true;
  } catch (error) {
    return /did not self-register/.test(String(error));
  }
}

async function probe(): Promise<ProbeReport> {
  if (process.platform === "linux" && !hasLibrary("libvulkan.so.1")) return { failure: "no-loader" };
  const graph = createGraph();
  const x = graph.input("x", "float32", ["N", 4]);
  const w = graph.initializer("w", "float32", [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  graph.output(graph.op("Neg", [graph.op("MatMul", [x, w])]), "y", "float32", ["N", 2]);
  try {
    const session = await createSession(graph.build(), { threads: 1, device: "webgpu" });
    const { y } = await run(session, { x: f32(Float32Array.of(1, 1, 1, 1, 0, 0, 0, 2), [2, 4]) });
    const got = [...(y as Float32Array)];
    if (String(got) !== "-16,-20,-14,-16") return { failure: "wrong-result", detail: String(got) };
    return { failure: "none" };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { failure: /No supported adapters/.test(detail) ? "no-adapter" : "error", detail };
  }
}

console.log(JSON.stringify(await probe()));
