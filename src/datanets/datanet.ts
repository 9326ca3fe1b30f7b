import type { Account } from "viem";
import { z } from "zod";
import { type Address, canonicalJson, type Digest, type Hex, toHex } from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import type { Rules } from "./checks/index.ts";
import { DatanetError } from "./errors.ts";
import { findLicense } from "./licenses.ts";
import type { Registry } from "./registry.ts";

/** What a Datanet says about itself. Its JSON digest stands on chain. */
export const cardSchema = z.strictObject({
  schema: z.literal("openledger/datanet-card/1"),
  name: z.string().trim().min(1).max(120),
  description: z.string().trim().max(4_000),
  /** The field of knowledge, in a few words. */
  domain: z.string().trim().min(1).max(120),
  /** SPDX identifier. */
  license: z.string().min(1).max(64),
});

export type Card = z.infer<typeof cardSchema>;

export type Datanet = Omit<Card, "schema"> & {
  readonly datanetId: bigint;
  readonly owner: Address;
  readonly cardDigest: Digest;
  /** Receives the part of fees that belongs to all contributors in common. */
  readonly pool: Address;
  /** Rows that count now: accepted, and not taken back. */
  readonly trainRows: number;
  readonly heldoutRows: number;
  /** Whose rows these are. Who gave only rows that do not count is not among them. */
  readonly contributors: number;
  /** The latest version; 0 before the first. */
  readonly versions: number;
  readonly recordedAtMs: number;
};

type Parts = { database: Database; blobs: Blobs; registry: Registry; now: () => number };

/**
 * Creates a Datanet on chain and records it. Safe to run again after a crash: an owner has one Datanet for each card, and a
 * Datanet that is on chain but not recorded is recorded now.
 *
 * @param rules what it asks of its rows from the first one on; the defaults otherwise
 */
export async function createDatanet(
  parts: Parts,
  owner: Account,
  given: Omit<Card, "schema">,
  rules?: Rules,
): Promise<{ datanetId: bigint; created: boolean }> {
  const { database, blobs, registry } = parts;
  const card = cardSchema.parse({ schema: "openledger/datanet-card/1", ...given });
  findLicense(card.license);
  const cardDigest = await blobs.put(Buffer.from(canonicalJson(card), "utf8"));
  const [recorded] = await database.query<{ id: bigint }>(
    "select id from datanets.datanets where owner = $1 and card_digest = $2 order by id limit 1",
    [toHex(owner.address), cardDigest],
  );
  if (recorded) return { datanetId: recorded.id, created: false };
  const [before] = await registry.created(owner.address, cardDigest);
  const { datanetId, transactionHash } =
    before ?? (await registry.create(owner, { license: card.license, cardDigest }));
  await recordDatanet(parts, datanetId, card, transactionHash, rules);
  return { datanetId, created: before === undefined };
}

/** Records what stands on chain. @param transactionHash that created it; null where it was found there */
export async function recordDatanet(
  parts: Omit<Parts, "blobs">,
  datanetId: bigint,
  card: Card,
  transactionHash: Hex | null,
  rules?: Rules,
): Promise<void> {
  const { database, registry, now } = parts;
  const onChain = await registry.datanet(datanetId);
  if (!onChain) {
    throw new DatanetError(
      "chain-conflict",
      `Datanet ${datanetId} was created${transactionHash === null ? "" : ` in ${transactionHash}`}, but the chain does not know it.`,
    );
  }
  await database.query(
    `insert into datanets.datanets (id, owner, name, description, domain, license, card_digest, pool, transaction_hash, recorded_at_ms, rules)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb) on conflict (id) do nothing`,
    [
      datanetId,
      onChain.owner,
      card.name,
      card.description,
      card.domain,
      card.license,
      onChain.cardDigest,
      onChain.pool,
      transactionHash,
      now(),
      JSON.stringify(rules ?? {}),
    ],
  );
}

const select = `
  select d.id as "datanetId", d.owner, d.name, d.description, d.domain, d.license, d.card_digest as "cardDigest", d.pool,
    d.recorded_at_ms as "recordedAtMs",
    (select count(*) from datanets.rows r where r.datanet_id = d.id and r.split = 'train'
       and r.status = 'accepted' and r.withdrawn_at_ms is null) as "trainRows",
    (select count(*) from datanets.rows r where r.datanet_id = d.id and r.split = 'heldout'
       and r.status = 'accepted' and r.withdrawn_at_ms is null) as "heldoutRows",
    (select count(distinct c.contributor) from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
       where r.datanet_id = d.id and r.status = 'accepted' and r.withdrawn_at_ms is null) as contributors,
    (select coalesce(max(version), 0) from datanets.versions v where v.datanet_id = d.id) as versions
  from datanets.datanets d`;

/** Newest first, those with an id below `before` where it is given. */
export function listDatanets(
  database: Database,
  page: { before?: bigint; limit: number },
): Promise<Datanet[]> {
  return database.query<Datanet>(
    `${select} where $1::numeric is null or d.id < $1 order by d.id desc limit $2`,
    [page.before ?? null, page.limit],
  );
}

/** @throws DatanetError `unknown-datanet`. */
export async function readDatanet(database: Database, datanetId: bigint): Promise<Datanet> {
  const [datanet] = await database.query<Datanet>(`${select} where d.id = $1`, [datanetId]);
  if (datanet) return datanet;
  throw new DatanetError(
    "unknown-datanet",
    `There is no Datanet ${datanetId} here. List the Datanets to find its number.`,
  );
}
