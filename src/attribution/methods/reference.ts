/** Every method again as its formula stands: plain loops in float64, dense matrices, nothing shared with the fast paths. For tests. */
import type { GradientSegment } from "../../engine/index.ts";
import type { Gradients, Material, MethodName, ScoreOptions } from "./method.ts";

type Matrix = number[][];

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
const at = (matrix: Matrix, i: number, j: number) => (matrix[i] as number[])[j] as number;
const table = (rows: number, columns: number, f: (i: number, j: number) => number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => f(i, j)));
const rowsOf = (data: Float32Array, width: number): Matrix =>
  table(width === 0 ? 0 : data.length / width, width, (i, j) => data[i * width + j] as number);

/** The inverse, by Gauss and Jordan with pivots. */
export function invert(matrix: Matrix): Matrix {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let i = c; i < n; i++) if (Math.abs(at(a, i, c)) > Math.abs(at(a, pivot, c))) pivot = i;
    [a[c], a[pivot]] = [a[pivot] as number[], a[c] as number[]];
    const scale = at(a, c, c);
    const row = (a[c] as number[]).map((x) => x / scale);
    a[c] = row;
    for (let i = 0; i < n; i++) {
      if (i === c) continue;
      const factor = at(a, i, c);
      a[i] = (a[i] as number[]).map((x, j) => x - factor * (row[j] as number));
    }
  }
  return a.map((row) => row.slice(n));
}

/** Eigenvectors of a symmetric matrix, one a row, by Jacobi's rotations. */
export function jacobi(matrix: Matrix): { values: number[]; vectors: Matrix } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = table(n, n, (i, j) => (i === j ? 1 : 0));
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (at(a, p, q) === 0) continue;
        const angle = Math.atan2(2 * at(a, p, q), at(a, q, q) - at(a, p, p)) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const turn = (m: Matrix) => {
          const [x, y] = [m[p] as number[], m[q] as number[]];
          m[p] = x.map((value, i) => c * value - s * (y[i] as number));
          m[q] = x.map((value, i) => s * value + c * (y[i] as number));
        };
        turn(a);
        for (const row of a) {
          const [x, y] = [row[p] as number, row[q] as number];
          row[p] = c * x - s * y;
          row[q] = s * x + c * y;
        }
        turn(v);
      }
  return { values: a.map((row, i) => row[i] as number), vectors: v };
}

/** g_qᵀ H⁻¹ g_i with H = `curvature` + λI, λ = ρ · trace / rank. */
function damped(queries: Matrix, train: Matrix, curvature: Matrix, damping: number, rank: number): Matrix {
  const trace = curvature.reduce((sum, row, i) => sum + (row[i] as number), 0);
  const inverse = invert(
    curvature.map((row, i) => row.map((x, j) => x + (i === j ? (damping * trace) / rank : 0))),
  );
  return queries.map((y) => {
    const solved = inverse.map((row) => dot(row, y));
    return train.map((x) => dot(solved, x));
  });
}

const mean = (
  rows: Matrix,
  width: number,
  f: (row: readonly number[], i: number, j: number) => number,
): Matrix => table(width, width, (i, j) => rows.reduce((sum, row) => sum + f(row, i, j), 0) / rows.length);

const sum = (parts: readonly Matrix[]): Matrix =>
  parts.reduce((all, part) => all.map((row, i) => row.map((x, j) => x + at(part, i, j))));

/** The rows of the first `samples` draws of each example. */
const drawnRows = (state: Gradients, width: number, samples = state.samples) =>
  rowsOf(state.sampled, width).filter((_, i) => i % state.samples < samples);

function fisherAt(
  material: Material,
  state: Gradients,
  labels: "data" | "model",
  metric: boolean,
  damping: number,
  { block = "layer", samples }: ScoreOptions,
): Matrix {
  const { width, segments } = material;
  const drawn = state.samples > 0 ? state : material;
  const scaled = (rows: Matrix) =>
    metric ? rows.map((row) => row.map((x, j) => x * (drawn.metric[j] as number))) : rows;
  const train = scaled(rowsOf(state.train, width));
  const queries = scaled(rowsOf(state.queries, width));
  const fisher = labels === "data" ? train : scaled(drawnRows(drawn, width, samples));
  const layers = block === "all" ? [undefined] : [...new Set(segments.map(({ layer }) => layer))];
  return sum(
    layers.map((layer) => {
      const own = segments.filter((segment) => layer === undefined || segment.layer === layer);
      const cut = (rows: Matrix) =>
        rows.map((row) => own.flatMap(({ offset, length }) => row.slice(offset, offset + length)));
      const w = own.reduce((total, { length }) => total + length, 0);
      const f = cut(fisher);
      const curvature = mean(f, w, (row, i, j) => (row[i] as number) * (row[j] as number));
      return damped(cut(queries), cut(train), curvature, damping, Math.min(f.length, w));
    }),
  );
}

function fisher(
  material: Material,
  labels: "data" | "model",
  metric: boolean,
  damping: number,
  options: ScoreOptions,
) {
  const states = options.checkpoints === "sum" ? material.checkpoints : [material];
  return sum(
    states.map((state) =>
      fisherAt(material, state, labels, options.metric ?? metric, options.damping ?? damping, options),
    ),
  );
}

