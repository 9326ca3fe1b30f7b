/** The dense linear algebra that attribution needs: products by ONNX Runtime, factorisations in float64. */
import { createGraph, createSession, f32, run, type Session } from "../engine/index.ts";

export type Products = Awaited<ReturnType<typeof createProducts>>;

/** Matrix products on row-major float32 arrays. */
export async function createProducts(threads: number) {
  const make = (transB: 0 | 1): Promise<Session> => {
    const graph = createGraph();
    graph.input("a", "float32", ["M", "K"]);
    graph.input("b", "float32", transB === 1 ? ["N", "K"] : ["K", "N"]);
    graph.output(graph.op("FusedMatMul", ["a", "b"], { transB }, "com.microsoft"), "c", "float32", [
      "M",
      "N",
    ]);
    return createSession(graph.build(), threads);
  };
  const [plain, transposed] = await Promise.all([make(0), make(1)]);
  return {
    /** A `[M,K]` · Bᵀ with B `[N,K]` → `[M,N]`. */
    async timesTransposed(
      a: Float32Array,
      b: Float32Array,
      m: number,
      n: number,
      k: number,
    ): Promise<Float32Array> {
      return (await run(transposed, { a: f32(a, [m, k]), b: f32(b, [n, k]) })).c as Float32Array;
    },
    /** A `[M,K]` · B with B `[K,N]` → `[M,N]`. */
    async times(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Promise<Float32Array> {
      return (await run(plain, { a: f32(a, [m, k]), b: f32(b, [k, n]) })).c as Float32Array;
    },
  };
}

export class NotPositiveDefiniteError extends Error {
  override name = "NotPositiveDefiniteError";
}

/** The lower Cholesky factor of a symmetric positive definite `[n,n]`, row-major float64; the upper half of the result is zero. */
export function cholesky(matrix: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const rowI = i * n;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * n;
      let sum = matrix[rowI + j] as number;
      for (let k = 0; k < j; k++) sum -= (l[rowI + k] as number) * (l[rowJ + k] as number);
      if (i !== j) l[rowI + j] = sum / (l[rowJ + j] as number);
      else if (sum > 0) l[rowI + i] = Math.sqrt(sum);
      else
        throw new NotPositiveDefiniteError(
          `The matrix is not positive definite: pivot ${i} is ${sum}. Raise the damping.`,
        );
    }
  }
  return l;
}

/** Solves L Lᵀ x = b for one right-hand side, in place. */
export function solveCholesky(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i] as number;
    for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    const x = (b[i] as number) / (l[i * n + i] as number);
    b[i] = x;
    for (let k = 0; k < i; k++) b[k] = (b[k] as number) - (l[i * n + k] as number) * x;
  }
}

/**
 * Orthonormalises the rows of a matrix from their Gram matrix alone: pivoted Cholesky, G ≈ C Cᵀ. Row i is Σ_j C[i,j] · e_j with orthonormal
 * e_j, and e = W · rows. Directions whose squared length falls below `tolerance` times the largest row's are dropped.
 *
 * @param gram `[n,n]`, symmetric
 * @returns coordinates C `[n,k]` and the map W `[k,n]` from rows to basis vectors
 */
export function orthonormalise(
  gram: Float64Array,
  n: number,
  maxRank: number,
  tolerance = 1e-9,
): { rank: number; coordinates: Float64Array; fromRows: Float64Array } {
  const left = Float64Array.from({ length: n }, (_, i) => gram[i * n + i] as number);
  const largest = Math.max(...left);
  const columns: Float64Array[] = [];
  const pivots: number[] = [];
  while (columns.length < Math.min(n, maxRank)) {
    let pivot = 0;
    for (let i = 1; i < n; i++) if ((left[i] as number) > (left[pivot] as number)) pivot = i;
    const length = left[pivot] as number;
    if (!(length > tolerance * largest)) break;
    const column = new Float64Array(n);
    const root = Math.sqrt(length);
    for (let i = 0; i < n; i++) {
      let sum = gram[i * n + pivot] as number;
      for (const earlier of columns) sum -= (earlier[i] as number) * (earlier[pivot] as number);
      column[i] = sum / root;
      left[i] = (left[i] as number) - (column[i] as number) ** 2;
    }
    column[pivot] = root;
    left[pivot] = 0;
    for (const earlier of pivots) column[earlier] = 0;
    pivots.push(pivot);
    columns.push(column);
  }
  const rank = columns.length;
  const coordinates = new Float64Array(n * rank);
  columns.forEach((column, j) => {
    for (let i = 0; i < n; i++) coordinates[i * rank + j] = column[i] as number;
  });
  // Pivot rows form a lower triangle T: row(pivot_j) = Σ_{i≤j} T[j,i] e_i. Invert it to write e by rows.
  const fromRows = new Float64Array(rank * n);
  for (let j = 0; j < rank; j++) {
    const diagonal = coordinates[(pivots[j] as number) * rank + j] as number;
    fromRows[j * n + (pivots[j] as number)] = 1 / diagonal;
    for (let i = 0; i < j; i++) {
      const factor = (coordinates[(pivots[j] as number) * rank + i] as number) / diagonal;
      if (factor === 0) continue;
      for (let c = 0; c < n; c++)
        fromRows[j * n + c] = (fromRows[j * n + c] as number) - factor * (fromRows[i * n + c] as number);
    }
  }
  return { rank, coordinates, fromRows };
}
