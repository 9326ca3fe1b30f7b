import type { Account } from "viem";
import { type Address, type Digest, type Hex, textDigest, toHex } from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import { readDatanet } from "./datanet.ts";
import { DatanetError } from "./errors.ts";
import type { OnUploadProgress } from "./progress.ts";
import type { RegisteredVersion, Registry } from "./registry.ts";
import { buildManifest, type VersionManifest } from "./version.ts";

/** A published version, without its rows. */
export type VersionSummary = {
  readonly datanetId: bigint;
  readonly version: number;
  readonly root: Digest;
  /** Training rows. */
  readonly count: number;
  readonly heldoutCount: number;
  readonly license: string;
  readonly manifestDigest: Digest;
  /** Null where the version was found on chain after a crash, or imported. */
  readonly transactionHash: Hex | null;
  /** The blob that holds all of an imported version's rows; null where its contributions are here. */
  readonly rowsDigest: Digest | null;
  readonly recordedAtMs: number;
};

type Parts = { database: Database; blobs: Blobs; registry: Registry; now: () => number };

/** @throws DatanetError `not-owner`, `unknown-datanet`, `imported-datanet` where this account publishes no version of this Datanet here */
export async function requirePublishable(
  { database, registry }: Pick<Parts, "database" | "registry">,
  datanetId: bigint,
  publisher: Address,
): Promise<{ license: string }> {
  const { license } = await readDatanet(database, datanetId);
  if (!(await registry.mayPublish(datanetId, publisher))) {
    throw new DatanetError(
      "not-owner",
      `${publisher} is neither the owner nor a curator of Datanet ${datanetId}. Publish with the owner's key.`,
    );
  }
  const imported = await database.query(
    "select 1 from datanets.versions where datanet_id = $1 and rows_digest is not null limit 1",
    [datanetId],
  );
  if (imported.length > 0)
    throw new DatanetError(
      "imported-datanet",
      `Datanet ${datanetId} was imported: its contributions are on another node, and a version published here would lack them. Publish there.`,
    );
  return { license };
}

const stages = ["gathering", "storing", "publishing"] as const;

/**
 * Publishes what has been accepted so far as the Datanet's next version. Safe to run again after a crash at any step: the same content
 * gives the same manifest, and a manifest that is the latest on chain is not published again.
 *
 * @param publisher the owner or a curator, who signs the transaction
 * @returns the version, and whether this call made it
 * @throws DatanetError `nothing-to-publish`, `not-owner`, `unknown-datanet`, `imported-datanet`.
 */
export async function publishVersion(
  parts: Parts,
  datanetId: bigint,
  publisher: Account,
  onProgress?: OnUploadProgress,
): Promise<VersionSummary & { created: boolean }> {
  const { database, blobs, registry } = parts;
  const begin = (stage: (typeof stages)[number]) =>
    onProgress?.({ stage, done: stages.indexOf(stage), of: stages.length });
  const { license } = await requirePublishable(parts, datanetId, toHex(publisher.address));
  begin("gathering");
  const { chainId, verifyingContract } = registry.domain;
  const built = await buildManifest(database, { chainId, registry: verifyingContract, datanetId, license });
  if (!built) throw await nothingToPublish(database, datanetId);
  const { manifest, bytes } = built;
  begin("storing");
  const manifestDigest = await blobs.put(bytes);
  const latest = await latestOnChain(registry, datanetId);
  if (latest?.manifestDigest === manifestDigest) {
    const { version } = latest;
    const created = await recordVersion(parts, manifest, {
      ...{ datanetId, version, manifestDigest, transactionHash: null, rowsDigest: null },
    });
    return { ...(await readSummary(database, datanetId, latest.version)), created };
  }
  begin("publishing");
  const { version, transactionHash } = await registry.publish(publisher, {
    datanetId,
    root: manifest.root,
    count: manifest.count,
    licenseDigest: textDigest(license),
    manifestDigest,
  });
  await recordVersion(parts, manifest, {
    ...{ datanetId, version, manifestDigest, transactionHash, rowsDigest: null },
  });
  return { ...(await readSummary(database, datanetId, version)), created: true };
}

async function nothingToPublish(database: Database, datanetId: bigint): Promise<DatanetError> {
  const pending = await countPending(database, datanetId);
  const next =
    pending === 0
      ? "Contribute some first."
      : `${pending} ${pending === 1 ? "row waits" : "rows wait"} for curators: have them judged first.`;
  const message = `Datanet ${datanetId} has no accepted training row yet. ${next}`;
  return new DatanetError("nothing-to-publish", message, { pending });
}

/** Rows that wait for curators. */
export async function countPending(database: Database, datanetId: bigint): Promise<number> {
  const [waiting] = await database.query<{ pending: number }>(
    "select count(*)::integer as pending from datanets.rows where datanet_id = $1 and status = 'pending' and withdrawn_at_ms is null",
    [datanetId],
  );
  return waiting?.pending ?? 0;
}

async function latestOnChain(registry: Registry, datanetId: bigint): Promise<RegisteredVersion | undefined> {
  const datanet = await registry.datanet(datanetId);
  return datanet && datanet.versions > 0 ? registry.version(datanetId, datanet.versions) : undefined;
}

/** Writes down a version that stands on chain. @returns whether it was not known yet */
export async function recordVersion(
  { database, now }: Pick<Parts, "database" | "now">,
  manifest: VersionManifest,
  at: Pick<VersionSummary, "datanetId" | "version" | "manifestDigest" | "transactionHash" | "rowsDigest">,
): Promise<boolean> {
  const added = await database.query(
    `insert into datanets.versions (datanet_id, version, root, count, heldout_count, license, manifest_digest, transaction_hash, rows_digest,
       recorded_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (datanet_id, version) do nothing returning version`,
    [
      at.datanetId,
      at.version,
      manifest.root,
      manifest.count,
      manifest.heldout.length,
      manifest.license,
      at.manifestDigest,
      at.transactionHash && toHex(at.transactionHash),
      at.rowsDigest,
      now(),
    ],
  );
  return added.length > 0;
}

const select = `
  select datanet_id as "datanetId", version, root, count, heldout_count as "heldoutCount", license,
    manifest_digest as "manifestDigest", transaction_hash as "transactionHash", rows_digest as "rowsDigest",
    recorded_at_ms as "recordedAtMs"
  from datanets.versions`;

/** @throws DatanetError `unknown-version`. */
export async function readSummary(
  database: Database,
  datanetId: bigint,
  version: number,
): Promise<VersionSummary> {
  const [found] = await database.query<VersionSummary>(`${select} where datanet_id = $1 and version = $2`, [
    datanetId,
    version,
  ]);
  if (found) return found;
  throw new DatanetError(
    "unknown-version",
    `Datanet ${datanetId} has no version ${version} here. List its versions.`,
  );
}

export type VersionsPage = { readonly before?: number | undefined; readonly limit: number };
export const versionsMax = 100;

/** Newest first. @param page.before those with a lower number */
export function listVersions(
  database: Database,
  datanetId: bigint,
  { before, limit }: VersionsPage = { limit: versionsMax },
): Promise<VersionSummary[]> {
  return database.query<VersionSummary>(
    `${select} where datanet_id = $1 and ($2::bigint is null or version < $2) order by version desc limit $3`,
    [datanetId, before ?? null, limit],
  );
}
