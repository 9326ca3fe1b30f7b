/**
 * Unrolled training: the derivative of a query's loss by the weight of each example, taken backwards through every step that made the
 * adapter. It needs no curvature at the end and no assumption that training converged, so it is what remains when training ran hot.
 *
 * With θ_t before step t, m and v Adam's moments, P = 1 / (√v̂ + ε) and g_t the (clipped) gradient of the batch,
 *
 *     m' = β₁ m + (1 − β₁) g      v' = β₂ v + (1 − β₂) g²      θ' = (1 − ηw) θ − η m̂' P
 *
 * and adjoints λ = ∂ℓ_q/∂θ, μ = ∂ℓ_q/∂m, ν = ∂ℓ_q/∂v, backwards from λ = ∇ℓ_q(θ_T), μ = ν = 0:
 *
 *     μ ← μ − η P λ / (1 − β₁ᵗ)      ν ← ν + η m̂' P² λ / (2 √v̂ (1 − β₂ᵗ))      γ = (1 − β₁) μ + 2 (1 − β₂) g ν
 *     τ_i += −γ·g_i(θ_t) / tokens      λ ← (1 − ηw) λ + H_t γ      μ ← β₁ μ      ν ← β₂ ν
 *
 * This is MAGIC (Ilyas and Engstrom 2025, arXiv 2504.16430) with the batch's Hessian H_t replaced by its label-sampled Fisher matrix, as
 * SOURCE has it (Bae et al. 2024, arXiv 2405.12186): then one pass serves all queries. Cost: (1 + s) gradients for every example at every
 * epoch, about 1 + s trainings; memory 12p bytes a step (p = 38,912 and 264 steps: 123 MB) and 12pQ.
 */
import {
  type Adapter,
  adapterShapes,
  createGradients,
  createRandom,
  createTrainer,
  loraOf,
  positionsFor,
  type Sequence,
  type TrainRecipe,
  trainingOrder,
} from "../../engine/index.ts";
import type { Products } from "../linalg.ts";
import type { Base } from "./collect.ts";

export type UnrolledOptions = {
  /** Label draws per example and step, for the Fisher matrix. */
  readonly samples: number;
  readonly seed: number;
  readonly onProgress?: (step: number, of: number) => void;
};

/** What a step did, and what it started from: `[p]` each. */
type Step = {
  readonly theta: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly rows: readonly number[];
  readonly learningRate: number;
  /** What a raw gradient was multiplied by before Adam saw it: clipping. */
  readonly clip: number;
};

/**
 * Trains as the recipe says and goes back.
 *
 * @returns `[Q,N]`, positive: the example made the query more likely
 */
export async function unrolledScores(
  base: Base,
  recipe: TrainRecipe,
  sequences: readonly Sequence[],
  queries: readonly Sequence[],
  products: Products,
  options: UnrolledOptions,
): Promise<Float32Array> {
  const lora = loraOf(recipe);
  const parts = ["A", "B"] as const;
  const positions = positionsFor([...sequences, ...queries]);
  const gradients = await createGradients(base, lora, { parts, positions, threads: recipe.threads });
  const { segments, width: p } = gradients;
  const shapes = new Map(adapterShapes(base.config, lora).map(({ name, shape }) => [name, shape]));

  const trainer = await createTrainer(base, recipe, sequences);
  const { state } = trainer;
  const flat = (of: (name: string) => Float32Array | undefined): Float32Array => {
    const out = new Float32Array(p);
    for (const { name, offset } of segments) out.set(of(name) ?? [], offset);
    return out;
  };
  const steps: Step[] = [];
  while (!trainer.done) {
    const theta = flat((name) => state.adapter.tensors.get(name)?.data as Float32Array);
    const { step, epoch, learningRate, gradientNorm } = await trainer.step();
    const first = (step % trainer.stepsPerEpoch) * recipe.batch;
    steps.push({
      theta,
      m: flat((name) => state.optimizer.moments.get(name)?.m),
      v: flat((name) => state.optimizer.moments.get(name)?.v),
      rows: trainingOrder(recipe.seed, sequences.length, epoch).slice(first, first + recipe.batch),
      learningRate,
      clip: Math.min(1, recipe.clip / Math.max(gradientNorm, 1e-30)),
    });
  }
  const adapterAt = (theta: Float32Array): Adapter => ({
    config: lora,
    tensors: new Map(
      segments.map(({ name, offset, length }) => [
        name,
        { data: theta.subarray(offset, offset + length), shape: shapes.get(name) as [number, number] },
      ]),
    ),
  });

  const q = queries.length;
  const n = sequences.length;
  const out = new Float32Array(q * n);
  const random = createRandom(options.seed, 71);
  const lambda = (await gradients.rows(state.adapter, queries)).data;
  const mu = new Float32Array(q * p);
  const nu = new Float32Array(q * p);
  const gamma = new Float32Array(q * p);
  const { beta1, beta2, epsilon, weightDecay } = recipe.optimizer;
  for (let t = steps.length - 1; t >= 0; t--) {
    const { theta, m, v, rows, learningRate, clip } = steps[t] as Step;
    const before = steps[t - 1];
    const chosen = rows.map((i) => sequences[i] as Sequence);
    const tokens = chosen.reduce((sum, { targets }) => sum + targets.length, 0);
    const own = await gradients.rows(adapterAt(theta), chosen, options.samples, random);

    const first = 1 - beta1 ** (t + 1);
    const second = 1 - beta2 ** (t + 1);
    const ofM = new Float64Array(p); // ∂θ'/∂m'
    const ofV = new Float64Array(p); // ∂θ'/∂v'
    const ofSquare = new Float64Array(p); // ∂v'/∂g
    for (let j = 0; j < p; j++) {
      const root = Math.sqrt((v[j] as number) / second);
      const inverse = 1 / (root + epsilon);
      const change = learningRate / first;
      ofM[j] = -change * inverse;
      if (root > 0) ofV[j] = (change * (m[j] as number) * inverse * inverse) / (2 * root * second);
      const g = ((m[j] as number) - beta1 * (before?.m[j] ?? 0)) / (1 - beta1);
      ofSquare[j] = 2 * (1 - beta2) * g;
    }
    for (let a = 0; a < q; a++)
      for (let j = 0, i = a * p; j < p; j++, i++) {
        const l = lambda[i] as number;
        const toM = (mu[i] as number) + l * (ofM[j] as number);
        const toV = (nu[i] as number) + l * (ofV[j] as number);
        gamma[i] = clip * ((1 - beta1) * toM + toV * (ofSquare[j] as number));
        mu[i] = beta1 * toM;
        nu[i] = beta2 * toV;
      }
    const dots = await products.timesTransposed(gamma, own.data, q, rows.length, p);
    rows.forEach((i, row) => {
      for (let a = 0; a < q; a++)
        out[a * n + i] = (out[a * n + i] as number) - (dots[a * rows.length + row] as number) / tokens;
    });
    const draws = rows.length * options.samples;
    const seen = await products.timesTransposed(gamma, own.sampled, q, draws, p);
    const curved = await products.times(seen, own.sampled, q, p, draws); // tokens · samples · H γ
    const kept = 1 - learningRate * weightDecay;
    const share = 1 / tokens / options.samples;
    for (let i = 0; i < lambda.length; i++)
      lambda[i] = kept * (lambda[i] as number) + share * (curved[i] as number);
    options.onProgress?.(steps.length - t, steps.length);
  }
  return out;
}
