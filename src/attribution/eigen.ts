/** Eigenvalues and eigenvectors of a dense symmetric matrix, float64. */

export class EigenError extends Error {
  override name = "EigenError";
}

/**
 * Householder tridiagonalisation and implicit QR with Wilkinson's shift (Golub and Van Loan, algorithms 8.3.1 to 8.3.3). About 6n³
 * operations, all along rows.
 *
 * @param matrix `[n,n]`; only read, and only its lower half
 * @returns values `[n]` in no order, and vectors `[n,n]`, one a row, orthonormal
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
): { values: Float64Array; vectors: Float64Array } {
  const { diagonal: d, beside: e, vectors } = tridiagonalise(matrix, n);
  const rotations = createRotations(vectors, n);
  let size = 0;
  for (let i = 0; i < n; i++) size = Math.max(size, Math.abs(d[i] as number) + Math.abs(e[i] as number));
  const negligible = size * Number.EPSILON;
  let high = n - 1;
  for (let sweeps = 0; high > 0; sweeps++) {
    if (sweeps > 40 * n || !Number.isFinite(size))
      throw new EigenError(`The eigenvalues of a ${n} × ${n} matrix did not settle. Is it finite?`);
    let low = high;
    while (low > 0 && Math.abs(e[low - 1] as number) > negligible) low--;
    if (low === high) {
      high--;
      continue;
    }
    // The shift: the eigenvalue of the last 2 × 2 block that is closer to its last element.
    const last = d[high] as number;
    const b = e[high - 1] as number;
    const t = ((d[high - 1] as number) - last) / 2;
    let x = (d[low] as number) - last + (b * b) / (t + (t < 0 ? -1 : 1) * Math.hypot(t, b));
    let z = e[low] as number;
    for (let k = low; k < high; k++) {
      const r = Math.hypot(x, z);
      const c = r === 0 ? 1 : x / r;
      const s = r === 0 ? 0 : z / r;
      if (k > low) e[k - 1] = r;
      const d1 = d[k] as number;
      const d2 = d[k + 1] as number;
      const ek = e[k] as number;
      d[k] = c * c * d1 + 2 * c * s * ek + s * s * d2;
      d[k + 1] = s * s * d1 - 2 * c * s * ek + c * c * d2;
      e[k] = c * s * (d2 - d1) + (c * c - s * s) * ek;
      if (k < high - 1) {
        x = e[k] as number;
        z = s * (e[k + 1] as number);
        e[k + 1] = c * (e[k + 1] as number);
      }
      rotations.add(k, c, s);
    }
  }
  rotations.apply();
  return { values: d, vectors };
}

/**
 * Rotations of neighbouring rows of `[n,n]`, put off and then applied strip after strip of columns: a strip stays in the cache while
 * thousands of rotations pass over it.
 */
function createRotations(vectors: Float64Array, n: number) {
  const most = 1 << 14;
  const strip = 32;
  const rows = new Int32Array(most);
  const cosines = new Float64Array(most);
  const sines = new Float64Array(most);
  let count = 0;
  function apply(): void {
    for (let first = 0; first < n; first += strip) {
      const width = Math.min(strip, n - first);
      for (let i = 0; i < count; i++) {
        const c = cosines[i] as number;
        const s = sines[i] as number;
        const upper = (rows[i] as number) * n + first;
        const lower = upper + n;
        for (let j = 0; j < width; j++) {
          const u = vectors[upper + j] as number;
          const v = vectors[lower + j] as number;
          vectors[upper + j] = c * u + s * v;
          vectors[lower + j] = c * v - s * u;
        }
      }
    }
    count = 0;
  }
  return {
    /** Row k becomes c · row k + s · row k+1, and row k+1 becomes c · row k+1 − s · row k. */
    add(k: number, c: number, s: number): void {
      if (count === most) apply();
      rows[count] = k;
      cosines[count] = c;
      sines[count++] = s;
    },
    apply,
  };
}

/** A = Q T Qᵀ with T tridiagonal: its diagonal, what stands beside it, and Qᵀ `[n,n]`. */
function tridiagonalise(matrix: Float64Array, n: number) {
  const a = Float64Array.from(matrix); // below and on the diagonal
  const beside = new Float64Array(n);
  const reflections: { v: Float64Array; beta: number }[] = []; // I − β v vᵀ on what lies below k
  for (let k = 0; k < n - 2; k++) {
    const m = n - k - 1;
    const v = new Float64Array(m);
    let squares = 0;
    for (let i = 0; i < m; i++) {
      v[i] = a[(k + 1 + i) * n + k] as number;
      squares += (v[i] as number) ** 2;
    }
    const first = v[0] as number;
    const alpha = first > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    v[0] = first - alpha;
    const beta = squares === 0 ? 0 : 1 / (squares - alpha * first); // 2 / |v|²
    reflections.push({ v, beta });
    beside[k] = alpha;
    if (beta === 0) continue;
    // A ← A − v wᵀ − w vᵀ with w = β A v − (β² vᵀ A v / 2) v.
    const w = new Float64Array(m);
    for (let i = 0; i < m; i++) {
      const row = (k + 1 + i) * n + k + 1;
      const vi = v[i] as number;
      let sum = 0;
      for (let j = 0; j < i; j++) {
        const x = a[row + j] as number;
        sum += x * (v[j] as number);
        w[j] = (w[j] as number) + x * vi;
      }
      w[i] = (w[i] as number) + sum + (a[row + i] as number) * vi;
    }
    let overlap = 0;
    for (let i = 0; i < m; i++) overlap += (w[i] as number) * (v[i] as number);
    for (let i = 0; i < m; i++)
      w[i] = beta * (w[i] as number) - (beta * beta * overlap * (v[i] as number)) / 2;
    for (let i = 0; i < m; i++) {
      const row = (k + 1 + i) * n + k + 1;
      const vi = v[i] as number;
      const wi = w[i] as number;
      for (let j = 0; j <= i; j++)
        a[row + j] = (a[row + j] as number) - vi * (w[j] as number) - wi * (v[j] as number);
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i] as number);
  if (n > 1) beside[n - 2] = a[(n - 1) * n + n - 2] as number;

  // Q = H₀ H₁ …, multiplied from the last: only rows and columns below k change at each.
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  for (let k = reflections.length - 1; k >= 0; k--) {
    const { v, beta } = reflections[k] as { v: Float64Array; beta: number };
    const m = v.length;
    const sums = new Float64Array(m);
    for (let i = 0; i < m; i++) {
      const row = (k + 1 + i) * n + k + 1;
      const vi = v[i] as number;
      for (let j = 0; j < m; j++) sums[j] = (sums[j] as number) + vi * (q[row + j] as number);
    }
    for (let i = 0; i < m; i++) {
      const row = (k + 1 + i) * n + k + 1;
      const factor = beta * (v[i] as number);
      for (let j = 0; j < m; j++) q[row + j] = (q[row + j] as number) - factor * (sums[j] as number);
    }
  }
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) vectors[j * n + i] = q[i * n + j] as number;
  return { diagonal, beside, vectors };
}
