/** One release judged: what a node gives of it is made again, and every check that fails speaks against it. */
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import { readRegistered } from "../modelfactory/index.ts";
import type { Digest } from "../protocol/index.ts";
import { temporaryFolder } from "../store/index.ts";
import type { AttestOptions, createAttester } from "./attest-index.ts";
import { ValidatorError } from "./errors.ts";
import { sourceMaterial } from "./index-source.ts";
import type { NodeSource } from "./node-source.ts";
import type { ReleaseJudgement } from "./release-rounds.ts";

export type JudgeReleaseParts = {
  readonly chain: Pick<ChainReader, "public">;
  readonly contracts: Pick<ProtocolContracts, "ModelRegistry" | "DatanetRegistry" | "ReleaseVerdicts">;
  readonly attest: ReturnType<typeof createAttester>;
  /** Asked in this order, until one gives the release. */
  readonly nodes: () => Iterable<NodeSource>;
};

/** @throws ValidatorError while something that it takes is not given: release, data, near duplicates, explain index */
export async function judgeRelease(
  { chain, contracts, attest, nodes }: JudgeReleaseParts,
  releaseId: Digest,
  seeds: Pick<AttestOptions, "seed" | "witnessSeed">,
): Promise<ReleaseJudgement> {
  await using scratch = await temporaryFolder("release");
  const refusals: string[] = [];
  for (const source of nodes()) {
    const material = await sourceMaterial(source, releaseId, scratch.path, (manifest) =>
      readRegistered(chain, contracts, manifest),
    ).catch((error: Error) => error);
    if (material instanceof Error) {
      refusals.push(material.message);
      continue;
    }
    const { manifest, files, versions } = material;
    const missing = [
      ...versions.filter((version) => version instanceof Error).map(({ message }) => message),
      ...(files.clusters === undefined ? ["its list of near duplicates is not given"] : []),
      ...(manifest.index.explainDigest !== undefined && files.explain === undefined
        ? ["its explain index is not given"]
        : []),
    ];
    if (missing.length > 0) {
      refusals.push(...missing);
      continue;
    }
    const { checks, apart, witness } = await attest(material, seeds);
    const failed = checks.filter(({ status }) => status === "failed");
    const [first] = failed;
    return {
      wrong: first !== undefined || apart === null,
      reason: (first === undefined
        ? `rows differ by at most ${apart?.rows.toExponential(2)} of their length`
        : failed
            .map(
              ({ name, expected, actual, found }) =>
                `${name}: ${found?.join("; ") ?? `expected ${expected}, got ${actual}`}`,
            )
            .join(". ")
      ).slice(0, 500),
      witness,
      report: JSON.stringify(checks),
    };
  }
  throw new ValidatorError(
    "no-evidence",
    `No node gives all of release ${releaseId}: ${refusals.join("; ") || "none is known"}.`.slice(0, 500),
  );
}
