import { randomBytes } from "node:crypto";
import {
  describeCalibration,
  digestSchema,
  releaseId as releaseIdOf,
  releaseStanding,
  standingLines,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import { temporaryFolder } from "../store/index.ts";
import {
  createAttester,
  type IndexAttestation,
  type IndexMaterial,
  indexTolerance,
  nodeSource,
  openVersions,
  sourceIndex,
} from "../validators/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";
import { type FetchParts, type LoadedRelease, loadRelease } from "./release-file.ts";
import { openBase } from "./verify-base.ts";
import { reportVerification, type ShownCheck } from "./verify-report.ts";

type Options = {
  save?: string | undefined;
  base?: string | undefined;
  seed?: string | undefined;
  /** The release's own number unless given. */
  threads?: number | undefined;
};

/** `verify --index`: a release's index made again from its data. */
export async function verifyIndex(io: Io, release: string, options: Options): Promise<void> {
  const seed = digestSchema.safeParse(options.seed ?? toHex(new Uint8Array(randomBytes(32))));
  if (!seed.success) throw new CliError("--seed takes 0x and 64 hex digits.", { exitCode: exitCodes.usage });
  const base = await openBase(options.base);
  await using scratch = await temporaryFolder("verify");
  const loaded = await loadRelease(release, options.save, fetchIndex(scratch.path));
  const material = materialOf(release, loaded);
  const bar = progressBar(io, "Making the index again");
  bar.update(0, 1, "reading its data");
  const attest = createAttester(base, { threads: options.threads });
  const found = await attest(material, { seed: seed.data, onProgress: bar.update }).finally(() => bar.end());
  const [expected, actual] = [loaded.releaseId, releaseIdOf(material.manifest)];
  const checks: ShownCheck[] = [
    { name: "release", status: actual === expected ? "passed" : "failed", expected, actual },
    ...found.checks,
  ];
  const calibration = describeCalibration(material.manifest);
  const holds = checks.every(({ status }) => status === "passed");
  const standing = releaseStanding(material.registered?.attested, holds ? "index" : undefined);
  const { checks: _, witness, ...shown } = found;
  reportVerification(io, {
    what: "The release's index",
    checks,
    json: { ...shown, checks, seed: seed.data, witness: toHex(witness), calibration, standing },
    paragraphs: [indexWords(found), [`Its scores are ${calibration.label}`, ...standingLines(standing)]],
  });
}

/** What was found, in words. */
function indexWords({
  identical,
  apart,
  examples,
  releasedOn,
  attestedOn,
  seconds,
}: IndexAttestation): string[] {
  if (apart === null) return ["The index was not made again."];
  const made = `The index was made again in ${seconds.toFixed(1)} s, ${examples.length} rows of examples one by one`;
  const percent = (part: number) => `${(100 * part).toPrecision(2)} %`;
  return [
    identical
      ? `${made}: it is the release's, bit for bit.`
      : `${made}: it is not the release's bit for bit.`,
    ...(identical || releasedOn === attestedOn
      ? []
      : [`The release was made on ${releasedOn}, this is ${attestedOn}: sums are rounded otherwise.`]),
    `Rows differ by at most ${percent(apart.rows)} of their length, ${apart.rowsInRounding.toFixed(2)} times what rounding explains (${indexTolerance.within} allowed);`,
    `the basis loses at most ${percent(apart.directions)} of one, ${apart.directionsInRounding.toFixed(2)} times (${indexTolerance.expressed} allowed); c is ${percent(apart.threshold)} off (${percent(indexTolerance.threshold)} allowed).`,
    "That the basis' metric is the training's is not shown by this, but by --retrain.",
  ];
}

/** Everything but the data. */
const fetchIndex =
  (scratch: string): FetchParts =>
  async (node, releaseId) => {
    // An id that the node does not know is told as for every other command.
    await node.get(`/v1/releases/${releaseId}`);
    const { manifest, index, files } = await sourceIndex(nodeSource(node.url), releaseId, scratch);
    const { adapter, adapterConfig, basis, clusters = null, explain = null } = files;
    return {
      manifest,
      adapter,
      basis,
      index: {
        contributors: index.slice(0, manifest.index.contributors).map(({ payee }) => payee),
        rows: index.map(({ bytes }) => bytes),
        ...{ adapterConfig, clusters, explain },
      },
    };
  };

function materialOf(
  release: string,
  { manifest, adapter, basis, versions, index, registered }: LoadedRelease,
): IndexMaterial {
  if (index === undefined || basis === null)
    throw new CliError(`${release} does not hold the release's index.`, {
      fix: ["openledger verify <release id> --index --save <file> writes one that does"],
      exitCode: exitCodes.usage,
    });
  const { contributors, rows, adapterConfig, clusters, explain } = index;
  return {
    manifest,
    index: rows.map((bytes, row) => ({ row, payee: contributors[row] ?? zeroAddress, bytes })),
    files: {
      ...{ adapterConfig, adapter, basis },
      clusters: clusters ?? undefined,
      explain: explain ?? undefined,
    },
    versions: openVersions(manifest, versions),
    registered,
  };
}
