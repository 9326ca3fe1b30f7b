/** A release's training run again from its manifest: on the same class of machine it gives the same adapter, to the last bit. */
import type { Datanets } from "../datanets/index.ts";
import { type Checkpoint, exportPeft } from "../engine/index.ts";
import { addressSchema, bytesDigest, type Digest, type Manifest } from "../protocol/index.ts";
import { recipeOf } from "./recipe.ts";
import { engineVersion } from "./release.ts";
import { readRows } from "./run-job.ts";
import { type EpochEvent, readableRows, type StepEvent, trainAdapter } from "./training.ts";

export type Reproduction = {
  /** Digest of the adapter that this machine trains, and whether it is the release's. */
  readonly adapter: Digest;
  readonly matches: boolean;
  /** The training that was found, to be compared when it does not: epoch released and held-out losses, nats per token. */
  readonly releasedEpoch: number;
  readonly heldOutLosses: readonly number[];
  readonly tensors: Uint8Array;
  /** Engine, runtime and processor of the release, and of this machine; bytes are only promised to agree where these do. */
  readonly releasedOn: string;
  readonly reproducedOn: string;
};

/**
 * @param base the release's base model
 * @param datanets which hold the versions that the manifest names
 * @throws ModelFactoryError, CancelledError; ZodError when the manifest's recipe is none of this program's
 */
export async function reproduceRelease(
  base: Checkpoint,
  datanets: Pick<Datanets, "getVersion">,
  manifest: Manifest,
  listen: {
    signal?: AbortSignal;
    onStep?: (event: StepEvent) => void;
    onEpoch?: (event: EpochEvent) => void;
  } = {},
): Promise<Reproduction> {
  const recipe = recipeOf(manifest);
  const rows = await readRows(
    { datanets: datanets as Datanets },
    { datanets: manifest.datanets, exclude: addressSchema.array().parse(manifest.recipe.exclude ?? []) },
  );
  const { state, releasedEpoch, heldOutLosses } = await trainAdapter(
    base,
    recipe,
    readableRows(base, recipe, rows.examples).sequences,
    readableRows(base, recipe, rows.heldOut).sequences,
    {
      signal: listen.signal ?? new AbortController().signal,
      onStep: listen.onStep ?? (() => {}),
      onEpoch: listen.onEpoch ?? (() => {}),
    },
  );
  const tensors = exportPeft(state.adapter, manifest.base.name)["adapter_model.safetensors"];
  const adapter = bytesDigest(tensors);
  return {
    adapter,
    matches: adapter === manifest.adapter.digest,
    releasedEpoch,
    heldOutLosses,
    tensors,
    releasedOn: manifest.engineVersion,
    reproducedOn: engineVersion(),
  };
}
