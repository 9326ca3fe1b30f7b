import { z } from "zod";
import type { Digest } from "./bytes.ts";
import { jsonDigest } from "./digest.ts";
import { maxDimensions } from "./row.ts";
import {
  addressSchema,
  decimalSchema,
  digestSchema,
  fractionSchema,
  hashableSchema,
  uint32Schema,
} from "./schema.ts";

const name = z.string().min(1).max(128);
const facts = z.record(z.string(), hashableSchema);

/** A Datanet version the release was trained on, with the terms in force then. */
export const manifestDatanetSchema = z.strictObject({
  /** Token id in `DatanetRegistry`. */
  datanetId: decimalSchema,
  /** Versions count from 1. */
  version: uint32Schema.min(1),
  /** Root of the version's tree, and its number of leaves. */
  root: digestSchema,
  count: uint32Schema.min(1),
  /** SPDX identifier. */
  license: z.string().min(1).max(64),
  /** How many of its examples entered training. */
  acceptedExamples: uint32Schema.min(1),
  /** `consentsRoot` of the version's consents. */
  consentsRoot: digestSchema,
});

/**
 * Everything a release was made from and everything needed to check a score, by digest. Its JSON digest is the release
 * id, so a release is never replaced in place. It holds only strings and integers: fractions are written as text.
 */
export const manifestSchema = z.strictObject({
  schema: z.literal("openledger/release/1"),
  base: z.strictObject({
    name,
    weightsDigest: digestSchema,
    tokenizerDigest: digestSchema,
    configDigest: digestSchema,
  }),
  datanets: z.array(manifestDatanetSchema).min(1).max(64),
  /** What the training was told: learning rate, epochs, batch, warm-up, schedule, template. */
  recipe: facts,
  seed: uint32Schema,
  /** Threads of the training engine: they change the order of sums. */
  threads: z.int().min(1).max(1_024),
  engineVersion: name,
  adapter: z.strictObject({
    digest: digestSchema,
    rank: z.int().min(1).max(1_024),
    alpha: fractionSchema,
    modules: z.array(name).min(1).max(1_024),
  }),
  lossCurveDigest: digestSchema,
  /** What was measured on held-out examples before release. */
  evaluation: facts,
  /** The pay index, how it was made, and the threshold against chance. */
  index: z.strictObject({
    method: name,
    /** Damping of the curvature. */
    lambda: fractionSchema,
    /** Gradients per example the curvature was fitted on. */
    samples: z.int().min(1).max(1_024),
    /** Digest of the orthonormal basis that rows and queries are projected on. */
    basisDigest: digestSchema,
    /** One unit of a row, before it was rounded to an integer. */
    scale: fractionSchema,
    /** Contributors' rows, C; a contributor has as many as its examples need. */
    contributors: uint32Schema.min(1),
    /** Most examples that one of them stands for. */
    examplesPerRow: uint32Schema.min(1),
    /** Null rows, N; 199 or more for a false discovery rate of 5 % to be more than a guess. */
    nullRows: uint32Schema.min(1),
    /** Dimensions of a row. */
    k: z.int().min(1).max(maxDimensions),
    /** Positional root over all C + N rows. */
    root: digestSchema,
    /** c: the threshold is c millionths of the highest null score. */
    thresholdMillionths: uint32Schema,
    /** Digest of the near-duplicate clusters: only a cluster's representative has a row. */
    clustersDigest: digestSchema,
    /** Digest of the explain index, a row per example; older releases have none. */
    explainDigest: digestSchema.optional(),
  }),
  /** How well the scores predict retraining: LDS with its interval, the ceiling, false discovery. */
  calibration: facts,
  /** Version of section 5 of docs/protocol.md. */
  payoutRule: z.literal(2),
  /** The release this one was made from. */
  parentRelease: digestSchema.nullable(),
  price: z.strictObject({ promptWeiPerToken: decimalSchema, completionWeiPerToken: decimalSchema }),
  /** Who receives the developer's head. */
  developer: addressSchema,
  createdAtMs: z.int().min(0),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** @returns the release id. Validate first: `manifestSchema.parse`. */
export function releaseId(manifest: Manifest): Digest {
  return jsonDigest(manifest);
}

/** @returns the price of an answer under this release, wei. */
export function answerPrice(
  price: Manifest["price"],
  promptTokens: number,
  completionTokens: number,
): bigint {
  return (
    BigInt(promptTokens) * BigInt(price.promptWeiPerToken) +
    BigInt(completionTokens) * BigInt(price.completionWeiPerToken)
  );
}
