/**
 * `verify --index`: a release's index made again from its data, without training again, and compared: contributors' rows and so their sums,
 * null rows, basis, threshold, near duplicates, and single rows of the explain index. Only the metric is taken from the release, out of its
 * basis file; that it is the training's is for `verify --retrain`.
 *
 * Where engine, runtime and processor are the release's, everything agrees bit for bit; elsewhere within {@link indexTolerance}.
 */
import {
  defaultPayIndexOptions,
  type ExactRows,
  encodeBasis,
  groupRows,
  holdAgainst,
  type Representatives,
  type RowsApart,
} from "../attribution/index.ts";
import { type Checkpoint, createRandom, loadCheckpoint, shuffle } from "../engine/index.ts";
import { type BaseModel, buildReleaseIndex, engineVersion, isOfBase } from "../modelfactory/index.ts";
import {
  type Address,
  bytesDigest,
  type Digest,
  encodeRow,
  releaseId as releaseIdOf,
} from "../protocol/index.ts";
import {
  type IndexCheck,
  type IndexCheckName,
  type IndexMaterial,
  type OpenedClaims,
  openClaims,
} from "./index-claims.ts";
import { type ClusterClaims, compareClusters, openClusters } from "./index-clusters.ts";
import { compareExamples, type ExamplesApart } from "./index-examples.ts";
import { projectGradient } from "./projection.ts";
import { type IndexTolerance, indexTolerance, type RowFaults, rowFaults } from "./row-faults.ts";

export type IndexAttestation = {
  readonly releaseId: Digest;
  readonly checks: readonly IndexCheck[];
  /** Whether rows, basis and c came out bit for bit; null where nothing was computed. */
  readonly identical: boolean | null;
  /** How far rows were apart at most; null where nothing was computed. */
  readonly apart:
    | (RowFaults["apart"] & { readonly threshold: number; readonly examples: number | null })
    | null;
  /** Examples whose rows were made one by one, by their numbers among the release's rows. */
  readonly examples: readonly number[];
  /**
   * A row that nobody publishes, H⁻¹ of the sum over 64 held-out examples drawn by its seed, on 64 directions drawn by it: what only who made the
   * index again can show. No bytes where nothing was computed.
   */
  readonly witness: Uint8Array;
  readonly releasedOn: string;
  readonly attestedOn: string;
  readonly seconds: number;
};

export type AttestOptions = {
  /** Draws examples: a validator's own, so that no two check the same. */
  readonly seed: Digest;
  /** Draws the witness: a round's, so that all can be compared; the same seed unless given. */
  readonly witnessSeed?: Digest;
  readonly onProgress?: ((done: number, of: number, stage: string) => void) | undefined;
};

/** Examples drawn for the explain index, and held-out ones for the witness. */
const drawn = 64;
const mostFound = 32;

/** What part of the time each stage takes, roughly: for those who wait. */
const stages = {
  "near duplicates": 0.1,
  gradients: 0.5,
  "held-out gradients": 0.1,
  curvature: 0.25,
  basis: 0.05,
} as const;

