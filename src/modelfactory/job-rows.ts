/** What a job is trained and evaluated on, and what is asked of it beforehand. */
import { heldOutLeast } from "../attribution/index.ts";
import type { VersionContent, VersionSummary } from "../datanets/index.ts";
import type { Example } from "../engine/index.ts";
import type { Address } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { asksPrice, type JobSpec } from "./job.ts";
import type { RunJobParts } from "./parts.ts";
import { type Given, latestRelease } from "./releases.ts";

export type Rows = ReturnType<typeof rowsOf<VersionSummary & VersionContent>>;

/** Rows to train on, whose they are, and rows never to train on, in the order of the versions. @throws ModelFactoryError `nothing-to-train` */
export async function readRows<V extends Pick<VersionContent, "rows" | "heldout">>(
  { datanets }: { datanets: { getVersion(datanetId: bigint, version: number): Promise<V> } },
  spec: Pick<JobSpec, "datanets" | "exclude">,
) {
  return rowsOf(
    await Promise.all(
      spec.datanets.map(({ datanetId, version }) => datanets.getVersion(BigInt(datanetId), version)),
    ),
    spec.exclude,
  );
}

/** The same from versions at hand. @throws ModelFactoryError `nothing-to-train` */
export function rowsOf<V extends Pick<VersionContent, "rows" | "heldout">>(
  versions: readonly V[],
  exclude: readonly Address[],
) {
  const excluded = new Set(exclude);
  const kept = versions.map((version) => version.rows.filter((row) => !excluded.has(row.contributor)));
  const rows = kept.flat();
  if (rows.length === 0)
    throw new ModelFactoryError(
      "nothing-to-train",
      "No examples are left to train on: every contributor is excluded.",
    );
  const contributors = [...new Set(rows.map((row) => row.contributor))].sort();
  const number = new Map(contributors.map((address, i) => [address, i]));
  return {
    versions,
    acceptedExamples: kept.map((part) => part.length),
    examples: rows.map((row) => row.example as Example),
    contributorOf: rows.map((row) => number.get(row.contributor) as number),
    contributors,
    heldOut: versions.flatMap((version) =>
      version.heldout.filter((row) => !excluded.has(row.contributor)).map((row) => row.example as Example),
    ),
  };
}

/** Whose the rows are, and how many of each; most first. */
export function givenBy({
  contributors,
  contributorOf,
}: Pick<Rows, "contributors" | "contributorOf">): Given[] {
  const examples = contributors.map(() => 0);
  for (const c of contributorOf) examples[c] = (examples[c] as number) + 1;
  return contributors
    .map((contributor, c) => ({ contributor, examples: examples[c] as number }))
    .sort((a, b) => b.examples - a.examples);
}

/** @param count how many examples the base can read @throws ModelFactoryError `nothing-to-train` */
export function requireExamples(count: number): void {
  if (count === 0)
    throw new ModelFactoryError("nothing-to-train", "None of the examples can be read by the base model.");
}

/** Before anything is trained, what its index would stumble over. @throws ModelFactoryError `too-few-held-out` */
export function requireHeldOut({ publish }: Pick<JobSpec, "publish">, count: number): void {
  if (publish && count < heldOutLeast)
    throw new ModelFactoryError(
      "too-few-held-out",
      `A pay index needs at least ${heldOutLeast} held-out examples to tell influence from chance; there are ${count}. Contribute more with --heldout and publish a version, which is then trained on; or ask for no release (publish: false).`,
    );
}

/** The base model's name, and those of adapters that the operator loaded, stay theirs. @throws ModelFactoryError `model-taken` */
export async function requireName(
  { base, takenBy }: Pick<RunJobParts, "base" | "takenBy">,
  { model, publish }: Pick<JobSpec, "model" | "publish">,
): Promise<void> {
  const by = !publish ? undefined : model === base.name ? "the base model" : await takenBy(model);
  if (by === undefined) return;
  throw new ModelFactoryError(
    "model-taken",
    `The name "${model}" is taken by ${by}: a release would never be asked under it, or take its place. Choose another name.`,
  );
}

/**
 * What binds a model's next release: asked when it is ordered, and again when it is worked on, because another may have been released while it waited.
 * Jobs run one at a time, so that none is released while it runs.
 *
 * @throws ModelFactoryError `not-commercial`
 */
export async function requirePrice(
  { database, registry }: Pick<RunJobParts, "database" | "registry">,
  spec: Pick<JobSpec, "model" | "price" | "publish">,
): Promise<void> {
  const parent = spec.publish && asksPrice(spec) ? await latestRelease(database, spec.model) : undefined;
  if (parent === undefined || (await registry.permitsPrice(parent.id))) return;
  throw new ModelFactoryError(
    "not-commercial",
    `The latest release of "${spec.model}", ${parent.id}, is made of data that permits no commercial use, which binds the releases after it: they must ask 0 per token. Set both prices to 0, or choose another model name.`,
  );
}

/** @param heldOut how many rows its Datanets have that are never trained on @throws ModelFactoryError `nothing-to-evaluate` */
export function requireEvaluation({ evaluation }: Pick<JobSpec, "evaluation">, heldOut: number): void {
  if (evaluation.length === 0 && heldOut === 0)
    throw new ModelFactoryError(
      "nothing-to-evaluate",
      `There is nothing to evaluate on: no version that is named has held-out rows. Contribute some with --heldout (a release needs ${heldOutLeast}) and publish a version, which is then trained on; or give the job examples to evaluate on.`,
    );
}

/** What a job is evaluated on. @throws ModelFactoryError `nothing-to-evaluate` */
export function evaluationRows(spec: Pick<JobSpec, "evaluation">, { heldOut }: Pick<Rows, "heldOut">) {
  requireEvaluation(spec, heldOut.length);
  return (spec.evaluation.length > 0 ? spec.evaluation : heldOut) as Example[];
}