function datainf({ segments, width, train, queries }: Material, { damping = 0.1 }: ScoreOptions): Matrix {
  return sum(
    segments.map(({ offset, length: w }) => {
      const cut = (data: Float32Array) => rowsOf(data, width).map((row) => row.slice(offset, offset + w));
      const x = cut(train);
      const lambda = (damping * x.reduce((total, row) => total + dot(row, row), 0)) / x.length / w;
      const inverses = x.map((row) =>
        invert(table(w, w, (i, j) => (row[i] as number) * (row[j] as number) + (i === j ? lambda : 0))),
      );
      const inverse = table(w, w, (i, j) => inverses.reduce((all, one) => all + at(one, i, j), 0) / x.length);
      return cut(queries).map((y) =>
        x.map((row) =>
          dot(
            y,
            inverse.map((line) => dot(line, row)),
          ),
        ),
      );
    }),
  );
}

/** Σ over tensors under H = Σ_ab Λ_ab (u_a ⊗ v_b)(u_a ⊗ v_b)ᵀ + λI, a dense matrix. */
function kronecker(
  material: Material,
  bases: (segment: GradientSegment, sampled: Matrix) => { left: Matrix; right: Matrix },
  { damping = 0.1, samples }: ScoreOptions,
): Matrix {
  const { width, segments } = material;
  return sum(
    segments.map((segment) => {
      const { offset, length: w } = segment;
      const cut = (rows: Matrix) => rows.map((row) => row.slice(offset, offset + w));
      const f = cut(drawnRows(material, width, samples));
      const { left, right } = bases(segment, f);
      const directions = left.flatMap((u) => right.map((v) => u.flatMap((x) => v.map((y) => x * y))));
      const values = directions.map((d) => f.reduce((total, row) => total + dot(d, row) ** 2, 0) / f.length);
      const curvature = table(w, w, (i, j) =>
        directions.reduce(
          (total, d, k) => total + (values[k] as number) * (d[i] as number) * (d[j] as number),
          0,
        ),
      );
      return damped(
        cut(rowsOf(material.queries, width)),
        cut(rowsOf(material.train, width)),
        curvature,
        damping,
        w,
      );
    }),
  );
}

const cosine = (a: readonly number[], b: readonly number[]) =>
  dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b) || 1);

function bm25(documents: readonly string[], query: string): number[] {
  const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
  const all = documents.map(words);
  const average = all.reduce((total, own) => total + own.length, 0) / all.length;
  return all.map((own) =>
    words(query).reduce((total, word) => {
      const tf = own.filter((x) => x === word).length;
      const df = all.filter((other) => other.includes(word)).length;
      const idf = Math.log(1 + (all.length - df + 0.5) / (df + 0.5));
      return (
        total +
        (tf === 0 ? 0 : (idf * tf * (1.2 + 1)) / (tf + 1.2 * (1 - 0.75 + (0.75 * own.length) / average)))
      );
    }, 0),
  );
}

/** The same scores as the method of that name, `[Q][N]`. */
export const reference: Record<MethodName, (material: Material, options: ScoreOptions) => Matrix> = {
  bm25: ({ texts }) => texts.queries.map((query) => bm25(texts.train, query)),
  repsim: ({ hidden: { train, queries, width } }) =>
    rowsOf(queries, width).map((y) => rowsOf(train, width).map((x) => cosine(y, x))),
  graddot: ({ train, queries, width }) =>
    rowsOf(queries, width).map((y) => rowsOf(train, width).map((x) => dot(y, x))),
  gradcos: ({ train, queries, width }) =>
    rowsOf(queries, width).map((y) => rowsOf(train, width).map((x) => cosine(y, x))),
  tracin: ({ checkpoints, width }) =>
    sum(
      checkpoints.map(({ train, queries, learningRate }) =>
        rowsOf(queries, width).map((y) => rowsOf(train, width).map((x) => learningRate * dot(y, x))),
      ),
    ),
  datainf,
  fisher: (material, options) => fisher(material, "data", false, 0.3, options),
  adamfisher: (material, options) => fisher(material, "model", true, 0.5, options),
  ekfac: (material, options) =>
    kronecker(
      material,
      ({ name, shape: [out, inp] }) => {
        const factors = material.factors.find((own) => own.name === name) as Material["factors"][number];
        return {
          left: jacobi(table(out, out, (i, j) => factors.gradients[i * out + j] as number)).vectors,
          right: jacobi(table(inp, inp, (i, j) => factors.inputs[i * inp + j] as number)).vectors,
        };
      },
      options,
    ),
  eshampoo: (material, options) =>
    kronecker(
      material,
      ({ shape: [out, inp] }, f) => ({
        left: jacobi(
          table(out, out, (i, j) =>
            f.reduce(
              (all, g) => all + dot(g.slice(i * inp, (i + 1) * inp), g.slice(j * inp, (j + 1) * inp)),
              0,
            ),
          ),
        ).vectors,
        right: jacobi(
          table(inp, inp, (i, j) =>
            f.reduce((all, g) => {
              for (let r = 0; r < out; r++) all += (g[r * inp + i] as number) * (g[r * inp + j] as number);
              return all;
            }, 0),
          ),
        ).vectors,
      }),
      options,
    ),
};
