/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), as PyTorch computes it. */

export type AdamWOptions = {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled; applied only to tensors for which `decays` is true. */
  weightDecay: number;
};

/** First and second moments of one tensor, float32. */
export type Moments = { m: Float32Array; v: Float32Array };
export type OptimizerState = { step: number; moments: Map<string, Moments> };

export const newOptimizerState = (): OptimizerState => ({ step: 0, moments: new Map() });

export type Parameter = { name: string; data: Float32Array; gradient: Float32Array; decays: boolean };

/** √Σ g² over all tensors. */
export function globalNorm(parameters: readonly Parameter[]): number {
  let total = 0;
  for (const { gradient } of parameters) {
    let sum = 0;
    for (let i = 0; i < gradient.length; i++) sum += (gradient[i] as number) ** 2;
    total += sum;
  }
  return Math.sqrt(total);
}

/**
 * One step in place: p ← p − lr · wd · p − lr · m̂ / (√v̂ + ε).
 *
 * @param gradientScale multiplies every gradient first (clipping)
 */
export function adamwStep(
  parameters: readonly Parameter[],
  state: OptimizerState,
  learningRate: number,
  gradientScale: number,
  options: AdamWOptions,
): void {
  state.step += 1;
  const { beta1, beta2, epsilon } = options;
  const correction1 = 1 / (1 - beta1 ** state.step);
  const correction2 = 1 / (1 - beta2 ** state.step);
  for (const { name, data, gradient, decays } of parameters) {
    let moments = state.moments.get(name);
    if (moments === undefined) {
      moments = { m: new Float32Array(data.length), v: new Float32Array(data.length) };
      state.moments.set(name, moments);
    }
    const { m, v } = moments;
    const decay = decays ? 1 - learningRate * options.weightDecay : 1;
    for (let i = 0; i < data.length; i++) {
      const g = (gradient[i] as number) * gradientScale;
      const mi = beta1 * (m[i] as number) + (1 - beta1) * g;
      const vi = beta2 * (v[i] as number) + (1 - beta2) * g * g;
      m[i] = mi;
      v[i] = vi;
      data[i] =
        (data[i] as number) * decay -
        (learningRate * mi * correction1) / (Math.sqrt(vi * correction2) + epsilon);
    }
  }
}
