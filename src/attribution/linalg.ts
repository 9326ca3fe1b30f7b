/** The dense linear algebra that attribution needs: products by ONNX Runtime, factorisations in float64. */
import { createGraph, createSession, f32, run, type Session, type Tensor } from "../engine/index.ts";

export type Products = Awaited<ReturnType<typeof createProducts>>;

/** Matrix products on row-major float32 arrays. */
export async function createProducts(threads: number) {
  const product = (a: readonly string[], b: readonly string[], transposed: { transA?: 1; transB?: 1 }) => {
    const graph = createGraph();
    graph.input("a", "float32", a);
    graph.input("b", "float32", b);
    const c = graph.op("FusedMatMul", ["a", "b"], transposed, "com.microsoft");
    graph.output(c, "c", "float32", ["M", "N"]);
    return createSession(graph.build(), { threads });
  };
  /** L X Rᵀ, or its transpose from X's: the wide side is multiplied by one large product. */
  const sandwich = (tall: boolean) => {
    const graph = createGraph();
    graph.input("x", "float32", ["N", "A", "B"]);
    graph.input("left", "float32", ["A", "A"]);
    graph.input("right", "float32", ["B", "B"]);
    const turned = (v: string) => (tall ? graph.op("Transpose", [v], { perm: [0, 2, 1] }) : v);
    const [outer, inner] = tall ? ["right", "left"] : ["left", "right"];
    const half = graph.op("FusedMatMul", [turned("x"), inner], { transB: 1 }, "com.microsoft");
    graph.output(turned(graph.op("MatMul", [outer, half])), "c", "float32", ["N", "A", "B"]);
    return createSession(graph.build(), { threads });
  };
  const [plain, transposed, across, wide, high]: Session[] = await Promise.all([
    product(["M", "K"], ["K", "N"], {}),
    product(["M", "K"], ["N", "K"], { transB: 1 }),
    product(["K", "M"], ["K", "N"], { transA: 1 }),
    sandwich(false),
    sandwich(true),
  ]);
  const result = async (session: Session | undefined, feeds: Record<string, Tensor>) =>
    (await run(session as Session, feeds)).c as Float32Array;
  return {
    /** A `[M,K]` · Bᵀ with B `[N,K]` → `[M,N]`. */
    timesTransposed: (
      a: Float32Array,
      b: Float32Array,
      m: number,
      n: number,
      k: number,
    ): Promise<Float32Array> => result(transposed, { a: f32(a, [m, k]), b: f32(b, [n, k]) }),
    /** A `[M,K]` · B with B `[K,N]` → `[M,N]`. */
    times: (a: Float32Array, b: Float32Array, m: number, n: number, k: number): Promise<Float32Array> =>
      result(plain, { a: f32(a, [m, k]), b: f32(b, [k, n]) }),
    /** Aᵀ with A `[K,M]` · B with B `[K,N]` → `[M,N]`. */
    transposedTimes: (
      a: Float32Array,
      b: Float32Array,
      m: number,
      n: number,
      k: number,
    ): Promise<Float32Array> => result(across, { a: f32(a, [k, m]), b: f32(b, [k, n]) }),
    /** L X Rᵀ for each matrix of a stack X `[N,A,B]`, L `[A,A]`, R `[B,B]` → `[N,A,B]`. */
    sandwich: (
      x: Float32Array,
      left: Float32Array,
      right: Float32Array,
      n: number,
      a: number,
      b: number,
    ): Promise<Float32Array> =>
      result(a > b ? high : wide, {
        x: f32(x, [n, a, b]),
        left: f32(left, [a, a]),
        right: f32(right, [b, b]),
      }),
  };
}

/** Rows of a Gram matrix that are computed at once: of what lies above the diagonal, only the blocks on it are computed in vain. */
const gramRows = 256;

/** Adds F Fᵀ to `gram` `[n,n]`, for F `[n,w]`; the upper half is the lower one's copy. */
export async function addGram(
  products: Products,
  gram: Float64Array,
  f: Float32Array,
  n: number,
  w: number,
): Promise<void> {
  for (let at = 0; at < n; at += gramRows) {
    const end = Math.min(n, at + gramRows);
    const panel = await products.timesTransposed(
      f.subarray(at * w, end * w),
      f.subarray(0, end * w),
      end - at,
      end,
      w,
    );
    for (let i = at; i < end; i++)
      for (let j = 0; j <= i; j++) {
        const sum = (gram[i * n + j] as number) + (panel[(i - at) * end + j] as number);
        gram[i * n + j] = sum;
        gram[j * n + i] = sum;
      }
  }
}

export class NotPositiveDefiniteError extends Error {
  override name = "NotPositiveDefiniteError";
}

