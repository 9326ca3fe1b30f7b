import { isDeepStrictEqual } from "node:util";
import type { Account } from "viem";
import { type Address, type Digest, sameHex } from "../protocol/index.ts";
import { requireToken } from "./access/access.ts";
import type { AccessRule } from "./access/rule.ts";
import { type Access, createAccess } from "./access/service.ts";
import {
  type Checks,
  type Cluster,
  type CountTokens,
  clusterOf,
  createChecks,
  type Rules,
  readRules,
  writeRules,
} from "./checks/index.ts";
import { type ContributionInput, contribute, preview, receive, type UploadOptions } from "./contribution.ts";
import {
  type ContributionSummary,
  type ContributionsPage,
  type Contributor,
  listContributions,
  listContributors,
} from "./contributors.ts";
import { acceptEdits, type EditsInput } from "./curation/edits.ts";
import { type Curation, createCuration } from "./curation/service.ts";
import { type Card, createDatanet, type Datanet, listDatanets, readDatanet } from "./datanet.ts";
import { diffVersions, type VersionDiff } from "./diff.ts";
import type { Elections } from "./elections/elections.ts";
import { type CuratorVoting, createCuratorVoting } from "./elections/service.ts";
import { DatanetError } from "./errors.ts";
import type { ExportedFile } from "./export/croissant.ts";
import { type ExportName, exportVersion } from "./export/index.ts";
import { type Histograms, histogramsOf } from "./histograms.ts";
import { importVersion } from "./import-version.ts";
import { type NextVersion, nextVersion } from "./next-version.ts";
import type { OnUploadProgress } from "./progress.ts";
import {
  listVersions,
  publishVersion,
  readSummary,
  type VersionSummary,
  type VersionsPage,
} from "./publication.ts";
import { contributionsAfter, type RecentContribution } from "./recent.ts";
import type { Registry } from "./registry.ts";
import type { Ask } from "./remote-version.ts";
import { type ContributionReport, type ReportPage, readReport } from "./report.ts";
import { createRowFacts } from "./row-facts.ts";
import { type RowsQuery, rowsPage } from "./rows-page.ts";
import { type StakeStanding, stakeStanding } from "./stake.ts";
import { migrateDatanets } from "./tables.ts";
import { openTexts, type TextsDependencies } from "./texts.ts";
import { type UploadLimits, uploadLimits } from "./upload.ts";
import { readContent, type VersionContent } from "./version.ts";
import {
  createWithdrawnCounts,
  type WithdrawalInput,
  type WithdrawalReport,
  type WithdrawnRow,
  withdraw,
  withdrawnRows,
} from "./withdrawal.ts";

export type DatanetsDependencies = TextsDependencies & {
  readonly registry: Registry;
  /** Where contributors elect curators; without it only the owner names them. */
  readonly elections?: Elections;
  /** Told when a Datanet becomes private: what else was made of its texts may have to be encrypted, too. */
  readonly onPrivate?: (datanetId: bigint) => Promise<void>;
  readonly limits?: UploadLimits;
  /** Tokens as the base model counts them; without it length is not checked. */
  readonly countTokens?: CountTokens;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: (message: string) => void;
};

