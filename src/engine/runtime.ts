/** ONNX Runtime, started the one way this project uses it: CPU, bounded threads, no spinning. */
import "./quiet.ts";
import * as ort from "onnxruntime-node";

export type Tensor = ort.Tensor;
export type Session = ort.InferenceSession;

/**
 * Loads a model. Spinning is off because idle threads of one session would take the cores of another (a measured 167 → 58 ms
 * on two shared cores); the memory arena's pattern planning is off because shapes differ from run to run.
 *
 * @param model serialised ONNX model
 * @param threads threads for one operator; part of a recipe's identity, because it changes the order of sums
 */
export function createSession(model: Uint8Array, threads: number): Promise<Session> {
  return ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
}

/** The version of ONNX Runtime that runs here: it is part of what made an adapter. */
export const runtimeVersion = (): string => ort.env.versions.node ?? ort.env.versions.common;

export const f32 = (data: Float32Array, dims: readonly number[]): Tensor =>
  new ort.Tensor("float32", data, dims);
export const i64 = (data: BigInt64Array, dims: readonly number[]): Tensor =>
  new ort.Tensor("int64", data, dims);

/** Runs a session and returns its float outputs by name. */
export async function run(
  session: Session,
  feeds: Record<string, Tensor>,
): Promise<Record<string, Float32Array>> {
  const results = await session.run(feeds);
  const data: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(results)) data[name] = tensor.data as Float32Array;
  return data;
}
