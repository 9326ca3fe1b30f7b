/** The machine's roof for float32: multiply-adds on registers where a C compiler is at hand, otherwise the best product of matrices seen. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createGraph, createRandom, createSession, f32 } from "../../src/engine/index.ts";

export type Peak = {
  /** "multiply-adds" is a roof that nothing passes, "products" one that a better library might. */
  readonly from: "multiply-adds" | "products";
  /** One measurement, GFLOP/s. */
  measure(): Promise<number>;
};

export async function openPeak(scratch: string, threads: number): Promise<Peak> {
  const program = join(scratch, "peak");
  try {
    const source = join(import.meta.dirname, "peak.c");
    const flags = ["-O3", "-march=native", "-ffp-contract=fast", "-pthread"];
    execFileSync("cc", [...flags, "-o", program, source], { stdio: "ignore" });
  } catch {
    return openProducts(threads);
  }
  return {
    from: "multiply-adds",
    measure: async () => Number(execFileSync(program, [String(threads)], { encoding: "utf8" }).split(" ")[0]),
  };
}

const size = 1_024;

async function openProducts(threads: number): Promise<Peak> {
  const graph = createGraph();
  const random = createRandom(1);
  const numbers = () => Float32Array.from({ length: size * size }, () => random.normal());
  const a = graph.input("a", "float32", [size, size]);
  const b = graph.initializer("b", "float32", [size, size], numbers());
  graph.output(graph.op("MatMul", [a, b]), "c", "float32", [size, size]);
  const session = await createSession(graph.build(), { threads });
  const feeds = { a: f32(numbers(), [size, size]) };
  return {
    from: "products",
    async measure() {
      const began = performance.now();
      await session.run(feeds);
      return (2 * size ** 3) / (performance.now() - began) / 1e6;
    },
  };
}
