import type { Account } from "viem";
import type { Digest } from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import {
  type ContributionInput,
  type ContributionReport,
  contribute,
  preview,
  readReport,
} from "./contribution.ts";
import { type Card, createDatanet, type Datanet, listDatanets, readDatanet } from "./datanet.ts";
import { listVersions, publishVersion, readSummary, type VersionSummary } from "./publication.ts";
import type { Registry } from "./registry.ts";
import { migrateDatanets } from "./tables.ts";
import { type UploadLimits, uploadLimits } from "./upload.ts";
import { readContent, type VersionContent } from "./version.ts";

export type DatanetsDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly registry: Registry;
  readonly limits?: UploadLimits;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: (message: string) => void;
};

export type Datanets = {
  readonly registry: Registry;
  readonly limits: UploadLimits;
  /** Creates a Datanet owned by `owner`; the same owner and card give the same Datanet. */
  create(owner: Account, card: Omit<Card, "schema">): Promise<Datanet & { created: boolean }>;
  list(page: { before?: bigint; limit: number }): Promise<Datanet[]>;
  get(datanetId: bigint): Promise<Datanet>;
  /** Says what would become of each row, and what to sign; stores nothing. */
  preview(datanetId: bigint, chunks: AsyncIterable<Uint8Array>): ReturnType<typeof preview>;
  contribute(input: ContributionInput): Promise<ContributionReport>;
  getContribution(contributionId: number): Promise<ContributionReport>;
  /** Publishes what has been accepted so far, once. */
  publishVersion(datanetId: bigint, publisher: Account): Promise<VersionSummary & { created: boolean }>;
  listVersions(datanetId: bigint): Promise<VersionSummary[]>;
  getVersionSummary(datanetId: bigint, version: number): Promise<VersionSummary>;
  /** The rows with their texts, and proofs: read from blobs, every digest recomputed. */
  getVersion(datanetId: bigint, version: number): Promise<VersionSummary & VersionContent>;
};

/** Versions kept in memory: paging through one would recompute its root for every page otherwise. */
const contentsMax = 4;

/** Opens the room's service, bringing its tables up to date. */
export async function createDatanets(dependencies: DatanetsDependencies): Promise<Datanets> {
  const { database, blobs, registry, limits = uploadLimits, now = Date.now, log = () => {} } = dependencies;
  const parts = { database, blobs, registry, limits, now };
  await migrateDatanets(database);
  const inTurn = createTurns();
  const contents = new Map<Digest, Promise<VersionContent>>();

  const contentOf = (manifestDigest: Digest): Promise<VersionContent> => {
    const cached = contents.get(manifestDigest);
    if (cached) return cached;
    const content = readContent(blobs, manifestDigest);
    contents.set(manifestDigest, content);
    content.catch(() => contents.delete(manifestDigest));
    for (const oldest of contents.keys()) {
      if (contents.size <= contentsMax) break;
      contents.delete(oldest);
    }
    return content;
  };

  return {
    registry,
    limits,
    create: (owner, card) =>
      inTurn(`owner ${owner.address}`, async () => {
        const { datanetId, created } = await createDatanet(parts, owner, card);
        if (created) log(`Datanet ${datanetId} "${card.name}" was created.`);
        return { ...(await readDatanet(database, datanetId)), created };
      }),
    list: (page) => listDatanets(database, page),
    get: (datanetId) => readDatanet(database, datanetId),
    preview: (datanetId, chunks) => preview(parts, datanetId, chunks),
    contribute: async (input) => {
      const report = await contribute(parts, input);
      log(
        `Datanet ${report.datanetId}: ${report.contributor} contributed ${report.accepted} rows (${report.duplicates} duplicates).`,
      );
      return report;
    },
    getContribution: (contributionId) => readReport(database, contributionId),
    publishVersion: (datanetId, publisher) =>
      inTurn(`datanet ${datanetId}`, async () => {
        const summary = await publishVersion(parts, datanetId, publisher);
        if (summary.created)
          log(`Datanet ${datanetId}: version ${summary.version} with ${summary.count} rows is published.`);
        return summary;
      }),
    listVersions: async (datanetId) => {
      await readDatanet(database, datanetId);
      return listVersions(database, datanetId);
    },
    getVersionSummary: (datanetId, version) => readSummary(database, datanetId, version),
    getVersion: async (datanetId, version) => {
      const summary = await readSummary(database, datanetId, version);
      return { ...summary, ...(await contentOf(summary.manifestDigest)) };
    },
  };
}

/** Runs actions of one name one after the other: two publications of a Datanet at once would both find nothing published. */
function createTurns() {
  const last = new Map<string, Promise<unknown>>();
  return <T>(name: string, action: () => Promise<T>): Promise<T> => {
    const result = (last.get(name) ?? Promise.resolve()).then(action, action);
    last.set(name, result);
    const done = () => {
      if (last.get(name) === result) last.delete(name);
    };
    result.then(done, done);
    return result;
  };
}
