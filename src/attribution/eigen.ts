/** Eigenvalues and eigenvectors of a dense symmetric matrix, float64. */

export class EigenError extends Error {
  override name = "EigenError";
}

/**
 * Householder tridiagonalisation and implicit QR with Wilkinson's shift (Golub and Van Loan, algorithms 8.3.1 to 8.3.3). About 9n³
 * operations, all along rows.
 *
 * @param matrix `[n,n]`; only read
 * @returns values `[n]` in no order, and vectors `[n,n]`, one a row, orthonormal
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
): { values: Float64Array; vectors: Float64Array } {
  const { diagonal: d, beside: e, vectors } = tridiagonalise(matrix, n);
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
    const [last, b] = [d[high] as number, e[high - 1] as number];
    const t = ((d[high - 1] as number) - last) / 2;
    let x = (d[low] as number) - last + (b * b) / (t + (t < 0 ? -1 : 1) * Math.hypot(t, b));
    let z = e[low] as number;
    for (let k = low; k < high; k++) {
      const r = Math.hypot(x, z);
      const [c, s] = r === 0 ? [1, 0] : [x / r, z / r];
      if (k > low) e[k - 1] = r;
      const [d1, d2, ek] = [d[k] as number, d[k + 1] as number, e[k] as number];
      d[k] = c * c * d1 + 2 * c * s * ek + s * s * d2;
      d[k + 1] = s * s * d1 - 2 * c * s * ek + c * c * d2;
      e[k] = c * s * (d2 - d1) + (c * c - s * s) * ek;
      if (k < high - 1) {
        x = e[k] as number;
        z = s * (e[k + 1] as number);
        e[k + 1] = c * (e[k + 1] as number);
      }
      const upper = vectors.subarray(k * n, (k + 1) * n);
      const lower = vectors.subarray((k + 1) * n, (k + 2) * n);
      for (let j = 0; j < n; j++) {
        const [u, v] = [upper[j] as number, lower[j] as number];
        upper[j] = c * u + s * v;
        lower[j] = c * v - s * u;
      }
    }
  }
  return { values: d, vectors };
}

/** A = Q T Qᵀ with T tridiagonal: its diagonal, what stands beside it, and Qᵀ `[n,n]`. */
function tridiagonalise(matrix: Float64Array, n: number) {
  const a = Float64Array.from(matrix);
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const reflections: { v: Float64Array; beta: number }[] = []; // I − β v vᵀ on what lies below k
  for (let k = 0; k < n - 2; k++) {
    const m = n - k - 1;
    const v = a.slice(k * n + k + 1, (k + 1) * n);
    const length = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
    const alpha = (v[0] as number) > 0 ? -length : length;
    v[0] = (v[0] as number) - alpha;
    const square = v.reduce((sum, x) => sum + x * x, 0);
    const beta = square === 0 ? 0 : 2 / square;
    reflections.push({ v, beta });
    beside[k] = alpha;
    if (beta === 0) continue;
    const w = new Float64Array(m);
    let overlap = 0;
    for (let i = 0; i < m; i++) {
      const row = a.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      let sum = 0;
      for (let j = 0; j < m; j++) sum += (row[j] as number) * (v[j] as number);
      w[i] = beta * sum;
      overlap += beta * sum * (v[i] as number);
    }
    for (let i = 0; i < m; i++) w[i] = (w[i] as number) - (beta / 2) * overlap * (v[i] as number);
    for (let i = 0; i < m; i++) {
      const row = a.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      const [vi, wi] = [v[i] as number, w[i] as number];
      for (let j = 0; j < m; j++) row[j] = (row[j] as number) - vi * (w[j] as number) - wi * (v[j] as number);
    }
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i] as number;
  if (n > 1) beside[n - 2] = a[(n - 2) * n + n - 1] as number;

  // Q = H₀ H₁ …, multiplied from the last: only rows and columns below k change at each.
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  for (let k = reflections.length - 1; k >= 0; k--) {
    const { v, beta } = reflections[k] as { v: Float64Array; beta: number };
    const m = v.length;
    const sums = new Float64Array(m);
    for (let i = 0; i < m; i++) {
      const row = q.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      const vi = v[i] as number;
      for (let j = 0; j < m; j++) sums[j] = (sums[j] as number) + vi * (row[j] as number);
    }
    for (let i = 0; i < m; i++) {
      const row = q.subarray((k + 1 + i) * n + k + 1, (k + 2 + i) * n);
      const factor = beta * (v[i] as number);
      for (let j = 0; j < m; j++) row[j] = (row[j] as number) - factor * (sums[j] as number);
    }
  }
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) vectors[j * n + i] = q[i * n + j] as number;
  return { diagonal, beside, vectors };
}
