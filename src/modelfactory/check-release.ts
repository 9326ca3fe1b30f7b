/** `verify --retrain`: whether a release's adapter is what its manifest says was trained, found out by training it. */
import { decodeBasis } from "../attribution/index.ts";
import type { CarriedVersion, VersionContent } from "../datanets/index.ts";
import { loadCheckpoint } from "../engine/index.ts";
import { bytesDigest, type Digest, type Manifest, releaseId } from "../protocol/index.ts";
import { type AdapterDistance, adapterDistance } from "./adapter-distance.ts";
import {
  adapterTolerance,
  judgeTraining,
  type NamedCheck,
  oneLine,
  openStart,
  openVersions,
  type StartMaterial,
  whyNot,
} from "./check-parts.ts";
import { recipeOf } from "./recipe.ts";
import type { Registered } from "./registered.ts";
import { type BaseModel, baseDigest, engineVersion, isOfBase } from "./release.ts";
import {
  type Difference,
  type Reproduction,
  type ReproductionEvents,
  reproduceRelease,
  reproductionDifferences,
} from "./reproduce.ts";

/** A release as it was got, from a node or a file. */
export type ReleaseMaterial = {
  /** The release that is meant. */
  readonly releaseId: Digest;
  readonly manifest: Manifest;
  /** The adapter's tensors, as they are served. */
  readonly adapter: Uint8Array;
  /** The index's basis, which holds the metric; null where it was not had. */
  readonly basis: Uint8Array | null;
  /** In the manifest's order; an Error says why one could not be had. */
  readonly versions: readonly (CarriedVersion | Error)[];
  /** The release that its training continued from, where its recipe names one; an Error says why it could not be had. */
  readonly start?: StartMaterial | Error | undefined;
  /** What the chain says of it; null where none was asked. */
  readonly registered: Registered | null;
};

/**
 * In the order in which they are made: `release` (its manifest's digest is its id), `registry` (the chain knows it), `base`, `adapter` (the
 * bytes served), `recipe`, `start` (of a training that continued another: that release's adapter), `datanet <id>@<version>` for each, `training`, `metric` (the one that the index's gradients are scaled by is that of the
 * training's optimizer).
 */
export type ReleaseCheck = NamedCheck;

/** What of a training is not said: too large, and compared already. */
type Compared = "tensors" | "metric";

export type ReleaseRetraining = {
  readonly releaseId: Digest;
  readonly checks: readonly ReleaseCheck[];
  /** Null where there was nothing to train, or nothing to train it on. */
  readonly reproduction: Omit<Reproduction, Compared> | null;
  /** Whether engine, runtime and processor are those of the release: where they are, the bytes must be, too. */
  readonly sameMachine: boolean;
  readonly differences: readonly Difference[];
  /** From the release's adapter to the one trained here; null where they are the same, or one of them is missing. */
  readonly distance: AdapterDistance | null;
  readonly seconds: number;
};

