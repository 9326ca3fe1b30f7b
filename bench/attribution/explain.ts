/** What an explain index costs of LDS: each example's row kept whole, in bytes, and in at most eight kilobytes. */
import {
  createExplainWriter,
  defaultExplainOptions,
  type ExplainOptions,
  explainRowBytes,
  openExplainIndex,
  planExplainIndex,
} from "../../src/attribution/index.ts";

export type ExplainScores = Record<string, { readonly rowBytes: number; readonly scores: Float32Array }>;

/** As float32; one byte a number; as the default packs more rows than it has room for. */
const forms: Record<string, ExplainOptions | undefined> = {
  float: undefined,
  bytes: { ...defaultExplainOptions, budgetBytes: Number.MAX_SAFE_INTEGER },
  packed: { ...defaultExplainOptions, budgetBytes: 0 },
};

/** Takes rows R_i as an index is built, and scores questions by each form afterwards. */
export function createExplainForms(examples: number, width: number) {
  const floats = new Float32Array(examples * width);
  const files = new Map<
    string,
    { chunks: Uint8Array[]; add: (row: Float32Array) => void; rowBytes: number }
  >();
  for (const [name, options] of Object.entries(forms)) {
    if (options === undefined) continue;
    const plan = planExplainIndex(examples, width, options);
    const chunks: Uint8Array[] = [];
    const { add } = createExplainWriter(plan, (bytes) => void chunks.push(bytes.slice()));
    files.set(name, { chunks, add, rowBytes: explainRowBytes(plan) });
  }
  return {
    take(row: Float32Array, example: number): void {
      floats.set(row, example * width);
      for (const { add } of files.values()) add(row);
    },
    /** @param gradients the questions', in the index's metric, `[Q,p]` */
    score(gradients: readonly Float32Array[]): ExplainScores {
      const whole = new Float32Array(gradients.length * examples);
      gradients.forEach((gradient, q) => {
        for (let i = 0; i < examples; i++) {
          let sum = 0;
          for (let j = 0; j < width; j++) sum += (floats[i * width + j] as number) * (gradient[j] as number);
          whole[q * examples + i] = sum;
        }
      });
      const out: ExplainScores = { float: { rowBytes: 4 * width, scores: whole } };
      for (const [name, { chunks, rowBytes }] of files) {
        const file = Buffer.concat(chunks);
        const index = openExplainIndex(file.length, (at, bytes) => file.subarray(at, at + bytes));
        const scores = new Float32Array(gradients.length * examples);
        gradients.forEach((gradient, q) => {
          scores.set(index.scores(gradient), q * examples);
        });
        out[name] = { rowBytes, scores };
      }
      return out;
    },
  };
}
