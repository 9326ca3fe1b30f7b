import { join } from "node:path";
import { custom } from "viem";
import { createAttribution, openExplainer, openSpans } from "../attribution/index.ts";
import { viemChain } from "../chain/index.ts";
import { contractRegistry, createDatanets, openElections } from "../datanets/index.ts";
import { openExplorer } from "../explorer/index.ts";
import { openFeed } from "../feed/index.ts";
import { createInference, openLoadedAdapters } from "../inference/index.ts";
import {
  contractModelRegistry,
  createModelFactory,
  isOfBase,
  type ModelFactory,
  openBaseModel,
} from "../modelfactory/index.ts";
import { openOperators } from "../operators/index.ts";
import { openPayments } from "../payments/index.ts";
import { type Digest, toHex, zeroAddress } from "../protocol/index.ts";
import { openDisputes, openSettlement } from "../settlement/index.ts";
import { openBlobs, openDatabase, openDataKeys, openJobs, openSealedBlobs } from "../store/index.ts";
import type { Opened } from "./closing.ts";
import type { NodeConfig } from "./config.ts";
import { createTokenCount } from "./count-tokens.ts";
import { openEngine } from "./engine.ts";
import { feedSources } from "./feed-sources.ts";
import { openOperatorToken, ownOrigins } from "./guard.ts";
import { openNetwork } from "./network.ts";
import { createQuiet } from "./quiet.ts";
import { spanDataOf } from "./spans.ts";
import { chainSale, chainTerms } from "./terms.ts";

export type Log = {
  /** What is being done while the node starts. */
  readonly step: (step: string) => void;
  readonly write: (level: "info" | "warn", message: string) => void;
};

export type Services = Awaited<ReturnType<typeof openServices>>;

type Outside = {
  /** Where the HTTP server listens, once it does. */
  readonly url: () => string;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
};

/**
 * @throws what a room's opening throws; `opened` knows what was opened before
 */
