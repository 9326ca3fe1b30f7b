/**
 * ONNX Runtime, started the one way this project uses it: bounded threads, no spinning, on the CPU or through WebGPU (Vulkan on Linux,
 * Direct3D 12 on Windows, Metal on macOS).
 */
import "./quiet.ts";
import { getEnvironmentData, setEnvironmentData, threadId } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { createGraph } from "./onnx.ts";

export type Tensor = ort.Tensor;
export type Session = ort.InferenceSession;

/** Where a graph runs. Graphs are written for one device: see `arithmetic` in transformer.ts. */
export const devices = ["cpu", "webgpu"] as const;
export type Device = (typeof devices)[number];

/**
 * Loads a model. Spinning is off because idle threads of one session would take the cores of another (a measured 167 → 58 ms
 * on two shared cores); the memory arena's pattern planning is off because shapes differ from run to run.
 *
 * On WebGPU an operator that the device cannot run fails the load. ONNX Runtime would run it on the CPU without a word otherwise.
 *
 * @param model serialised ONNX model, written for the device
 * @param options.threads CPU threads for one operator; part of a recipe's identity, because it changes the order of sums
 * @param options.keep outputs that stay in the device's memory; WebGPU only
 * @throws Error when the device is WebGPU and another thread of this process uses it
 */
export async function createSession(
  model: Uint8Array,
  {
    threads,
    device = "cpu",
    keep = [],
  }: { threads: number; device?: Device | undefined; keep?: readonly string[] },
): Promise<Session> {
  if (device === "webgpu") claimWebGpu();
  return start(model, threads, device, Object.fromEntries(keep.map((name) => [name, "gpu-buffer"] as const)));
}

const start = (
  model: Uint8Array,
  threads: number,
  device: Device,
  outputs: NonNullable<ort.InferenceSession.SessionOptions["preferredOutputLocation"]>,
) =>
  ort.InferenceSession.create(model, {
    executionProviders: [device],
    preferredOutputLocation: outputs,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        intra_op: { allow_spinning: "0" },
        disable_cpu_ep_fallback: device === "webgpu" ? "1" : "0",
      },
    },
  });

// ONNX Runtime keeps one WebGPU context a process and does not guard it: two threads that use it at once make each other's runs fail
// (measured, 1.30: "dispatch count exceeds maxNumPendingDispatches"). So the first thread to use it owns it until it ends.
const ownerKey = "openledger.webgpu-owner";
const owner =
  (getEnvironmentData(ownerKey) as Int32Array | undefined) ?? new Int32Array(new SharedArrayBuffer(4));
setEnvironmentData(ownerKey, owner);

function claimWebGpu(): void {
  const before = Atomics.compareExchange(owner, 0, 0, threadId + 1);
  if (before !== 0 && before !== threadId + 1)
    throw new Error(
      `WebGPU is in use by thread ${before - 1} of this process, and one thread at a time can use it. Run this on the CPU, or in another process.`,
    );
}

/** Lets another thread use WebGPU. Called when a worker has ended. */
export function releaseWebGpu(ended: number): void {
  Atomics.compareExchange(owner, 0, ended + 1, 0);
}

/** The version of ONNX Runtime that runs here: it is part of what made an adapter. */
export const runtimeVersion = (): string => ort.env.versions.node ?? ort.env.versions.common;

export const f32 = (data: Float32Array, dims: readonly number[]): Tensor =>
  new ort.Tensor("float32", data, dims);
export const i64 = (data: BigInt64Array, dims: readonly number[]): Tensor =>
  new ort.Tensor("int64", data, dims);

const uploads = new Map<number, Promise<Session>>();

/**
 * Float tensors as the device reads them fastest: on WebGPU copies in its own memory, which later runs take without another upload (the
 * caller disposes them); on the CPU the tensors themselves.
 */
export async function toDevice(
  tensors: Record<string, Tensor>,
  device: Device,
): Promise<Record<string, Tensor>> {
  if (device === "cpu") return tensors;
  claimWebGpu();
  const copies: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const rank = tensor.dims.length;
    let upload = uploads.get(rank);
    if (upload === undefined) {
      const graph = createGraph();
      const dims = Array.from({ length: rank }, (_, axis) => `d${axis}`);
      graph.output(graph.input("host", "float32", dims), "device", "float32", dims);
      upload = start(graph.build(), 1, device, "gpu-buffer");
      uploads.set(rank, upload);
    }
    copies[name] = (await (await upload).run({ host: tensor })).device as Tensor;
  }
  return copies;
}

/** Runs a session and returns its float outputs by name. */
export const run = async (session: Session, feeds: Record<string, Tensor>) =>
  (await runKeeping(session, feeds)).data;

/** Runs a session whose outputs are partly kept on the device: `kept` has those, which the caller disposes, and `data` the others. */
export async function runKeeping(
  session: Session,
  feeds: Record<string, Tensor>,
): Promise<{ data: Record<string, Float32Array>; kept: Record<string, Tensor> }> {
  const data: Record<string, Float32Array> = {};
  const kept: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(await session.run(feeds)))
    if (tensor.location === "cpu") data[name] = tensor.data as Float32Array;
    else kept[name] = tensor;
  return { data, kept };
}
