/** What publishing would make now: told before anybody pays for it. */
import { type Address, textDigest } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { countPending, listVersions, requirePublishable, type VersionSummary } from "./publication.ts";
import type { PublicationCost, Registry } from "./registry.ts";
import type { VersionContent } from "./version.ts";

export type NextVersion = {
  readonly datanetId: bigint;
  readonly version: number;
  readonly license: string;
  /** Training rows, and rows that are held out. */
  readonly count: number;
  readonly heldoutCount: number;
  readonly contributors: number;
  /** Rows of either split that the version before has not, and those that only it has. */
  readonly added: number;
  readonly removed: number;
  /** Rows that wait for curators, and are left out. */
  readonly pending: number;
  /** Null where there is nothing to publish. */
  readonly cost: PublicationCost | null;
};

type Parts = {
  readonly database: Database;
  readonly registry: Registry;
  readonly contentOf: (summary: VersionSummary) => Promise<VersionContent>;
};

/** @throws DatanetError `not-owner`, `unknown-datanet`, `imported-datanet` */
export async function nextVersion(
  { database, registry, contentOf }: Parts,
  datanetId: bigint,
  publisher: Address,
): Promise<NextVersion> {
  const { license } = await requirePublishable({ database, registry }, datanetId, publisher);
  const rows = await database.query<{ key: string; split: string; contributor: Address }>(
    `select c.consent_digest || ' ' || r.digest as key, r.split, c.contributor
     from datanets.rows r join datanets.contributions c on c.id = r.contribution_id
     where r.datanet_id = $1 and r.status = 'accepted' and r.withdrawn_at_ms is null`,
    [datanetId],
  );
  const [latest] = await listVersions(database, datanetId, { limit: 1 });
  const before = latest ? keysOf(await contentOf(latest)) : new Set<string>();
  const now = new Set(rows.map(({ key }) => key));
  const count = rows.filter(({ split }) => split === "train").length;
  const [added, removed] = [[...now.difference(before)].length, [...before.difference(now)].length];
  const isSomething = count > 0 && added + removed > 0;
  return {
    ...{ datanetId, version: (latest?.version ?? 0) + 1, license, count },
    ...{
      heldoutCount: rows.length - count,
      added,
      removed,
      pending: await countPending(database, datanetId),
    },
    contributors: new Set(rows.map(({ contributor }) => contributor)).size,
    cost: isSomething
      ? await registry.publicationCost(publisher, { datanetId, count, licenseDigest: textDigest(license) })
      : null,
  };
}

/** Rows under the consent that they were given with: one that was taken back and given again is another. */
const keysOf = ({ manifest: { rows, heldout, contributions } }: VersionContent): Set<string> =>
  new Set(
    [...rows, ...heldout].map(
      ({ contribution, digest }) => `${contributions[contribution]?.consentDigest} ${digest}`,
    ),
  );