/** @returns how indexes over one base model are attested; its weights are read once, when first needed */
export function createAttester(
  base: BaseModel,
  options: { threads?: number | undefined; tolerance?: IndexTolerance; scratchFolder?: string } = {},
) {
  const { tolerance = indexTolerance } = options;
  let loaded: ReturnType<typeof loadCheckpoint> | undefined;
  const checkpoint = () => (loaded ??= loadCheckpoint(base.folder));

  /** A failed check stops nothing that can still be computed: everything that can be said is said. */
  return async function attestIndex(
    material: IndexMaterial,
    { seed, witnessSeed = seed, onProgress = () => {} }: AttestOptions,
  ): Promise<IndexAttestation> {
    const started = performance.now();
    const { manifest } = material;
    const checks: IndexCheck[] = [];
    const check = (name: IndexCheckName, expected: string, actual: string, found: readonly string[] = []) => {
      const passed = expected === actual && found.length === 0;
      const named = found.length === 0 ? {} : { found: found.slice(0, mostFound) };
      checks.push({ name, status: passed ? "passed" : "failed", expected, actual, ...named });
      return passed;
    };
    const unchecked = (name: IndexCheckName, expected: string, actual: string) =>
      checks.push({ name, status: "unchecked", expected, actual });
    const done = (made: Partial<IndexAttestation> = {}): IndexAttestation => ({
      releaseId: releaseIdOf(manifest),
      checks,
      ...{ identical: null, apart: null, examples: [], witness: new Uint8Array() },
      releasedOn: manifest.engineVersion,
      attestedOn: engineVersion(),
      seconds: (performance.now() - started) / 1000,
      ...made,
    });
    const isBase = isOfBase(manifest, base);
    check("base", manifest.base.weightsDigest, isBase ? manifest.base.weightsDigest : base.weightsDigest);
    const claims = isBase ? openClaims(checkpoint(), material, check) : undefined;
    if (claims === undefined) {
      for (const name of ["clusters", "rows", "null rows", "directions", "threshold", "examples"] as const)
        unchecked(name, "the release's base, files, rows and recipe", "not as they should be");
      return done();
    }

    const { rows } = claims;
    const made = await makeAgain(checkpoint(), material, claims, {
      ...{ seed, witnessSeed, onProgress },
      threads: options.threads ?? manifest.threads,
      scratchFolder: options.scratchFolder,
    }).catch((error: Error) => error);
    if (made instanceof Error) {
      check("rows", "an index of this data", `none: ${made.message}`.slice(0, 400));
      return done();
    }
    const { built, held, payees, witness, singles, examples } = made;
    compareClusters(made.clusters, { again: made.again, kept: built.kept }, rows, check);
    const { contributors, nullRows } = manifest.index;
    const nameOf = (row: number) =>
      row < payees.length ? `row ${row} of contributor ${payees[row]}` : `null row ${row - payees.length}`;
    const faults = rowFaults(held, nameOf, tolerance);
    const isNull = ({ row }: { row: number }) => row >= payees.length;
    const words = (list: RowFaults["rows"]) => list.map(({ what }) => what);
    const all = (count: number, wrong: number) => `${count - wrong} of ${count} rows as recomputed`;
    const own = words(faults.rows.filter((fault) => !isNull(fault)));
    const nulls = words(faults.rows.filter(isNull));
    check("rows", all(contributors, 0), all(contributors, own.length), own);
    check("null rows", all(nullRows, 0), all(nullRows, nulls.length), nulls);
    const basisFaults = words(faults.directions);
    check(
      "directions",
      "a basis of all rows",
      basisFaults.length === 0 ? "a basis of all rows" : "not so",
      basisFaults,
    );

    const c = (millionths: number) => (millionths / 1e6).toFixed(6);
    const [told, found] = [manifest.index.thresholdMillionths, built.thresholdMillionths];
    const near = Math.abs(told - found) <= tolerance.threshold * found;
    check("threshold", `c = ${c(found)}`, near ? `c = ${c(found)}` : `c = ${c(told)}`);
    const { falseDiscoveryMillionths, heldOutExamples } = manifest.calibration;
    const share = Math.round(built.report.falseDiscovery * 1_000_000);
    const isShare =
      Math.abs(Number(falseDiscoveryMillionths) - share) <= tolerance.falseDiscovery * 1_000_000;
    const of = (millionths: unknown, heldOut: unknown) =>
      `${millionths} millionths, of ${heldOut} held-out examples`;
    check(
      "false discovery",
      of(share, built.report.heldOut),
      of(isShare ? share : falseDiscoveryMillionths, heldOutExamples),
    );
    const { length: count } = singles;
    if (examples === undefined) unchecked("examples", "an explain index", "none is here");
    else check("examples", all(count, 0), all(count, examples.faults.length), examples.faults);

    const rowBytes = Buffer.concat(built.rows.map((row) => encodeRow(row)));
    const publishedBytes = Buffer.concat(material.index.map(({ bytes }) => bytes));
    return done({
      identical:
        rowBytes.equals(publishedBytes) &&
        bytesDigest(encodeBasis(built.basis)) === manifest.index.basisDigest &&
        told === found &&
        (examples?.identical ?? true),
      apart: {
        ...faults.apart,
        threshold: Math.abs(told - found) / found,
        examples: examples?.apart ?? null,
      },
      examples: singles,
      witness,
    });
  };
}