export async function openServices(
  config: NodeConfig,
  opened: Opened,
  { step: onStep, write }: Log,
  { url, nowMs }: Outside,
) {
  const log = (message: string) => write("info", message);
  const warn = (message: string) => write("warn", message);
  onStep("the database");
  const database = opened("the database", await openDatabase(join(config.home, "db")), (d) => d.close());
  const blobs = await openBlobs(config.home, config.blobs);
  const dataKeys = await openDataKeys(database, join(config.home, "master-key"));
  await dataKeys.check().catch((error: Error) => warn(error.message));
  const sealed = opened(
    "the plain copies of encrypted blobs",
    await openSealedBlobs({
      database,
      blobs,
      keys: dataKeys,
      plainFolder: join(config.home, "blobs-plain"),
    }),
    (s) => s.close(),
  );
  const quiet = createQuiet(warn);
  const jobs = await openJobs(database);
  onStep("the chain");
  const network = opened(
    "the chain",
    await openNetwork(config, () => `${url()}/rpc`, warn, onStep, nowMs),
    (n) => n.close(),
  );
  const { accounts, contracts, chain, keys } = network;
  const link = {
    chain: viemChain(network.network),
    transport: custom({ request: (args) => chain.request(args) }, { retryCount: 0 }),
  };
  const operator = network.writer(accounts.operator);
  const onBlock = (listener: () => void) => chain.onBlock(listener);

  const explorer = opened(
    "the explorer",
    await openExplorer({
      database,
      chain,
      contracts,
      genesis: chain.genesis,
      onBlock,
      log: write,
      reindex: config.reindex,
    }),
    (e) => e.close(),
  );
  onStep("the base model");
  const base = await openBaseModel(config.baseName, config.baseModel);
  const elections = opened(
    "elections of curators",
    await openElections({
      ...{ database, ...link, onBlock, log: warn },
      address: contracts.CuratorElections.address,
      registry: contracts.DatanetRegistry.address,
    }),
    (e) => e.close(),
  );
  const datanets = await createDatanets({
    database,
    blobs,
    sealed,
    elections,
    whenQuiet: quiet.when,
    onPrivate: (datanetId) => hideSpans([datanetId]),
    registry: contractRegistry({
      ...link,
      address: contracts.DatanetRegistry.address,
      staking: contracts.OpenStaking.address,
    }),
    countTokens: createTokenCount(config.baseModel),
    log,
  });
  const spans = opened(
    "the span indexes",
    await openSpans({ database, blobs, sealed, folder: join(config.home, "spans"), log }),
    (s) => s.close(),
  );
  const loaded = await openLoadedAdapters({ database, blobs });
  const modelFactory: ModelFactory = opened(
    "the training thread",
    await createModelFactory({
      database,
      blobs,
      jobs,
      datanets,
      registry: contractModelRegistry({ ...link, address: contracts.ModelRegistry.address }),
      base,
      developer: accounts.developer,
      trainingFolder: join(config.home, "training"),
      now: network.nowMs,
      payment: {
        chain: operator,
        contracts,
        weiPerToken: config.fineTuneWeiPerToken,
        deadlineSeconds: config.fineTuneDeadlineSeconds,
        onBlock,
      },
      log,
      takenBy: async (model) => (await loaded.find(model)) && "an adapter that was loaded under it",
      onRelease: (id) => void indexSpans(id),
    }),
    (m) => m.close(),
  );
  async function indexSpans(id: Digest): Promise<void> {
    try {
      const release = await modelFactory.findRelease(id);
      if (release !== undefined) await spans.ensure(spanDataOf(datanets, release));
    } catch (error) {
      warn(`The span index of ${id} waits until it is asked for: ${(error as Error).message}`);
    }
  }
  /** Span indexes of data that became private are encrypted, too. */
  const hideSpans = (datanetIds: readonly bigint[]) => quiet.when(() => spans.hide(datanetIds.map(String)));
  const privateOnes = await datanets.access.privateOnes();
  if (privateOnes.length > 0)
    await hideSpans(privateOnes).catch((error: Error) => warn(`Span indexes: ${error.message}`));
  const openLora = opened(
    "the engine",
    await openEngine(
      config,
      async (adapter: Digest) => {
        const release = await modelFactory.releaseOfAdapter(adapter);
        if (release === undefined) {
          const files = await loaded.files(adapter);
          if (files === undefined) throw new Error(`Nothing here has the adapter ${adapter}.`);
          return files;
        }
        return { config: await blobs.get(release.adapterConfig), tensors: await blobs.get(adapter) };
      },
      log,
    ),
    (o) => o.close(),
  );
  const attribution = opened(
    "the scoring thread",
    await createAttribution(
      async (id) => {
        const { release, ...files } = await modelFactory.releaseFiles(id as Digest);
        return { ...files, payees: release.contributors, index: release.manifest.index };
      },
      {
        baseFolder: config.baseModel,
        maxLength: openLora.info().contextTokens,
        threads: 1,
      },
    ),
    (a) => a.close(),
  );
  const explainer = opened(
    "the thread of explain indexes",
    openExplainer({ gradient: attribution.gradient, path: blobs.path }),
    (e) => e.close(),
  );
  const payments = opened(
    "payments",
    await openPayments({
      database,
      jobs,
      now: network.nowMs,
      keystore: keys,
      chain: operator,
      contracts,
      onBlock,
      log: write,
    }),
    (p) => p.close(),
  );
  const settlement = opened(
    "settlement",
    await openSettlement({
      database,
      now: network.nowMs,
      blobs,
      chain: operator,
      contracts,
      collect: (ends) => payments.collect(ends),
      scheduleBlockAt: (at) => chain.scheduleBlockAt(at),
      onBlock,
      log: write,
    }),
    (s) => s.close(),
  );
  const disputes = opened(
    "disputes",
    await openDisputes({
      database,
      blobs,
      chain: operator,
      contracts,
      indexOf: async (release) => {
        const found = await modelFactory.findRelease(release);
        if (found === undefined) return undefined;
        const { rows, release: of } = await modelFactory.releaseIndex(found.id);
        return rows.map((bytes, row) => ({ row, payee: of.contributors[row] ?? zeroAddress, bytes }));
      },
      fetchContent: async () => undefined,
      onBlock,
      log: write,
    }),
    (d) => d.close(),
  );
  const feed = opened(
    "the live stream",
    await openFeed({
      database,
      sources: feedSources({ explorer, settlement, datanets, modelFactory }),
      log: write,
    }),
    (f) => f.close(),
  );
  opened(
    "the live stream's ears",
    [explorer.onIndexed(feed.wake), modelFactory.onEvent(feed.wake)],
    async (ears) => ears.forEach((stop) => void stop()),
  );
  const inference = opened(
    "inference",
    await createInference({
      database,
      now: network.nowMs,
      jobs,
      openlora: openLora,
      attribution,
      payments,
      releases: {
        find: async (name) => {
          const release = await modelFactory.findRelease(name);
          return release !== undefined && isOfBase(release.manifest, base) ? release : undefined;
        },
        list: async () => (await modelFactory.models()).filter(({ manifest }) => isOfBase(manifest, base)),
      },
      loaded,
      terms: chainTerms(network),
      maySell: chainSale(network),
      deliver: async (tx, bundle) => {
        await settlement.accept(tx, bundle);
        tx.onCommit(feed.wake);
      },
      operator: accounts.operator,
      log: warn,
    }),
    (i) => i.close(),
  );
  // Jobs need every room; they stop first.
  opened("the job queue", jobs, (j) => j.close());

  const operatorToken = openOperatorToken(config.home);
  const operators = await openOperators({
    database,
    rootToken: operatorToken,
    chainId: network.network.chainId,
    origins: () => ownOrigins(config, url()),
    operators: [toHex(accounts.operator.address), ...config.operators],
    warn,
  });
  return {
    ...{ config, network, accounts, contracts, operator, database, blobs, dataKeys, sealed, quiet, jobs },
    ...{ datanets, modelFactory, openLora, attribution, spans, explainer, payments, settlement, disputes },
    ...{ inference, explorer, feed, operators, operatorToken, log, warn },
  };
}