/** A failed check stops nothing that can still be told: everything is said at once. */
export async function retrainRelease(
  material: ReleaseMaterial,
  base: BaseModel,
  listen: ReproductionEvents = {},
): Promise<ReleaseRetraining> {
  const started = performance.now();
  const { manifest } = material;
  const checks: ReleaseCheck[] = [];
  const add = (name: string, expected: string, actual: string) =>
    checks.push({ name, status: expected === actual ? "passed" : "failed", expected, actual });
  add("release", material.releaseId, releaseId(manifest));
  if (material.registered === null)
    checks.push({ name: "registry", status: "unchecked", expected: "the chain", actual: "not asked" });
  else add("registry", material.registered.expected, material.registered.actual);
  const isBase = isOfBase(manifest, base);
  add("base", baseDigest(manifest.base), baseDigest(base));
  const adapter = bytesDigest(material.adapter);
  add("adapter", manifest.adapter.digest, adapter);
  const mayTrain = checkRecipe(manifest, checks);
  const checkpoint = isBase ? loadCheckpoint(base.folder) : undefined;
  const named = manifest.recipe.continueFrom as Digest | undefined;
  const start = openStart(named, material.start, checkpoint?.config, checks);
  const versions = openVersions(
    manifest.datanets.map((of, i) => {
      const manifestDigest = material.registered?.versions[i];
      return { ...of, ...(manifestDigest === undefined ? {} : { manifestDigest }) };
    }),
    material.versions,
    checks,
  );
  const done = (
    reproduction: Reproduction | null,
    more: Partial<Pick<ReleaseRetraining, "differences" | "distance">> = {},
  ): ReleaseRetraining => {
    const { tensors: _, metric: __, ...found } = reproduction ?? { tensors: null, metric: null };
    return {
      releaseId: material.releaseId,
      checks,
      reproduction: reproduction === null ? null : (found as Omit<Reproduction, Compared>),
      sameMachine: manifest.engineVersion === engineVersion(),
      differences: [],
      distance: null,
      ...more,
      seconds: (performance.now() - started) / 1000,
    };
  };
  const lacks = [
    ...(isBase ? [] : ["the manifest's base model"]),
    ...(mayTrain ? [] : ["a recipe of this program"]),
    ...(start === null ? ["the adapter that it began with"] : []),
    ...(versions.length === manifest.datanets.length ? [] : ["every Datanet version"]),
  ];
  if (checkpoint === undefined || start === null || lacks.length > 0) {
    checks.push({ name: "training", status: "unchecked", expected: lacks.join(", "), actual: "not here" });
    return done(null);
  }
  const datanets = {
    getVersion: async (id: bigint, version: number) =>
      versions[
        manifest.datanets.findIndex((of) => BigInt(of.datanetId) === id && of.version === version)
      ] as VersionContent,
  };
  const began = start === undefined ? listen : { ...listen, start };
  const made = await reproduceRelease(checkpoint, datanets, manifest, began).catch(whyNot);
  if (made instanceof Error) {
    const { digest } = manifest.adapter;
    checks.push({ name: "training", status: "failed", expected: digest, actual: oneLine(made) });
    return done(null);
  }
  const differences = reproductionDifferences(manifest, made);
  const distance =
    made.matches || adapter !== manifest.adapter.digest
      ? null
      : adapterDistance(material.adapter, made.tensors);
  checks.push(
    judgeTraining(
      { whose: "the release's", digest: manifest.adapter.digest, on: made.releasedOn },
      { digest: made.adapter, on: made.reproducedOn },
      distance,
    ),
  );
  judgeMetric(material, made, distance, checks);
  return done(made, { differences, distance });
}

function judgeMetric(
  { manifest, basis }: ReleaseMaterial,
  { matches, metric, releasedOn, reproducedOn }: Reproduction,
  distance: AdapterDistance | null,
  checks: ReleaseCheck[],
): void {
  const add = (status: ReleaseCheck["status"], expected: string, actual: string) =>
    checks.push({ name: "metric", status, expected, actual });
  if (basis === null) return void add("unchecked", "the index's basis", "not here");
  const { basisDigest } = manifest.index;
  const digest = bytesDigest(basis);
  if (digest !== basisDigest) return void add("failed", basisDigest, digest);
  // Where the bytes must agree and do not, another training was found; elsewhere nearness is all there is.
  const isThis = matches || (releasedOn !== reproducedOn && (distance?.overall ?? 1) <= adapterTolerance);
  if (!isThis) return void add("unchecked", "the release's training", "another one");
  const expected =
    releasedOn === reproducedOn
      ? "the training's, to the last bit"
      : `at most ${adapterTolerance} of its length from the training's`;
  const allowed = releasedOn === reproducedOn ? 0 : adapterTolerance;
  try {
    const released = decodeBasis(basis).metric;
    if (released.length !== metric.length)
      return void add("failed", expected, `${released.length} numbers, not ${metric.length}`);
    const apart = relativeDistance(released, metric);
    if (apart <= allowed) add("passed", expected, expected);
    else add("failed", expected, `${apart.toExponential(2)} of its length from it`);
  } catch (error) {
    add("failed", expected, oneLine(error));
  }
}

/** ‖a − b‖ / ‖b‖; NaN where one of them holds what is no number. */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  let [off, length] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    off += ((a[i] as number) - (b[i] as number)) ** 2;
    length += (b[i] as number) ** 2;
  }
  return Math.sqrt(off / length);
}

/** @returns whether there is something to train by */
function checkRecipe(manifest: Manifest, checks: ReleaseCheck[]): boolean {
  const { seed, threads, adapter } = manifest;
  const said = (of: { seed: number; threads: number; rank: number }) =>
    `seed ${of.seed}, ${of.threads} threads, rank ${of.rank}`;
  const expected = said({ seed, threads, rank: adapter.rank });
  try {
    const actual = said(recipeOf(manifest));
    checks.push({ name: "recipe", status: actual === expected ? "passed" : "failed", expected, actual });
    return true;
  } catch (error) {
    checks.push({
      name: "recipe",
      status: "failed",
      expected: "a recipe of this program",
      actual: oneLine(error),
    });
    return false;
  }
}