export type Datanets = {
  readonly registry: Registry;
  readonly access: Access;
  readonly curation: Curation;
  readonly voting: CuratorVoting;
  readonly limits: UploadLimits;
  /**
   * Creates a Datanet owned by `owner`; the same owner and card give the same Datanet.
   *
   * @param from what holds before anything can be given: who may read its texts (otherwise everybody, or as it was), and what a new one asks
   * of its rows (otherwise the defaults)
   */
  create(
    owner: Account,
    card: Omit<Card, "schema">,
    from?: { readonly access?: AccessRule | undefined; readonly rules?: Rules },
  ): Promise<Datanet & { created: boolean }>;
  list(page: { before?: bigint; limit: number }): Promise<Datanet[]>;
  get(datanetId: bigint): Promise<Datanet>;
  /** Says what would become of each row, and what to sign; stores nothing. */
  preview(
    datanetId: bigint,
    chunks: AsyncIterable<Uint8Array>,
    options?: UploadOptions,
  ): ReturnType<typeof preview>;
  contribute(input: ContributionInput): Promise<ContributionReport>;
  /** Takes what curators proposed in place of rows. */
  acceptEdits(input: EditsInput): Promise<ContributionReport>;
  /** @param page which of its rows; the first 100 otherwise */
  getContribution(contributionId: number, page?: ReportPage): Promise<ContributionReport>;
  /** Who gave rows that count, most rows first. */
  contributors(datanetId: bigint, page: { offset: number; limit: number }): Promise<Contributor[]>;
  /** What was given, newest first. @param datanetId undefined: to all Datanets */
  contributions(datanetId: bigint | undefined, page: ContributionsPage): Promise<ContributionSummary[]>;
  /** Contributions to all Datanets after a cursor; see `recent.ts`. */
  contributionsAfter(
    after: number | null,
    limit: number,
  ): Promise<{ contributions: RecentContribution[]; cursor: number }>;
  /** What the Datanet asks of its rows. */
  getRules(datanetId: bigint): Promise<Rules>;
  /** Sets it: once this has resolved, nothing enters that it refuses, whenever it was begun. @throws DatanetError `not-owner` */
  setRules(owner: Account, datanetId: bigint, rules: Rules): Promise<Rules>;
  /** What stake is asked of contributors, and what this one has. */
  stakeOf(datanetId: bigint, contributor: Address): Promise<StakeStanding>;
  /** The near duplicates that a row belongs with. @param rowId as in the rows' table */
  clusterOf(rowId: number): Promise<Cluster>;
  readonly checks: Checks;
  /** Publishes what has been accepted so far, once. */
  publishVersion(
    datanetId: bigint,
    publisher: Account,
    onProgress?: OnUploadProgress,
  ): Promise<VersionSummary & { created: boolean }>;
  /** What publishing would make now, and what it would cost. */
  nextVersion(datanetId: bigint, publisher: Address): Promise<NextVersion>;
  /** A copy of a version that another node gives, checked against the chain. */
  importVersion(ask: Ask, datanetId: bigint, version: number): Promise<VersionSummary & { created: boolean }>;
  /** Newest first. @param page.before those with a lower number; the newest 100 without a page */
  listVersions(datanetId: bigint, page?: VersionsPage): Promise<VersionSummary[]>;
  getVersionSummary(datanetId: bigint, version: number): Promise<VersionSummary>;
  /** The rows with their texts, and proofs: read from blobs, every digest recomputed. */
  getVersion(datanetId: bigint, version: number): Promise<VersionSummary & VersionContent>;
  /** What its contributor takes back; later versions leave it out. */
  withdraw(input: WithdrawalInput): Promise<WithdrawalReport>;
  /** Which rows of a version have been taken back since. */
  withdrawnRows(datanetId: bigint, version: number): Promise<WithdrawnRow[]>;
  /** How many. */
  withdrawnCount(datanetId: bigint, version: number): Promise<number>;
  /** Version 0 has no rows. */
  diff(datanetId: bigint, from: number, to: number): Promise<VersionDiff>;
  /** A page of a version's rows. */
  rows(datanetId: bigint, version: number, query: RowsQuery): RowsFound;
  /** How the rows of a split are spread, and how many were taken back since. */
  histograms(
    datanetId: bigint,
    version: number,
    split: RowsQuery["split"],
  ): Promise<Histograms & { readonly withdrawn: number }>;
  /** A version as a file. @param url where the version is described, for the descriptions */
  exportVersion(datanetId: bigint, version: number, name: ExportName, url: string): Promise<ExportedFile>;
};

type RowsFound = Promise<{ readonly root: Digest } & Awaited<ReturnType<typeof rowsPage>>>;

/** Versions kept in memory: paging through one would recompute its root for every page otherwise. */
const contentsMax = 4;

