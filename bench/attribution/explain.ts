/** What an explain index costs of LDS: each example's row kept whole, in bytes, and in at most eight kilobytes. */
import {
  createExplainWriter,
  defaultExplainOptions,
  type ExplainOptions,
  explainRowBytes,
  openExplainIndex,
  type Products,
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
export function createExplainForms(examples: number, width: number, products: Products) {
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
  /** `[Q,N]`, before anything is rounded. @param gradients as `score` takes them */
  const exact = (gradients: readonly Float32Array[]) => {
    const asked = new Float32Array(gradients.length * width);
    for (const [q, gradient] of gradients.entries()) asked.set(gradient, q * width);
    return products.timesTransposed(asked, floats, gradients.length, examples, width);
  };
  return {
    exact,
    take(row: Float32Array, example: number): void {
      floats.set(row, example * width);
      for (const { add } of files.values()) add(row);
    },
    /** @param gradients the questions', in the index's metric, `[Q,p]` */
    async score(gradients: readonly Float32Array[]): Promise<ExplainScores> {
      const out: ExplainScores = { float: { rowBytes: 4 * width, scores: await exact(gradients) } };
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