/** The lower Cholesky factor of a small symmetric positive definite `[n,n]`, row-major float64, in place; the upper half is left as it is. */
export function cholesky(a: Float64Array, n: number, stride = n, start = 0): void {
  for (let i = 0; i < n; i++) {
    const rowI = start + i * stride;
    for (let j = 0; j <= i; j++) {
      const rowJ = start + j * stride;
      let sum = a[rowI + j] as number;
      for (let k = 0; k < j; k++) sum -= (a[rowI + k] as number) * (a[rowJ + k] as number);
      if (i !== j) a[rowI + j] = sum / (a[rowJ + j] as number);
      else if (sum > 0) a[rowI + i] = Math.sqrt(sum);
      else
        throw new NotPositiveDefiniteError(
          `The matrix is not positive definite: pivot ${i} is ${sum}. Raise the damping.`,
        );
    }
  }
}

/** Rows and columns of one step of the blocked solver: small enough for plain loops, large enough for fast products. */
const blockSize = 128;

/** Some rows and columns of a row-major matrix. */
function cut(from: Float64Array, stride: number, row: number, rows: number, column: number, width: number) {
  const out = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) {
    const at = (row + i) * stride + column;
    for (let j = 0; j < width; j++) out[i * width + j] = from[at + j] as number;
  }
  return out;
}

/** Rows of X `[·,n]` at a diagonal block of the factor, times its inverse transposed: forward substitution. */
function forward(
  a: Float64Array,
  n: number,
  x: Float64Array,
  first: number,
  rows: number,
  at: number,
  size: number,
) {
  for (let r = 0; r < rows; r++) {
    const row = (first + r) * n + at;
    for (let j = 0; j < size; j++) {
      const line = (at + j) * n + at;
      let sum = x[row + j] as number;
      for (let k = 0; k < j; k++) sum -= (a[line + k] as number) * (x[row + k] as number);
      x[row + j] = sum / (a[line + j] as number);
    }
  }
}

/**
 * The lower factor of a symmetric positive definite A `[n,n]`, in place: blocked Cholesky (Golub and Van Loan, algorithm 4.2.2). Diagonal
 * blocks are factored in float64 by plain loops; the rest is updated by float32 products, n³/3 operations of them.
 */
export async function factorPositiveDefinite(products: Products, a: Float64Array, n: number): Promise<void> {
  for (let at = 0; at < n; at += blockSize) {
    const size = Math.min(blockSize, n - at);
    const end = at + size;
    const left = n - end;
    cholesky(a, size, n, at * n + at);
    if (left === 0) break;
    forward(a, n, a, end, left, at, size);
    const panel = cut(a, n, end, left, at, size);
    for (let first = 0; first < left; first += gramRows) {
      const last = Math.min(left, first + gramRows);
      const rows = panel.subarray(first * size, last * size);
      const update = await products.timesTransposed(
        rows,
        panel.subarray(0, last * size),
        last - first,
        last,
        size,
      );
      for (let i = first; i < last; i++) {
        const row = (end + i) * n + end;
        const from = (i - first) * last;
        for (let j = 0; j <= i; j++) a[row + j] = (a[row + j] as number) - (update[from + j] as number);
      }
    }
  }
}

/**
 * Solves A X = B by the factor of A, 2 n² m operations.
 *
 * @param a `[n,n]`, from {@link factorPositiveDefinite}
 * @param b `[m,n]`, one right-hand side a row; overwritten with the solutions
 */
export async function solveFactored(
  products: Products,
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
): Promise<void> {
  for (let at = 0; at < n; at += blockSize) {
    const size = Math.min(blockSize, n - at);
    const end = at + size;
    const left = n - end;
    forward(a, n, b, 0, m, at, size);
    if (left === 0) break;
    const done = await products.timesTransposed(
      cut(b, n, 0, m, at, size),
      cut(a, n, end, left, at, size),
      m,
      left,
      size,
    );
    for (let r = 0; r < m; r++)
      for (let j = 0; j < left; j++)
        b[r * n + end + j] = (b[r * n + end + j] as number) - (done[r * left + j] as number);
  }
  for (let at = Math.floor((n - 1) / blockSize) * blockSize; at >= 0; at -= blockSize) {
    const size = Math.min(blockSize, n - at);
    for (let r = 0; r < m; r++) {
      const row = r * n + at;
      for (let j = size - 1; j >= 0; j--) {
        const x = (b[row + j] as number) / (a[(at + j) * n + at + j] as number);
        b[row + j] = x;
        const line = (at + j) * n + at;
        for (let k = 0; k < j; k++) b[row + k] = (b[row + k] as number) - (a[line + k] as number) * x;
      }
    }
    if (at === 0) break;
    // What these unknowns contribute to all earlier ones: X_block · L_block,0…at.
    const done = await products.times(cut(b, n, 0, m, at, size), cut(a, n, at, size, 0, at), m, at, size);
    for (let r = 0; r < m; r++)
      for (let j = 0; j < at; j++) b[r * n + j] = (b[r * n + j] as number) - (done[r * at + j] as number);
  }
}

/**
 * Solves A X = B for symmetric positive definite A.
 *
 * @param a `[n,n]`; overwritten with its lower factor
 * @param b `[m,n]`, one right-hand side a row; overwritten with the solutions
 */
export async function solvePositiveDefinite(
  products: Products,
  a: Float64Array,
  n: number,
  b: Float64Array,
  m: number,
): Promise<void> {
  await factorPositiveDefinite(products, a, n);
  await solveFactored(products, a, n, b, m);
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
