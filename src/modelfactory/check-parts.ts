/** What the checks of trainings that are made again have in common: the data, what the training began with, and how near is near. */
import {
  type CarriedVersion,
  openVersion,
  type VersionContent,
  type VersionManifest,
  type WantedVersion,
} from "../datanets/index.ts";
import {
  type Adapter,
  DivergedError,
  type ModelConfig,
  parseSafetensors,
  readPeft,
} from "../engine/index.ts";
import { bytesDigest, type Check, type Digest, type Manifest, releaseId } from "../protocol/index.ts";
import type { AdapterDistance } from "./adapter-distance.ts";
import { ModelFactoryError } from "./errors.ts";

/** A check by a name of its own. */
export type NamedCheck = Omit<Check, "name"> & { readonly name: string };

/** What a training began with: another release's adapter. */
export type StartMaterial = { readonly manifest: Manifest; readonly adapter: Uint8Array };

export const oneLine = (error: unknown) => (error as Error).message.replaceAll(/\s+/g, " ").slice(0, 300);

/** What is wanted can be a training that fails: that is an answer, too. */
export function whyNot(error: unknown): Error {
  if (error instanceof ModelFactoryError || error instanceof DivergedError) return error;
  throw error;
}

/**
 * How far an adapter trained on another class of machine may be from the one that is checked, ‖ΔW‖/‖W‖. docs/attribution.md says what was
 * measured.
 */
export const adapterTolerance = 0.001;

/**
 * The check `training`: the adapter's bytes on the same class of machine; elsewhere sums round otherwise: bytes prove nothing there, but a
 * training of something else ends elsewhere.
 *
 * @param claimed whose adapter it should be ("the release's"), its digest, and where it was trained; null where that is not said
 * @param made the adapter's digest here, and where here is
 * @param distance between the two; null where the claimed one's bytes are not here
 */
export function judgeTraining(
  claimed: { readonly whose: string; readonly digest: Digest; readonly on: string | null },
  made: { readonly digest: Digest; readonly on: string },
  distance: AdapterDistance | null,
): NamedCheck {
  const name = "training";
  const matches = made.digest === claimed.digest;
  const isSame = made.on === claimed.on;
  if (matches || isSame || distance === null) {
    const status = matches ? "passed" : isSame ? "failed" : "unchecked";
    return { name, status, expected: claimed.digest, actual: made.digest };
  }
  const near = distance.overall !== null && distance.overall <= adapterTolerance;
  return {
    name,
    status: near ? "unchecked" : "failed",
    expected: near
      ? `a machine of ${claimed.whose} class, ${claimed.on ?? "which is not said"}`
      : `at most ${adapterTolerance} of its length from ${claimed.whose}, on any machine`,
    actual: distance.overall === null ? "tensors of another shape" : distance.overall.toExponential(2),
  };
}

/**
 * The check `start`.
 *
 * @param named the release that the training continued from, if it did
 * @param start that release; an Error says why it could not be had
 * @param model the base's, if it is here
 * @returns the adapter that the training began with; undefined where it began with none, null where it is not here
 */
export function openStart(
  named: Digest | undefined,
  start: StartMaterial | Error | undefined,
  model: ModelConfig | undefined,
  checks: NamedCheck[],
): Adapter | undefined | null {
  if (named === undefined) return undefined;
  const add = (status: NamedCheck["status"], expected: string, actual: string) =>
    checks.push({ name: "start", status, expected, actual });
  try {
    const found = start ?? new Error("It is not in the file.");
    if (found instanceof Error) throw found;
    const id = releaseId(found.manifest);
    if (id !== named) throw new Error(`release ${id}`);
    const { rank, alpha, modules, digest } = found.manifest.adapter;
    if (bytesDigest(found.adapter) !== digest)
      throw new Error(`an adapter ${bytesDigest(found.adapter)}, not that release's ${digest}`);
    if (model === undefined) return null;
    const config = { peft_type: "LORA", r: rank, lora_alpha: Number(alpha), target_modules: modules };
    const tensors = parseSafetensors(found.adapter, `of release ${id}`);
    const adapter = readPeft(config, tensors, model, `of release ${id}`);
    add("passed", named, id);
    return adapter;
  } catch (error) {
    add("failed", `the adapter of release ${named}`, oneLine(error));
    return null;
  }
}

/** What a version must be. */
export type NamedVersion = WantedVersion & Partial<Pick<VersionManifest, "license" | "consentsRoot">>;

/**
 * The checks `datanet <id>@<version>`.
 *
 * @param isVouched whether what the versions must be comes from elsewhere than from themselves
 * @returns those that hold, in the order in which they are named
 */
export function openVersions(
  named: readonly NamedVersion[],
  versions: readonly (CarriedVersion | Error | undefined)[],
  checks: NamedCheck[],
  isVouched = true,
): VersionContent[] {
  return named.flatMap((wanted, i) => {
    const name = `datanet ${wanted.datanetId}@${wanted.version}`;
    const expected = versionWords(wanted);
    try {
      const carried = versions[i] ?? new Error("It is not in the file.");
      if (carried instanceof Error) throw carried;
      const content = openVersion(carried, wanted);
      const { root, count, license, consentsRoot } = content.manifest;
      const actual = versionWords({
        ...{ root, count },
        ...(wanted.license === undefined ? {} : { license }),
        ...(wanted.consentsRoot === undefined ? {} : { consentsRoot }),
      });
      const holds = actual === expected;
      if (holds && !isVouched)
        checks.push({ name, status: "unchecked", expected: "the chain, which says what it is", actual });
      else checks.push({ name, status: holds ? "passed" : "failed", expected, actual });
      return holds ? [content] : [];
    } catch (error) {
      checks.push({ name, status: "failed", expected, actual: oneLine(error) });
      return [];
    }
  });
}

const versionWords = ({
  count,
  root,
  license,
  consentsRoot,
}: Pick<NamedVersion, "root" | "count" | "license" | "consentsRoot">) =>
  `${count} rows of ${root}${license === undefined ? "" : ` under ${license}`}${consentsRoot === undefined ? "" : `, consents ${consentsRoot}`}`;