/** Opens the room's service, bringing its tables up to date. */
export async function createDatanets(dependencies: DatanetsDependencies): Promise<Datanets> {
  const { database, registry, limits = uploadLimits, now = Date.now, log = () => {} } = dependencies;
  const texts = openTexts(dependencies);
  const { blobs } = texts;
  const checks = createChecks({ database, blobs, countTokens: dependencies.countTokens });
  const { elections } = dependencies;
  const mayCurate = async (datanetId: bigint, account: Address): Promise<boolean> =>
    (await registry.mayPublish(datanetId, account)) ||
    (await elections?.isElected(datanetId, account)) === true;
  const parts = { database, blobs, texts, registry, mayCurate, limits, checks, now };
  await migrateDatanets(database);
  await texts.endSealing(({ message }) => log(message));
  const inTurn = createTurns();
  const access = createAccess(parts);
  const curation = createCuration(parts, (datanetId) => parts.checks.forget(datanetId));
  const contents = new Map<Digest, Promise<VersionContent>>();
  const withdrawnCounts = createWithdrawnCounts(database);
  const factsOf = createRowFacts(dependencies.countTokens);

  const contentOf = ({
    manifestDigest,
    rowsDigest,
  }: Pick<VersionSummary, "manifestDigest" | "rowsDigest">): Promise<VersionContent> => {
    const cached = contents.get(manifestDigest);
    if (cached) return cached;
    const content = readContent(blobs, manifestDigest, rowsDigest);
    contents.set(manifestDigest, content);
    content.catch(() => contents.delete(manifestDigest));
    for (const oldest of contents.keys()) {
      if (contents.size <= contentsMax) break;
      contents.delete(oldest);
    }
    return content;
  };

  const withdrawnOf = async ({ manifest }: VersionContent, split: RowsQuery["split"]) =>
    new Set(
      (await withdrawnRows(database, manifest)).filter((row) => row.split === split).map((row) => row.digest),
    );

  /** One contribution to a Datanet at a time, so that two cannot both be first with the same row; its rules stay as they are meanwhile. */
  const inContributionTurn = <T>(datanetId: bigint, action: () => Promise<T>): Promise<T> =>
    inTurn(`contributions of ${datanetId}`, () => inRulesTurn(datanetId, action));
  /** Waits for the contribution that is being taken in, and for none that waits behind it. */
  const inRulesTurn = <T>(datanetId: bigint, action: () => Promise<T>): Promise<T> =>
    inTurn(`rules of ${datanetId}`, action);

  // Nothing is stored meanwhile that would lie there as it is.
  const setRule: Access["setRule"] = (datanetId, rule) =>
    inTurn(`contributions of ${datanetId}`, () =>
      inTurn(`datanet ${datanetId}`, async () => {
        if (rule.kind !== "public") await texts.seal(datanetId);
        const set = await access.setRule(datanetId, rule);
        if (rule.kind === "public") return set;
        await texts.removePlain(datanetId);
        await dependencies.onPrivate?.(datanetId);
        return set;
      }),
    );

  return {
    registry,
    access: { ...access, setRule },
    curation: {
      ...curation,
      review: (datanetId, curator, decisions) =>
        inTurn(`contributions of ${datanetId}`, () => curation.review(datanetId, curator, decisions)),
    },
    voting: createCuratorVoting({
      ...{ database, elections, registry },
      contentOf: async (datanetId, version) => contentOf(await readSummary(database, datanetId, version)),
    }),
    limits,
    create: (owner, card, { access: rule, rules } = {}) =>
      inTurn(`owner ${owner.address}`, async () => {
        if (rule) await requireToken(registry, rule, owner.address);
        const { datanetId, created } = await createDatanet(parts, owner, card, rules);
        // Setting it ends passes that are out.
        if (rule && !isDeepStrictEqual((await access.rule(datanetId)).rule, rule))
          await setRule(datanetId, rule);
        if (created) log(`Datanet ${datanetId} "${card.name}" was created.`);
        return { ...(await readDatanet(database, datanetId)), created };
      }),
    list: (page) => listDatanets(database, page),
    get: (datanetId) => readDatanet(database, datanetId),
    preview: (datanetId, chunks, options) => preview(parts, datanetId, chunks, options),
    contribute: async (input) => {
      const received = await receive(parts, input);
      return inContributionTurn(input.consent.datanetId, async () => {
        const report = await contribute(parts, received);
        log(
          `Datanet ${report.datanetId}: ${report.contributor} contributed ${report.accepted} rows (${report.duplicates} duplicates, ${report.refused} refused).`,
        );
        return report;
      });
    },
    acceptEdits: async (input) => {
      const { datanetId } = await readReport(parts, input.contributionId);
      const report = await inContributionTurn(datanetId, () =>
        acceptEdits(
          {
            ...{ database, blobs, forget: parts.checks.forget },
            contribute: async (contribution) => contribute(parts, await receive(parts, contribution)),
          },
          input,
        ),
      );
      parts.checks.forget(datanetId);
      log(
        `Datanet ${datanetId}: ${report.contributor} took ${report.exampleCount} texts as curators proposed them.`,
      );
      return readReport(parts, report.contributionId);
    },
    getRules: async (datanetId) => (await readRules(database, datanetId)).rules,
    setRules: async (owner, datanetId, rules) => {
      const datanet = await readRules(database, datanetId);
      if (!sameHex(owner.address, datanet.owner as `0x${string}`))
        throw new DatanetError(
          "not-owner",
          `${owner.address} does not own Datanet ${datanetId}: ${datanet.owner} does. Its owner sets its rules.`,
        );
      await inRulesTurn(datanetId, () => writeRules(database, datanetId, rules));
      return rules;
    },
    stakeOf: (datanetId, contributor) => stakeStanding(parts, datanetId, contributor),
    clusterOf: (rowId) => clusterOf(database, rowId),
    checks,
    contributionsAfter: (after, limit) => contributionsAfter(database, after, limit),
    getContribution: (contributionId, page) => readReport(parts, contributionId, page),
    contributors: async (datanetId, page) => {
      await readDatanet(database, datanetId);
      return listContributors(database, datanetId, page);
    },
    contributions: async (datanetId, page) => {
      if (datanetId !== undefined) await readDatanet(database, datanetId);
      return listContributions(database, datanetId, page);
    },
    nextVersion: (datanetId, publisher) =>
      nextVersion({ database, registry, contentOf }, datanetId, publisher),
    publishVersion: (datanetId, publisher, onProgress) =>
      inTurn(`datanet ${datanetId}`, async () => {
        const summary = await publishVersion(parts, datanetId, publisher, onProgress);
        if (summary.created)
          log(`Datanet ${datanetId}: version ${summary.version} with ${summary.count} rows is published.`);
        return summary;
      }),
    importVersion: (ask, datanetId, version) =>
      inTurn(`datanet ${datanetId}`, async () => {
        const summary = await importVersion(parts, ask, datanetId, version);
        if (summary.created)
          log(`Datanet ${datanetId}: version ${version} with ${summary.count} rows is imported.`);
        return summary;
      }),
    listVersions: async (datanetId, page) => {
      await readDatanet(database, datanetId);
      return listVersions(database, datanetId, page);
    },
    getVersionSummary: (datanetId, version) => readSummary(database, datanetId, version),
    getVersion: async (datanetId, version) => {
      const summary = await readSummary(database, datanetId, version);
      return { ...summary, ...(await contentOf(summary)) };
    },
    rows: async (datanetId, version, query) => {
      const content = await contentOf(await readSummary(database, datanetId, version));
      const withdrawn = () => withdrawnOf(content, query.split);
      const page = await rowsPage(content, query, { factsOf, withdrawn });
      return { root: content.manifest.root, ...page };
    },
    histograms: async (datanetId, version, split) => {
      const content = await contentOf(await readSummary(database, datanetId, version));
      const rows = split === "train" ? content.rows : content.heldout;
      const withdrawn = (await withdrawnOf(content, split)).size;
      return { ...histogramsOf(rows, await factsOf(rows)), withdrawn };
    },
    withdraw: async (input) => {
      const turn = `contributions of ${input.withdrawal.datanetId}`;
      const report = await inTurn(turn, () => withdraw(parts, input));
      log(`Datanet ${report.datanetId}: ${report.contributor} took back ${report.withdrawn} examples.`);
      return report;
    },
    withdrawnRows: async (datanetId, version) => {
      const summary = await readSummary(database, datanetId, version);
      return withdrawnRows(database, (await contentOf(summary)).manifest);
    },
    withdrawnCount: async (datanetId, version) => {
      const summary = await readSummary(database, datanetId, version);
      const read = async () => (await contentOf(summary)).manifest;
      return withdrawnCounts(datanetId, summary.manifestDigest, read);
    },
    diff: async (datanetId, from, to) => {
      const nothing = { rows: [], heldout: [] };
      const versionOf = async (version: number) =>
        version === 0 ? nothing : contentOf(await readSummary(database, datanetId, version));
      return diffVersions(await versionOf(from), await versionOf(to));
    },
    exportVersion: async (datanetId, version, name, url) => {
      const summary = await readSummary(database, datanetId, version);
      const content = await contentOf(summary);
      const { manifest } = content;
      const described = {
        ...{ datanet: await readDatanet(database, datanetId), summary, manifest },
        withdrawn: await withdrawnRows(database, manifest),
      };
      return exportVersion(name, described, content, url);
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
