import { z } from "zod";
import {
  type Address,
  addressSchema,
  bytesSchema,
  canonicalJson,
  consentsRoot,
  type Digest,
  decimalSchema,
  digestSchema,
  type Example,
  exampleSchema,
  hashConsent,
  textDigest,
  uint32Schema,
  type VersionLeaf,
  versionProof,
  versionTree,
} from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";

/** Where a row's text lies: which contribution of the manifest, and which line of its text, both from 0. */
const rowSchema = z.strictObject({
  contribution: uint32Schema,
  position: uint32Schema,
  digest: digestSchema,
});

/**
 * What a version consists of, as a blob of canonical JSON: with it and the contributions' texts (blobs too) anyone can
 * rebuild the root and check every consent. It says nothing about when or by whom it was made, so that the same
 * content always gives the same manifest.
 */
export const versionManifestSchema = z.strictObject({
  schema: z.literal("openledger/datanet-version/1"),
  /** Where the consents were signed for. */
  chainId: uint32Schema,
  registry: addressSchema,
  datanetId: decimalSchema,
  license: z.string().min(1).max(64),
  /** Root and number of the training rows' tree. */
  root: digestSchema,
  count: uint32Schema.min(1),
  /** Root over the consents of the training rows. */
  consentsRoot: digestSchema,
  /** Contributions with at least one row here, oldest first. */
  contributions: z.array(
    z.strictObject({
      contributor: addressSchema,
      consentDigest: digestSchema,
      examplesDigest: digestSchema,
      exampleCount: uint32Schema,
      license: z.string().min(1).max(64),
      signedAt: z.int().min(0),
      signature: bytesSchema(65, 65),
      /** Blob: the canonical JSON of each example, each followed by a newline. */
      textDigest: digestSchema,
    }),
  ),
  /** Training rows; a row's index is its place in this list. */
  rows: z.array(rowSchema).min(1),
  /** Rows that are never trained on. */
  heldout: z.array(rowSchema),
});

export type VersionManifest = z.infer<typeof versionManifestSchema>;

/** A training row: its leaf and its text. */
export type VersionRow = VersionLeaf & { readonly example: Example };

/** A held-out row: no leaf, but the same provenance. */
export type HeldoutRow = {
  readonly exampleDigest: Digest;
  readonly contributor: Address;
  readonly consentDigest: Digest;
  readonly example: Example;
};

/** A version read back: every digest in it has been recomputed from the texts. */
export type VersionContent = {
  readonly manifest: VersionManifest;
  readonly manifestDigest: Digest;
  readonly rows: readonly VersionRow[];
  readonly heldout: readonly HeldoutRow[];
  /** The siblings that lead from training row `index` to the root. */
  proof(index: number): Digest[];
};

type Scope = { chainId: number; registry: Address; datanetId: bigint; license: string };

type AcceptedRow = { contributionId: number; position: number; digest: Digest; split: "train" | "heldout" };

type ContributionRow = {
  id: number;
  contributor: Address;
  consentDigest: Digest;
  examplesDigest: Digest;
  exampleCount: number;
  license: string;
  signedAt: number;
  signature: `0x${string}`;
  textDigest: Digest;
};

/** The manifest of everything accepted so far; undefined while there is no training row. */
export async function buildManifest(
  database: Database,
  scope: Scope,
): Promise<{ manifest: VersionManifest; bytes: Uint8Array } | undefined> {
  const { rows, contributions } = await readAccepted(database, scope.datanetId);
  const place = new Map(contributions.map(({ id }, index) => [id, index]));
  const locate = ({ contributionId, position, digest }: AcceptedRow) => ({
    contribution: place.get(contributionId)!,
    position,
    digest,
  });
  const train = rows.filter(({ split }) => split === "train").map(locate);
  if (train.length === 0) return undefined;
  const listed = contributions.map(({ id: _, ...contribution }) => contribution);
  const manifest: VersionManifest = {
    schema: "openledger/datanet-version/1",
    chainId: scope.chainId,
    registry: scope.registry,
    datanetId: scope.datanetId.toString(),
    license: scope.license,
    root: versionTree(leavesOf(train, listed)).root,
    count: train.length,
    consentsRoot: consentsRoot(train.map(({ contribution }) => listed[contribution]!.consentDigest)),
    contributions: listed,
    rows: train,
    heldout: rows.filter(({ split }) => split === "heldout").map(locate),
  };
  return { manifest, bytes: Buffer.from(canonicalJson(manifest), "utf8") };
}

