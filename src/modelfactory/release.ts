/** From a finished job to a release: the manifest that says everything, and the files it names. */

import { cpus } from "node:os";
import { join } from "node:path";
import type { Account } from "viem";
import { z } from "zod";
import { indexMethod } from "../attribution/index.ts";
import type { VersionContent, VersionSummary } from "../datanets/index.ts";
import { runtimeVersion, tokenizerFiles, weightFiles } from "../engine/index.ts";
import {
  type Address,
  addressSchema,
  type Digest,
  digestSchema,
  hashableSchema,
  type IndexRow,
  jsonDigest,
  type Manifest,
  manifestSchema,
  zeroAddress,
} from "../protocol/index.ts";
import { fileDigest } from "../store/index.ts";
import { type Recipe, recipeFacts } from "./recipe.ts";

/** What the bytes of a training depend on beside the manifest: engine, runtime, and the class of processor its sums were made on. */
export const engineVersion = (): string =>
  `openledger-engine/1 onnxruntime/${runtimeVersion()} ${process.platform}-${process.arch} ${cpus()[0]?.model ?? "unknown"}`
    .replaceAll(/[^\x20-\x7e]/g, "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 128);

/** A base model: its name in the API, its folder, and the digests that identify it. */
export type BaseModel = {
  readonly name: string;
  readonly folder: string;
  readonly weightsDigest: Digest;
  readonly tokenizerDigest: Digest;
  readonly configDigest: Digest;
};

/** Reads a base model's digests. With several weight files the digest is that of the list of their digests. */
export async function openBaseModel(name: string, folder: string): Promise<BaseModel> {
  const digestOf = (file: string) => fileDigest(join(folder, file));
  const digestsOf = async (files: readonly string[]) => {
    const digests: Digest[] = [];
    for (const file of files) digests.push(await digestOf(file));
    return digests;
  };
  const weightDigests = await digestsOf(weightFiles(folder));
  return {
    name,
    folder,
    weightsDigest: weightDigests.length === 1 ? (weightDigests[0] as Digest) : jsonDigest(weightDigests),
    tokenizerDigest: jsonDigest(await digestsOf(tokenizerFiles(folder))),
    configDigest: await digestOf("config.json"),
  };
}

/** What a base's digest on chain stands for. */
export const baseDigest = (
  base: Pick<BaseModel, "weightsDigest" | "tokenizerDigest" | "configDigest">,
): Digest => jsonDigest([base.configDigest, base.tokenizerDigest, base.weightsDigest]);

/** Whether a release was trained on exactly this base: only then may its adapter be served over it. */
export const isOfBase = ({ base: of }: Pick<Manifest, "base">, base: BaseModel): boolean =>
  of.weightsDigest === base.weightsDigest &&
  of.tokenizerDigest === base.tokenizerDigest &&
  of.configDigest === base.configDigest;

export const trainedSchema = z.object({
  adapterConfig: digestSchema,
  adapterTensors: digestSchema,
  moments: digestSchema,
  lossCurve: digestSchema,
  /** Of the released adapter; `epochs` were run in all. */
  steps: z.number(),
  releasedEpoch: z.number().optional(),
  epochs: z.number(),
  /** Mean loss of the held-out rows before training and after each epoch. */
  heldOutLosses: z.array(z.number()).default([]),
  heldOutRows: z.number().default(0),
  lossFirst: z.number(),
  lossLast: z.number(),
  /** Rows trained on; left out were those that cannot be read, and those that repeat another's text. */
  examples: z.number(),
  skipped: z.number().default(0),
  copies: z.number().default(0),
  /** Target tokens learned from, every epoch counted; not known of a job that was trained before they were. */
  tokens: z.number().optional(),
  seconds: z.number(),
});
export type Trained = z.infer<typeof trainedSchema>;

export const evaluatedSchema = z.object({
  examples: z.number(),
  base: z.object({ loss: z.number(), exact: z.array(z.boolean()) }),
  tuned: z.object({ loss: z.number(), exact: z.array(z.boolean()) }),
  /** The report with intervals, canonical JSON: {@link reportSchema}; none of a job that was evaluated before there was one. */
  report: digestSchema.optional(),
});
export type Evaluated = z.infer<typeof evaluatedSchema>;

export const indexedSchema = z.object({
  basis: digestSchema,
  rows: digestSchema,
  /** Payees of the contributors' rows, by row. */
  contributors: z.array(addressSchema),
  examplesPerRow: z.number(),
  nullRows: z.number(),
  k: z.number(),
  scale: z.string(),
  thresholdMillionths: z.number(),
  falseDiscovery: z.number(),
  chance: z.number(),
  heldOut: z.number(),
  fisherRows: z.number(),
  bytes: z.number(),
  seconds: z.number(),
  /** What the index foretells of the retrainings, JSON; null without calibration. */
  foretold: digestSchema.nullable().default(null),
  /** The near duplicates found, canonical JSON: `{clusters: [[row, copy, …], …]}`. */
  clusters: digestSchema.default(jsonDigest({ clusters: [] })),
  /** The explain index; null for a job whose index was built before there was one. */
  explain: digestSchema.nullable().default(null),
});
export type Indexed = z.infer<typeof indexedSchema>;

/** Null where the recipe asks for no retrainings. */
export const calibratedSchema = z.object({
  facts: z.record(z.string(), hashableSchema).nullable(),
  /** The whole table the facts are made from, JSON. */
  table: digestSchema.nullable(),
  seconds: z.number(),
});
export type CalibratedStep = z.infer<typeof calibratedSchema>;

/** Cuts the concatenated rows of an index into the rows the protocol commits to. */
export function indexRows(bytes: Uint8Array, k: number, contributors: readonly Address[]): IndexRow[] {
  const width = 2 * k;
  if (bytes.length % width !== 0)
    throw new RangeError(`An index of ${bytes.length} bytes does not consist of rows of ${width} bytes.`);
  return Array.from({ length: bytes.length / width }, (_, row) => ({
    row,
    payee: contributors[row] ?? zeroAddress,
    bytes: bytes.subarray(row * width, (row + 1) * width),
  }));
}

/** A positive number as a decimal fraction without exponent, to 12 significant digits. */
export function decimalFraction(value: number): string {
  if (!(value > 0) || !Number.isFinite(value)) throw new RangeError(`${value} is not a positive number.`);
  const digits = Math.min(60, Math.max(0, 11 - Math.floor(Math.log10(value))));
  const text = value.toFixed(Math.min(digits, 100));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const millionths = (share: number) => Math.round(share * 1_000_000);
const exactShare = (exact: readonly boolean[]) =>
  millionths(exact.filter(Boolean).length / Math.max(1, exact.length));

export type ReleaseParts = {
  base: BaseModel;
  versions: readonly (VersionSummary & VersionContent)[];
  acceptedExamples: readonly number[];
  recipe: Recipe;
  /** Contributors whose rows were left out. */
  exclude: readonly Address[];
  /** The release whose adapter training continued from. */
  continueFrom?: Digest | null;
  trained: Trained;
  evaluated: Evaluated;
  indexed: Indexed;
  calibrated: CalibratedStep;
  indexRoot: Digest;
  alpha: string;
  price: { promptWeiPerToken: bigint; completionWeiPerToken: bigint };
  developer: Address;
  parentRelease: Digest | null;
  createdAtMs: number;
  damping: string;
  samples: number;
};

/** Everything the release was made from, in the protocol's form. */
export function buildManifest(parts: ReleaseParts): Manifest {
  const { base, recipe, trained, evaluated, indexed } = parts;
  return manifestSchema.parse({
    schema: "openledger/release/1",
    base: {
      name: base.name,
      weightsDigest: base.weightsDigest,
      tokenizerDigest: base.tokenizerDigest,
      configDigest: base.configDigest,
    },
    datanets: parts.versions.map((version, i) => ({
      datanetId: version.datanetId.toString(),
      version: version.version,
      root: version.root,
      count: version.count,
      license: version.license,
      acceptedExamples: parts.acceptedExamples[i] as number,
      consentsRoot: version.manifest.consentsRoot,
    })),
    recipe: {
      ...recipeFacts(recipe),
      exclude: [...parts.exclude],
      ...(parts.continueFrom ? { continueFrom: parts.continueFrom } : {}),
    },
    seed: recipe.seed,
    threads: recipe.threads,
    engineVersion: engineVersion(),
    adapter: {
      digest: trained.adapterTensors,
      rank: recipe.rank,
      alpha: parts.alpha,
      modules: [...recipe.modules],
    },
    lossCurveDigest: trained.lossCurve,
    evaluation: {
      examples: evaluated.examples,
      unreadableRows: trained.skipped,
      copiedRows: trained.copies,
      releasedEpoch: trained.releasedEpoch ?? trained.epochs,
      trainedEpochs: trained.epochs,
      heldOutRows: trained.heldOutRows,
      heldOutLossMillionths: trained.heldOutLosses.map(millionths),
      lossBaseMillionths: millionths(evaluated.base.loss),
      lossTunedMillionths: millionths(evaluated.tuned.loss),
      exactBaseMillionths: exactShare(evaluated.base.exact),
      exactTunedMillionths: exactShare(evaluated.tuned.exact),
      ...(evaluated.report ? { reportDigest: evaluated.report } : {}),
    },
    index: {
      method: indexMethod,
      lambda: parts.damping,
      samples: parts.samples,
      basisDigest: indexed.basis,
      scale: indexed.scale,
      contributors: indexed.contributors.length,
      examplesPerRow: indexed.examplesPerRow,
      nullRows: indexed.nullRows,
      k: indexed.k,
      root: parts.indexRoot,
      thresholdMillionths: indexed.thresholdMillionths,
      clustersDigest: indexed.clusters,
      ...(indexed.explain === null ? {} : { explainDigest: indexed.explain }),
    },
    calibration: {
      falseDiscoveryMillionths: millionths(indexed.falseDiscovery),
      chanceMillionths: millionths(indexed.chance),
      heldOutExamples: indexed.heldOut,
      ...(parts.calibrated.facts === null
        ? { lds: null }
        : { ...parts.calibrated.facts, tableDigest: parts.calibrated.table }),
    },
    payoutRule: 2,
    parentRelease: parts.parentRelease,
    price: {
      promptWeiPerToken: parts.price.promptWeiPerToken.toString(),
      completionWeiPerToken: parts.price.completionWeiPerToken.toString(),
    },
    developer: parts.developer.toLowerCase(),
    createdAtMs: parts.createdAtMs,
  });
}

/** The developer's word for a release id, as a personal message (EIP-191) over its 32 bytes. */
export async function signRelease(account: Account, releaseId: Digest): Promise<`0x${string}`> {
  if (account.signMessage === undefined)
    throw new Error(`The account ${account.address} cannot sign: it has no key here.`);
  return account.signMessage({ message: { raw: releaseId } });
}
