/** From a finished answer to its gradient and its integers: what the scoring thread does, and what whoever checks it does again. */
import {
  type Adapter,
  type Checkpoint,
  createGradients,
  type LoraConfig,
  moduleNames,
  parseSafetensors,
  readPeft,
  sequenceOf,
} from "../engine/index.ts";
import { decodeBasis, scaleGradient } from "./basis.ts";
import { createProjection } from "./projection.ts";
import { directionsOf, maxDirections, widenAdapter } from "./widen.ts";

/** A release's files that scoring takes, as they are. */
export type QueryFiles = {
  /** Named in what goes wrong. */
  readonly release: string;
  readonly adapterConfig: Uint8Array;
  readonly adapterTensors: Uint8Array;
  readonly basis: Uint8Array;
};

/** Tokens exactly as the model read and wrote them. */
export type AnsweredTokens = { readonly promptIds: readonly number[]; readonly outputIds: readonly number[] };

/** A release ready to be asked. */
export type QueryRelease = {
  /** As the files hold it. */
  readonly trained: Adapter;
  /** As it is read: along the directions that the basis is for. */
  readonly adapter: Adapter;
  /** Dimensions of q. */
  readonly k: number;
  readonly gradients: Awaited<ReturnType<typeof createGradients>>;
  /** ∇ℓ of the answer by the widened adapter's B matrices, `[p]`: one forward and one backward pass. */
  gradient(answer: AnsweredTokens): Promise<Float32Array>;
  /** The gradient in the coordinates of the index, `[p]`. */
  scaled(answer: AnsweredTokens): Promise<Float32Array>;
  /** From a gradient to q, k integers. */
  project(gradient: Float32Array): Int16Array;
  /** q of an answer. */
  query(answer: AnsweredTokens): Promise<Int16Array>;
};

/**
 * @param options.maxLength longer answers lose their beginning; serving never writes one that is longer than its context
 * @returns how to open a release; releases of one shape share a graph
 */
export function createQueries(base: Checkpoint, options: { maxLength: number; threads: number }) {
  const graphs = new Map<string, ReturnType<typeof createGradients>>();
  function graphOf(lora: LoraConfig) {
    const key = JSON.stringify([lora.rank, lora.scale, lora.modules]);
    let graph = graphs.get(key);
    if (graph === undefined) {
      graph = createGradients(base, lora, {
        parts: ["B"],
        positions: options.maxLength,
        threads: options.threads,
      });
      graphs.set(key, graph);
    }
    return graph;
  }
  return {
    /** @throws when the files are not an adapter of this base and a basis for its gradients */
    async open({ release, adapterConfig, adapterTensors, basis: bytes }: QueryFiles): Promise<QueryRelease> {
      const trained = readPeft(
        JSON.parse(new TextDecoder().decode(adapterConfig)),
        parseSafetensors(adapterTensors, `of release ${release}`),
        base.config,
        `of release ${release}`,
      );
      const basis = decodeBasis(bytes);
      const directions = directionsOf(base.config, trained, basis.metric.length);
      const { rank } = trained.config;
      if (!Number.isInteger(directions) || directions < rank || directions > maxDirections)
        throw new RangeError(
          `The basis of release ${release} is for gradients of ${basis.metric.length} numbers, ${directions} directions for each output; its adapter has ${rank}, and at most ${maxDirections} are read.`,
        );
      const adapter = widenAdapter(base.config, trained, directions);
      const modules = moduleNames.filter((name) => adapter.config.modules.includes(name));
      const gradients = await graphOf({ ...adapter.config, modules });
      const project = createProjection(basis);
      const gradient = async ({ promptIds, outputIds }: AnsweredTokens) => {
        const sequence = sequenceOf(promptIds, outputIds, options.maxLength);
        return (await gradients.rows(adapter, [sequence])).data;
      };
      return {
        trained,
        adapter,
        k: basis.k,
        gradients,
        gradient,
        project,
        scaled: async (answer) => scaleGradient(basis, await gradient(answer)),
        query: async (answer) => project(await gradient(answer)),
      };
    },
  };
}