type Making = AttestOptions & { readonly threads: number; readonly scratchFolder: string | undefined };

/** What is known once the near duplicates are, and once the rows are solved. */
type Found = {
  readonly clusters: ClusterClaims;
  readonly again: Representatives;
  /** Payees of the contributors' rows, and the numbers of the examples that are looked at one by one. */
  readonly payees: readonly Address[];
  readonly singles: readonly number[];
};
type Seen = {
  readonly held: RowsApart;
  readonly witness: Uint8Array;
  readonly examples: ExamplesApart | undefined;
};

/** Makes an index again, by the near duplicates that the release names: whether those are right is a check of its own. */
async function makeAgain(
  base: Checkpoint,
  { manifest, files }: IndexMaterial,
  claims: OpenedClaims,
  { seed, witnessSeed = seed, threads, scratchFolder, onProgress = () => {} }: Making,
): Promise<Found & Seen & { built: Awaited<ReturnType<typeof buildReleaseIndex>> }> {
  const { adapter, basis, recipe, rows, damping, samples } = claims;
  const { nullRows, clustersDigest, explainDigest } = manifest.index;
  const draw = (by: Digest, stream: number) => createRandom(Number(BigInt(by) & 0xffff_ffff_ffffn), stream);
  const names = Object.keys(stages) as (keyof typeof stages)[];
  const report = (stage: string, part: number) => {
    const at = names.indexOf(stage as keyof typeof stages);
    const before = names.slice(0, at).reduce((sum, name) => sum + stages[name], 0);
    onProgress(Math.round(1000 * (before + part * (stages[names[at] ?? "basis"] ?? 0))), 1000, stage);
  };
  const { promise: found, resolve: onFound } = Promise.withResolvers<Found>();
  const { promise: seen, resolve: onSeen } = Promise.withResolvers<Seen>();
  const built = await buildReleaseIndex(
    base,
    { recipe, adapter, ...rows, contributors: rows.contributors.length },
    {
      metric: basis.metric,
      options: { damping, samples, nullRows, threads, ...(scratchFolder !== undefined && { scratchFolder }) },
      onProgress: (stage, at, of) => report(stage, of === 0 ? 1 : at / of),
      more: ({ representatives: again, kept }) => {
        const clusters = openClusters(files.clusters, clustersDigest, { kept });
        const representatives = clusters.representatives ?? again;
        const alone = [...kept.keys()].filter((at) => representatives[at] === at);
        const { contributorOfRow, examplesPerRow } = groupRows(
          alone.map((at) => rows.contributorOf[kept[at] as number] as number),
          rows.contributors.length,
          {
            examplesPerRow: defaultPayIndexOptions.examplesPerRow,
            nullRows,
          },
        );
        const payees = contributorOfRow.map((contributor) => rows.contributors[contributor] as Address);
        const published = claims.published(payees, examplesPerRow);
        const chosen = shuffle(alone, draw(seed, 1))
          .slice(0, drawn)
          .sort((a, b) => a - b);
        const singles = chosen.map((at) => kept[at] as number);
        onFound({ clusters, again, payees, singles });
        const take = async (exact: ExactRows) => {
          const told = { digest: explainDigest, rows: rows.examples.length, seed: recipe.seed };
          onSeen({
            held: await holdAgainst(exact, published),
            witness: projectGradient(exact.heldOut(), witnessSeed),
            examples: files.explain && compareExamples(files.explain, told, singles, exact.example),
          });
        };
        const heldOut = (count: number) => {
          const random = draw(witnessSeed, 2);
          return Array.from({ length: drawn }, () => random.below(count));
        };
        return { representatives, inspect: { examples: chosen, heldOut, take } };
      },
    },
  );
  return { built, ...(await found), ...(await seen) };
}
