/** What a training step computes. */
import { type ModelConfig, type ModuleName, moduleNames, moduleShape } from "../../src/engine/index.ts";

export type StepShape = {
  readonly modules: readonly ModuleName[];
  readonly rank: number;
  /** Sequences, positions of each, and positions that loss falls on, all sequences together. */
  readonly batch: number;
  readonly positions: number;
  readonly lossRows: number;
};

/**
 * Floating-point operations of one LoRA step that the loss and its gradient call for, a multiply-add counted as two; norms, activations
 * and the optimiser are left out. Base weights: forward, and ∂x = ∂y W behind the first adapted input. Adapters: x Aᵀ, (x Aᵀ) Bᵀ, and
 * the four products of their backward pass. Attention: two products forward, four backward, over the whole square of positions.
 */
export function stepFlops(config: ModelConfig, shape: StepShape): number {
  const { batch, positions, rank, modules, lossRows } = shape;
  const tokens = batch * positions;
  let flops = 0;
  for (let layer = 0; layer < config.layers; layer++) {
    for (const name of moduleNames) {
      const [out, inp] = moduleShape(config, name);
      // Nothing below the first layer's input is trained, so q, k and v of that layer pass no gradient on.
      const backward = !(layer === 0 && ["q_proj", "k_proj", "v_proj"].includes(name));
      flops += 2 * tokens * out * inp * (backward ? 2 : 1);
      if (modules.includes(name)) {
        const one = 2 * tokens * rank;
        flops += one * (inp + out) * 2 + one * (out + (backward ? inp : 0));
      }
    }
    flops += 6 * 2 * batch * config.heads * positions ** 2 * config.headDim;
  }
  return flops + 2 * 2 * lossRows * config.vocab * config.hidden;
}
