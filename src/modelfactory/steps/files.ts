/** What steps leave in the blob store for each other. */
import type { RunJobParts } from "../parts.ts";
import type { Trained } from "../release.ts";

export const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

export const adapterOf = async ({ blobs }: RunJobParts, trained: Trained) => ({
  config: await blobs.get(trained.adapterConfig),
  tensors: await blobs.get(trained.adapterTensors),
});