/** One consistent view: rows and contributions are read in the same transaction. */
async function readAccepted(database: Database, datanetId: bigint) {
  return database.transaction(async (tx) => {
    const rows = await tx.query<AcceptedRow>(
      `select contribution_id as "contributionId", position, digest, split from datanets.rows
       where datanet_id = $1 and status = 'accepted' and withdrawn_at_ms is null order by id`,
      [datanetId],
    );
    const contributions = await tx.query<ContributionRow>(
      `select id, contributor, consent_digest as "consentDigest", examples_digest as "examplesDigest", example_count as "exampleCount",
         license, signed_at as "signedAt", signature, text_digest as "textDigest"
       from datanets.contributions c
       where datanet_id = $1 and exists (select 1 from datanets.rows r where r.contribution_id = c.id
         and r.status = 'accepted' and r.withdrawn_at_ms is null)
       order by id`,
      [datanetId],
    );
    return { rows, contributions };
  });
}

function leavesOf(
  rows: VersionManifest["rows"],
  contributions: VersionManifest["contributions"],
): VersionLeaf[] {
  return rows.map(({ contribution, digest }, index) => {
    const { contributor, license, consentDigest } = contributions[contribution]!;
    return { index, exampleDigest: digest, contributor, licenseDigest: textDigest(license), consentDigest };
  });
}

/**
 * Reads a version from its blobs and checks all of it that follows from them: texts against digests, rows against consents,
 * leaves against the root.
 *
 * @param rowsDigest the blob of an imported version's rows: training rows, then held-out ones, a line each
 */
export async function readContent(
  blobs: Blobs,
  manifestDigest: Digest,
  rowsDigest: Digest | null,
): Promise<VersionContent> {
  const linesOf = async (digest: Digest) => new TextDecoder().decode(await blobs.get(digest)).split("\n");
  const bytes = await blobs.get(manifestDigest);
  const manifest = versionManifestSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  if (rowsDigest !== null) {
    const lines = await linesOf(rowsDigest);
    return checkedContent(
      manifest,
      manifestDigest,
      (_, split, index) => lines[split === "rows" ? index : manifest.rows.length + index],
    );
  }
  const texts = await Promise.all(manifest.contributions.map(({ textDigest }) => linesOf(textDigest)));
  return checkedContent(
    manifest,
    manifestDigest,
    ({ contribution, position }) => texts[contribution]?.[position],
  );
}

type ManifestRow = VersionManifest["rows"][number];

/**
 * A version from its manifest and its rows' texts, wherever they come from: texts against digests, rows against consents, leaves against
 * the root.
 *
 * @param textAt canonical JSON of a row; undefined where there is none
 * @throws Error which says what is wrong; ZodError for a text that is no example
 */
export function checkedContent(
  manifest: VersionManifest,
  manifestDigest: Digest,
  textAt: (row: ManifestRow, split: "rows" | "heldout", index: number) => string | undefined,
): VersionContent {
  const { contributions } = manifest;
  const wrong = (what: string) => new Error(`Version manifest ${manifestDigest} is wrong: ${what}.`);
  for (const { contribution } of [...manifest.rows, ...manifest.heldout])
    if (contributions[contribution] === undefined)
      throw wrong(`a row names contribution ${contribution} of ${contributions.length}`);
  for (const contribution of contributions) checkConsentDigest(manifest, contribution);
  const exampleAt = (split: "rows" | "heldout") => (row: ManifestRow, index: number) => {
    const text = textAt(row, split, index);
    if (text === undefined || textDigest(text) !== row.digest)
      throw wrong(`row ${row.position + 1} of contribution ${row.contribution} is not example ${row.digest}`);
    return exampleSchema.parse(JSON.parse(text));
  };
  const leaves = leavesOf(manifest.rows, contributions);
  const tree = versionTree(leaves);
  if (tree.root !== manifest.root || tree.count !== manifest.count)
    throw wrong(
      `it names root ${manifest.root} of ${manifest.count} rows, its rows give ${tree.root} of ${tree.count}`,
    );
  const examples = manifest.rows.map(exampleAt("rows"));
  const heldout = manifest.heldout.map(exampleAt("heldout"));
  return {
    manifest,
    manifestDigest,
    rows: leaves.map((leaf, index) => ({ ...leaf, example: examples[index]! })),
    heldout: manifest.heldout.map((row, index) => {
      const { contributor, consentDigest } = contributions[row.contribution]!;
      return { exampleDigest: row.digest, contributor, consentDigest, example: heldout[index]! };
    }),
    proof: (index) => versionProof(tree, index),
  };
}

function checkConsentDigest(
  manifest: VersionManifest,
  contribution: VersionManifest["contributions"][number],
): void {
  const { contributor, examplesDigest, exampleCount, license, signedAt, consentDigest } = contribution;
  const datanetId = BigInt(manifest.datanetId);
  const consent = {
    datanetId,
    contributor,
    examplesDigest,
    exampleCount,
    license,
    signedAt: BigInt(signedAt),
  };
  if (hashConsent(consent) === consentDigest && license === manifest.license) return;
  throw new Error(
    `The version manifest of Datanet ${datanetId} is wrong: the consent of ${contributor} does not hash to ${consentDigest}, or is not to "${manifest.license}".`,
  );
}
