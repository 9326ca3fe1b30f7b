/** The last step: all that the others left becomes one signed manifest on chain. */
import { defaultPayIndexOptions } from "../../attribution/index.ts";
import { type Address, type Digest, indexTree, releaseId as releaseIdOf } from "../../protocol/index.ts";
import { ModelFactoryError } from "../errors.ts";
import { type FineTuningJob, settleSigningTime } from "../job.ts";
import { givenBy, type Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import {
  baseDigest,
  buildManifest,
  type CalibratedStep,
  decimalFraction,
  type Evaluated,
  type Indexed,
  indexRows,
  signRelease,
  type Trained,
} from "../release.ts";
import { findRelease, latestRelease } from "../releases.ts";

/** Manifest, chain, signature, and the row that makes it askable; safe to run again after any of them. */
export async function release(
  parts: RunJobParts,
  job: FineTuningJob,
  rows: Rows,
  trained: Trained,
  evaluated: Evaluated,
  indexed: Indexed,
  calibrated: CalibratedStep,
): Promise<Digest> {
  const { database, blobs, registry, developer, base, afterStep, now } = parts;
  const { spec } = job;
  const tree = indexTree(indexRows(await blobs.get(indexed.rows), indexed.k, indexed.contributors));
  const price = {
    promptWeiPerToken: BigInt(spec.price.promptWeiPerToken),
    completionWeiPerToken: BigInt(spec.price.completionWeiPerToken),
  };
  const signedAtMs = await settleSigningTime(database, job.id, now());
  const parent =
    (await latestRelease(database, spec.model, signedAtMs)) ??
    (spec.continueFrom === null ? undefined : await findRelease(database, spec.continueFrom));
  const manifest = buildManifest({
    base,
    versions: rows.versions,
    acceptedExamples: rows.acceptedExamples,
    recipe: spec.recipe,
    exclude: spec.exclude as Address[],
    continueFrom: spec.continueFrom,
    trained,
    evaluated,
    indexed,
    calibrated,
    indexRoot: tree.root,
    alpha: decimalFraction(spec.recipe.alpha),
    price,
    developer: developer.address.toLowerCase() as Address,
    parentRelease: parent?.id ?? null,
    createdAtMs: signedAtMs,
    damping: decimalFraction(defaultPayIndexOptions.damping),
    samples: defaultPayIndexOptions.samples,
  });
  const id = releaseIdOf(manifest);
  const modelId = await registry.ensureModel(developer, spec.model);
  const owner = await registry.ownerOf(modelId);
  if (owner.toLowerCase() !== developer.address.toLowerCase())
    throw new ModelFactoryError(
      "not-owner",
      `The model name "${spec.model}" belongs to ${owner}, not to ${developer.address}. Choose another name.`,
    );
  const transactionHash = (await registry.releaseExists(id))
    ? null
    : await registry.publish(developer, modelId, {
        releaseId: id,
        baseDigest: baseDigest(base),
        adapterDigest: trained.adapterTensors,
        indexRoot: tree.root,
        indexRows: indexed.contributors.length + indexed.nullRows,
        contributorRows: indexed.contributors.length,
        k: indexed.k,
        thresholdMillionths: indexed.thresholdMillionths,
        parentRelease: manifest.parentRelease ?? `0x${"0".repeat(64)}`,
        ...price,
        versions: spec.datanets.map(({ datanetId, version }) => ({
          datanetId: BigInt(datanetId),
          version: BigInt(version),
        })),
      });
  await afterStep("published");
  const signature = await signRelease(developer, id);
  await database.query(
    `insert into modelfactory.releases (id, model, manifest, adapter_config, rows_digest, contributors, signature, transaction_hash, job_id, created_at_ms, given)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing`,
    [
      id,
      spec.model,
      manifest,
      trained.adapterConfig,
      indexed.rows,
      JSON.stringify(indexed.contributors),
      signature,
      transactionHash,
      job.id,
      signedAtMs,
      JSON.stringify(givenBy(rows)),
    ],
  );
  return id;
}
