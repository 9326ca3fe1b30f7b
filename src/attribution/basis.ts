/** The basis that rows and queries of one release share: k orthonormal directions of gradient space, in Adam's metric, one byte a number. */

export type Basis = {
  readonly k: number;
  /** D^−½ `[p]`; multiplies a raw gradient first. */
  readonly metric: Float32Array;
  /** What one unit of each direction is worth, `[k]`. */
  readonly scales: Float32Array;
  /** `[k, p]`. */
  readonly values: Int8Array;
};

const magic = 0x4f4c4231; // "OLB1"

/** Serialises: four little-endian uint32 (mark, k, p, 0), then scales, metric and values. */
export function encodeBasis({ k, metric, scales, values }: Basis): Uint8Array {
  const p = metric.length;
  const bytes = new Uint8Array(16 + 4 * (k + p) + k * p);
  const view = new DataView(bytes.buffer);
  [magic, k, p, 0].forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  const floats = new Float32Array(bytes.buffer, 16, k + p);
  floats.set(scales);
  floats.set(metric, k);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.length), 16 + 4 * (k + p));
  return bytes;
}

/** @throws RangeError when the bytes are not a whole basis */
export function decodeBasis(bytes: Uint8Array): Basis {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const k = bytes.length >= 16 ? view.getUint32(4, true) : 0;
  const p = bytes.length >= 16 ? view.getUint32(8, true) : 0;
  const expected = 16 + 4 * (k + p) + k * p;
  if (bytes.length < 16 || view.getUint32(0, true) !== magic || bytes.length !== expected)
    throw new RangeError(`These ${bytes.length} bytes are not an attribution basis (${expected} expected).`);
  const floats = new Float32Array(new Uint8Array(bytes.subarray(16, 16 + 4 * (k + p))).buffer);
  return {
    k,
    scales: floats.slice(0, k),
    metric: floats.slice(k),
    values: new Int8Array(bytes.buffer, bytes.byteOffset + 16 + 4 * (k + p), k * p),
  };
}

/** A raw gradient in the coordinates of the index: times the metric, `[p]`. */
export function scaleGradient({ metric }: Pick<Basis, "metric">, gradient: Float32Array): Float32Array {
  if (gradient.length !== metric.length)
    throw new RangeError(
      `The gradient has ${gradient.length} numbers, the index was built for ${metric.length}.`,
    );
  return gradient.map((value, j) => value * (metric[j] as number));
}

/**
 * Projects a query's raw gradient and rounds it to integers. The scale is the query's own (its largest coordinate becomes 32,767): only
 * ratios of scores of one query are ever used.
 *
 * @param gradient `[p]`, as the gradient graph returns it
 * @returns q, k integers in ±32,767; all zero when the gradient is
 */
export function projectQuery(basis: Basis, gradient: Float32Array): Int16Array {
  const { k, metric, scales, values } = basis;
  const p = metric.length;
  const scaled = scaleGradient(basis, gradient);
  const coordinates = new Float64Array(k);
  let largest = 0;
  for (let i = 0; i < k; i++) {
    let sum = 0;
    const row = i * p;
    for (let j = 0; j < p; j++) sum += (values[row + j] as number) * (scaled[j] as number);
    coordinates[i] = sum * (scales[i] as number);
    largest = Math.max(largest, Math.abs(coordinates[i] as number));
  }
  if (!Number.isFinite(largest)) throw new RangeError("The query's gradient is not a number.");
  return Int16Array.from(coordinates, (x) => (largest === 0 ? 0 : Math.round((x / largest) * 32_767)));
}
