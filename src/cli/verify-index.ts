import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import {
  type Check,
  type Digest,
  describeCalibration,
  digestSchema,
  releaseId as releaseIdOf,
  releaseStanding,
  standingLines,
  toBytes,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import {
  createAttester,
  type IndexAttestation,
  type IndexMaterial,
  indexTolerance,
  nodeSource,
  openVersions,
  readRegistered,
  sourceIndex,
} from "../validators/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";
import { openChain } from "./purse.ts";
import { isReleaseId, type ReleaseFile, readReleaseFile } from "./release-file.ts";
import { openBase } from "./verify-base.ts";
import { checkLine } from "./verify-line.ts";

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
  const { releaseId, material } = await load(release, options.save);
  const bar = progressBar(io, "Making the index again");
  const attest = createAttester(base, { threads: options.threads });
  const found = await attest(material, { seed: seed.data, onProgress: bar.update }).finally(() => bar.end());
  const actual = releaseIdOf(material.manifest);
  const checks: ShownCheck[] = [
    { name: "release", status: actual === releaseId ? "passed" : "failed", expected: releaseId, actual },
    ...found.checks,
  ];
  const failed = checks.filter(({ status }) => status === "failed");
  const verified = failed.length === 0;
  const calibration = describeCalibration(material.manifest);
  const standing = releaseStanding();
  const { checks: _, witness, ...shown } = found;
  io.result(
    { verified, ...shown, checks, seed: seed.data, witness: toHex(witness), calibration, standing },
    [
      ...checks.map((check) =>
        [checkLine(check), ...(check.found ?? []).map((what) => `    ${what}`)].join("\n"),
      ),
      "",
      ...indexWords(found),
      "",
      `Its scores are ${calibration.label}`,
      ...standingLines(standing),
      "",
      verified ? "Nothing failed." : "",
    ].join("\n"),
  );
  if (!verified)
    throw new CliError("The release's index does not hold.", {
      expected: "every check passed, or could not be made",
      actual: `failed: ${failed.map(({ name }) => name).join(", ")}`,
    });
}

type ShownCheck = Omit<Check, "name"> & { readonly name: string; readonly found?: readonly string[] };

/** What was found, in words. */
export function indexWords({
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

async function load(
  release: string,
  save: string | undefined,
): Promise<{ releaseId: Digest; material: IndexMaterial }> {
  if (!isReleaseId(release)) {
    const file = readReleaseFile(release);
    return { releaseId: file.releaseId, material: materialOf(release, file) };
  }
  const releaseId = release.toLowerCase() as Digest;
  const node = connect();
  const { contracts, ...chain } = await openChain(node);
  const material = await sourceIndex(nodeSource(node.url), releaseId, (manifest) =>
    readRegistered(chain, contracts, manifest),
  );
  if (save !== undefined) writeFileSync(save, JSON.stringify(fileOf(releaseId, material)));
  return { releaseId, material };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "base64"));

function fileOf(releaseId: Digest, { manifest, index, files, versions }: IndexMaterial): ReleaseFile {
  return {
    schema: "openledger/release-file/1",
    releaseId,
    manifest,
    adapter: base64(files.adapter),
    versions: versions.map((version) =>
      version instanceof Error
        ? null
        : {
            manifest: version.manifest,
            rows: version.rows.map(({ example }) => example),
            heldout: version.heldout.map(({ example }) => example),
          },
    ),
    index: {
      contributors: index.slice(0, manifest.index.contributors).map(({ payee }) => payee),
      rows: index.map(({ bytes }) => toHex(bytes)),
      adapterConfig: base64(files.adapterConfig),
      basis: base64(files.basis),
      clusters: files.clusters === undefined ? null : base64(files.clusters),
      explain: files.explain === undefined ? null : base64(files.explain),
    },
  };
}

function materialOf(path: string, { manifest, adapter, versions, index }: ReleaseFile): IndexMaterial {
  if (index === undefined)
    throw new CliError(`${path} does not hold the release's index.`, {
      fix: ["openledger verify <release id> --index --save <file> writes one that does"],
      exitCode: exitCodes.usage,
    });
  const { contributors, rows, adapterConfig, basis, clusters, explain } = index;
  return {
    manifest,
    index: rows.map((bytes, row) => ({
      row,
      payee: contributors[row] ?? zeroAddress,
      bytes: toBytes(bytes),
    })),
    files: {
      adapterConfig: bytesOf(adapterConfig),
      adapter: bytesOf(adapter),
      basis: bytesOf(basis),
      clusters: clusters === null ? undefined : bytesOf(clusters),
      explain: explain === null ? undefined : bytesOf(explain),
    },
    versions: openVersions(
      manifest,
      versions.map((version) => version ?? undefined),
    ),
    registered: null,
  };
}
