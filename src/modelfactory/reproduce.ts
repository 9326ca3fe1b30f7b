/** A release's training run again from its manifest: on the same class of machine it gives the same adapter, to the last bit. */
import type { VersionContent } from "../datanets/index.ts";
import { type Adapter, type Checkpoint, exportPeft } from "../engine/index.ts";
import { addressSchema, bytesDigest, type Digest, type Manifest } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { readRows } from "./job-rows.ts";
import { recipeOf } from "./recipe.ts";
import { engineVersion } from "./release.ts";
import { trainedMetric } from "./release-index.ts";
import { type EpochEvent, readableRows, type StepEvent, trainAdapter } from "./training.ts";
import { trainingRows } from "./training-rows.ts";

export type Reproduction = {
  /** Digest of the adapter that this machine trains, and whether it is the release's. */
  readonly adapter: Digest;
  readonly matches: boolean;
  /** The training that was found, to be compared when it does not: epoch released, epochs run, held-out losses, nats per token. */
  readonly releasedEpoch: number;
  readonly trainedEpochs: number;
  readonly heldOutLosses: readonly number[];
  readonly tensors: Uint8Array;
  /** D^−½ of what this training left, `[p]`: what a release's basis must hold. */
  readonly metric: Float32Array;
  /** Engine, runtime and processor of the release, and of this machine; bytes are only promised to agree where these do. */
  readonly releasedOn: string;
  readonly reproducedOn: string;
};

export type ReproductionEvents = {
  signal?: AbortSignal;
  onStep?: (event: StepEvent) => void;
  onEpoch?: (event: EpochEvent) => void;
  /** The adapter that the release's training continued from: its recipe's `continueFrom` names the release it is of. */
  start?: Adapter;
};

/**
 * @param base the release's base model
 * @param datanets which hold the versions that the manifest names
 * @throws ModelFactoryError, also when a version is not the manifest's; CancelledError; ZodError when the manifest's recipe is none of
 *   this program's
 */
export async function reproduceRelease(
  base: Checkpoint,
  datanets: {
    getVersion(
      datanetId: bigint,
      version: number,
    ): Promise<Pick<VersionContent, "manifest" | "rows" | "heldout">>;
  },
  manifest: Manifest,
  listen: ReproductionEvents = {},
): Promise<Reproduction> {
  const recipe = recipeOf(manifest);
  if (manifest.recipe.continueFrom !== undefined && listen.start === undefined)
    throw new ModelFactoryError(
      "other-adapter",
      `This release continues the training of release ${manifest.recipe.continueFrom}: its training can be made again only from that release's adapter.`,
    );
  const rows = await readRows(
    { datanets },
    { datanets: manifest.datanets, exclude: addressSchema.array().parse(manifest.recipe.exclude ?? []) },
  );
  for (const [i, { datanetId, version, root }] of manifest.datanets.entries())
    if (rows.versions[i]?.manifest.root !== root)
      throw new ModelFactoryError(
        "other-data",
        `Version ${version} of Datanet ${datanetId} here has root ${rows.versions[i]?.manifest.root}; the release was trained on ${root}.`,
      );
  const { state, releasedEpoch, epochLosses, heldOutLosses } = await trainAdapter(
    base,
    recipe,
    trainingRows(base, recipe, rows.examples).sequences,
    readableRows(base, recipe, rows.heldOut).sequences,
    {
      signal: listen.signal ?? new AbortController().signal,
      onStep: listen.onStep ?? (() => {}),
      onEpoch: listen.onEpoch ?? (() => {}),
      start: listen.start,
    },
  );
  const tensors = exportPeft(state.adapter, manifest.base.name)["adapter_model.safetensors"];
  const adapter = bytesDigest(tensors);
  return {
    adapter,
    matches: adapter === manifest.adapter.digest,
    releasedEpoch,
    trainedEpochs: epochLosses.length,
    heldOutLosses,
    tensors,
    metric: trainedMetric(
      base.config,
      state.adapter,
      (name) => state.optimizer.moments.get(name)?.v as Float32Array,
      state.step,
    ),
    releasedOn: manifest.engineVersion,
    reproducedOn: engineVersion(),
  };
}

/** Something that the release says of its training, and what it was here. */
export type Difference = { readonly what: string; readonly released: string; readonly here: string };

const words = (value: unknown) => (value === undefined ? "not stated" : String(value));

/** What a training found otherwise than its release says; nothing where all of it agrees. Losses are compared in millionths, as stated. */
export function reproductionDifferences(manifest: Manifest, made: Reproduction): Difference[] {
  const [released, here] = [made.releasedOn, made.reproducedOn].map(machineOf) as [Machine, Machine];
  const { releasedEpoch, trainedEpochs, heldOutLossMillionths } = manifest.evaluation;
  const stated = Array.isArray(heldOutLossMillionths) ? heldOutLossMillionths : [];
  const losses = made.heldOutLosses.map((loss) => Math.round(loss * 1e6));
  const facts: [string, unknown, unknown][] = [
    ["engine", released.engine, here.engine],
    ["runtime", released.runtime, here.runtime],
    ["platform", released.platform, here.platform],
    ["processor", released.processor, here.processor],
    ["epoch released", releasedEpoch, made.releasedEpoch],
    ["epochs trained", trainedEpochs, made.trainedEpochs],
    ...Array.from(
      { length: Math.max(stated.length, losses.length) },
      (_, epoch): [string, unknown, unknown] => [
        `held-out loss after epoch ${epoch}, millionths`,
        stated[epoch],
        losses[epoch],
      ],
    ),
  ];
  return facts
    .filter(([, a, b]) => words(a) !== words(b))
    .map(([what, a, b]) => ({ what, released: words(a), here: words(b) }));
}

type Machine = Record<"engine" | "runtime" | "platform" | "processor", string | undefined>;

/** The parts of {@link engineVersion}. */
function machineOf(text: string): Machine {
  const [engine, runtime, platform, ...processor] = text.split(" ");
  return { engine, runtime, platform, processor: processor.join(" ") || undefined };
}
