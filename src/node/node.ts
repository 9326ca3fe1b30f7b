/**
 * The composition root: builds every service from one configuration, gives rooms that may not know each other what they need, and mounts
 * their routes. It decides nothing itself.
 */
import { chmodSync, createReadStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type Duplex, Readable } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import { OpenAPIHono } from "@hono/zod-openapi";
import { custom } from "viem";
import { type Attribution, createAttribution, openExplainer, openSpans } from "../attribution/index.ts";
import { createRpc, refuseUpgrade, viemChain } from "../chain/index.ts";
import {
  contractRegistry,
  createDatanets,
  type Datanets,
  datanetRoutes,
  openElections,
} from "../datanets/index.ts";
import { type Explorer, explorerRoutes, openExplorer } from "../explorer/index.ts";
import { feedRoutes, openFeed } from "../feed/index.ts";
import { createInference, type Inference, inferenceRoutes, openLoadedAdapters } from "../inference/index.ts";
import {
  contractModelRegistry,
  createModelFactory,
  isOfBase,
  type ModelFactory,
  modelFactoryRoutes,
  openaiRoutes,
  openBaseModel,
} from "../modelfactory/index.ts";
import type { OpenLora } from "../openlora/index.ts";
import { openOperators, operatorRoutes, peopleRoutes, sessionRoutes } from "../operators/index.ts";
import { openPayments, type Payments, paymentRoutes } from "../payments/index.ts";
import { type Digest, describeCalibration, toHex, zeroAddress } from "../protocol/index.ts";
import {
  type Disputes,
  disputeRoutes,
  openDisputes,
  openRelays,
  openSettlement,
  relayRoutes,
  type Settlement,
  SettlementError,
  settlementRoutes,
} from "../settlement/index.ts";
import {
  type Database,
  type Jobs,
  openBlobs,
  openDatabase,
  openDataKeys,
  openJobs,
  openSealedBlobs,
} from "../store/index.ts";
import { openStatements, validatorRoutes } from "../validators/index.ts";
import type { AnswerServices } from "./answers.ts";
import { closeServer } from "./closing.ts";
import { type NodeConfig, packageFolder, runningFile } from "./config.ts";
import { createTokenCount } from "./count-tokens.ts";
import { delegationRoutes } from "./delegations.ts";
import { openEngine } from "./engine.ts";
import { examplesRoutes } from "./examples.ts";
import { feedSources } from "./feed-sources.ts";
import { isForeignName, openOperatorToken, ownName, ownOrigins, printable } from "./guard.ts";
import { type NodeNetwork, openNetwork } from "./network.ts";
import { problemDetails } from "./problem.ts";
import { createQuiet } from "./quiet.ts";
import { nodeRoutes } from "./routes.ts";
import { servingMetrics } from "./serving-metrics.ts";
import { spanDataOf, spansRoutes } from "./spans.ts";
import { staticRoutes } from "./static.ts";
import { chainSale, chainTerms } from "./terms.ts";
import { upkeepRoutes } from "./upkeep.ts";
import { usesRoutes } from "./uses.ts";
import { version } from "./version.ts";

export type RunningNode = {
  readonly config: NodeConfig;
  /** Where the HTTP API answers, without a slash at the end. */
  readonly url: string;
  readonly network: NodeNetwork;
  readonly database: Database;
  readonly jobs: Jobs;
  readonly datanets: Datanets;
  readonly modelFactory: ModelFactory;
  readonly openLora: OpenLora;
  readonly attribution: Attribution;
  readonly payments: Payments;
  readonly inference: Inference;
  readonly settlement: Settlement;
  readonly disputes: Disputes;
  readonly explorer: Explorer;
  readonly operatorToken: string;
  /** Finishes what runs, then closes everything in the reverse order of opening. */
  close(): Promise<void>;
};

/** How often demands are answered and what is unanswered is enforced; deadlines are half a settlement window. */
const watchEveryMs = 2_000;

export type OpenNodeOptions = {
  /** What is being done while the node starts. */
  readonly onStep?: (step: string) => void;
  /** One line of the node's log. */
  readonly log?: (level: "info" | "warn", message: string) => void;
};

/** Fails early with EADDRINUSE: a first start would otherwise make a whole home before it noticed. */
async function requireFreePort({ port, host }: NodeConfig): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

/** @throws what a room's opening throws; everything opened before is closed again */
export async function openNode(config: NodeConfig, options: OpenNodeOptions = {}): Promise<RunningNode> {
  const { onStep = () => {}, log: print = () => {} } = options;
  const write = (level: "info" | "warn", message: string) => print(level, printable(message));
  const log = (message: string) => write("info", message);
  const warn = (message: string) => write("warn", message);
  const closers: [what: string, close: () => Promise<unknown>][] = [];
  const opened = <T>(what: string, value: T, close: (value: T) => Promise<unknown>): T => {
    closers.push([what, () => close(value)]);
    return value;
  };
  const closeAll = async () => {
    const failures: Error[] = [];
    for (const [what, close] of closers.splice(0).reverse())
      await close().catch((cause: Error) =>
        failures.push(new Error(`${what} did not close: ${cause.message}`, { cause })),
      );
    if (failures.length > 0) throw new AggregateError(failures, failures.map((f) => f.message).join("; "));
  };
  try {
    return await open();
  } catch (error) {
    await closeAll().catch((later: Error) => warn(later.message));
    throw error;
  }

  async function open(): Promise<RunningNode> {
    await requireFreePort(config);
    mkdirSync(config.home, { recursive: true });
    chmodSync(config.home, 0o700); // prompts, answers and keys lie here
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
    let url = "";
    const network = opened("the chain", await openNetwork(config, () => `${url}/rpc`, warn, onStep), (n) =>
      n.close(),
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
    const loaded = await openLoadedAdapters({ database, blobs });
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

    onStep("the HTTP server");
    const operatorToken = openOperatorToken(config.home);
    const operators = await openOperators({
      database,
      rootToken: operatorToken,
      chainId: network.network.chainId,
      origins: () => ownOrigins(config, url),
      operators: [toHex(accounts.operator.address), ...config.operators],
    });
    const { guard } = operators;
    const app = new OpenAPIHono();
    app.use(ownName(config.host));
    app.use("/v1/*", problemDetails());
    app.use("/v1/*", async ({ req }, next) => {
      await next();
      if (req.method !== "GET") feed.wake();
    });
    app.onError((error, context) => {
      // Whoever left in the middle of a request is no failure of ours, and reads no answer.
      if (context.req.raw.signal.aborted) return context.body(null, 499 as 400);
      if (/invalid byte sequence for encoding "UTF8": 0x00/.test(error.message))
        return context.json(
          { error: { code: "invalid-request", message: "Text must not hold the NUL character." } },
          400,
        );
      warn(`${context.req.method} ${new URL(context.req.url).pathname}: ${error.stack ?? error.message}`);
      return context.json(
        { error: { code: "internal", message: "Something went wrong in the node; its log says what." } },
        500,
      );
    });
    app.notFound((context) => {
      const { method, path } = context.req;
      if (!path.startsWith("/v1/")) return context.text("404 Not Found", 404);
      const message = `Nothing is served at ${method} ${path}. GET /openapi.json lists what is.`;
      return context.json(
        { error: { message, type: "invalid_request_error", param: null, code: "not_found" } },
        404,
      );
    });
    app.route(
      "/",
      nodeRoutes(
        { config, network, datanets, modelFactory, openLora, settlement, payments, inference },
        guard,
      ),
    );
    app.route("/", usesRoutes({ datanets, modelFactory, settlement }));
    const answers: AnswerServices = {
      payments,
      inference,
      receipt: async (id) => {
        const view = await settlement.receipt(id).catch((error: Error) => {
          if (error instanceof SettlementError && error.code === "unknown-receipt") return undefined;
          throw error;
        });
        return view?.bundle;
      },
      release: (id) => modelFactory.findRelease(id),
    };
    app.route("/", operatorRoutes(operators));
    app.route("/", peopleRoutes(operators));
    app.route("/", sessionRoutes(operators.sessions, network.network.chainId));
    app.route(
      "/",
      upkeepRoutes({ config, network, database, blobs, keys: dataKeys, sealed, quiet, log }, guard),
    );
    app.route("/", spansRoutes({ ...answers, spans, datanets }, guard("read")));
    app.route("/", examplesRoutes({ ...answers, explainer, datanets }, guard("read")));
    app.route(
      "/",
      datanetRoutes(datanets, { operator: { account: accounts.curator, guard: guard("datanets") } }),
    );
    const attestedOf = (release: Digest) =>
      network.reader.public.readContract({
        ...contracts.ReleaseVerdicts,
        functionName: "isAttested",
        args: [release],
        blockTag: "pending",
      });
    app.route("/", modelFactoryRoutes(modelFactory, guard("modelfactory"), attestedOf, guard("settlement")));
    app.route("/", openaiRoutes(modelFactory, guard("modelfactory")));
    app.route("/", paymentRoutes(payments));
    const relays = await openRelays({ database, chain: operator, contracts, settlement });
    const calibrationOf = async (release: Digest) => {
      const found = await modelFactory.findRelease(release);
      return found === undefined ? undefined : describeCalibration(found.manifest);
    };
    app.route(
      "/",
      settlementRoutes(settlement, {
        guard: guard("settlement"),
        claim: relays.claim,
        calibration: calibrationOf,
        attested: attestedOf,
      }),
    );
    app.route("/", relayRoutes(relays));
    app.route("/", delegationRoutes(operator, contracts, relays.allow));
    app.route("/", disputeRoutes(disputes, guard("settlement"), settlement));
    app.route(
      "/",
      validatorRoutes({
        chain: network.reader,
        contracts,
        operator: toHex(accounts.operator.address),
        content: settlement.content,
        evidence: inference.evidence,
        statements: await openStatements({ database, chain: network.reader, contracts }),
        releaseFile: async (id, name) => {
          const release = await modelFactory.findRelease(id);
          if (release === undefined) return undefined;
          const { adapter, index } = release.manifest;
          const digests = {
            adapter: adapter.digest,
            "adapter-config": release.adapterConfig,
            basis: index.basisDigest,
            clusters: index.clustersDigest,
            explain: index.explainDigest,
          };
          const digest = digests[name];
          if (digest === undefined) return undefined;
          // Streamed, for an explain index may have a gigabyte; who asks checks the digest.
          return Readable.toWeb(createReadStream(await blobs.path(digest)));
        },
      }),
    );
    app.route("/", inferenceRoutes(inference, { guard: guard("models") }));
    app.route("/", explorerRoutes(explorer));
    app.route("/", feedRoutes(feed));
    const rpc = createRpc(chain, {
      rate: { perSecond: config.rpcRequestsPerSecond, burst: config.rpcRequestsPerSecond * 10 },
      onInternalError: (error) => warn(`JSON-RPC: ${(error as Error).message}`),
    });
    app.route("/rpc", rpc.routes);
    app.get("/metrics", guard("metrics"), async (context) => {
      const serving = servingMetrics(await openLora.metrics(), await inference.metrics());
      return context.body(`${rpc.metrics()}${serving}`, 200, {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
      });
    });
    app.doc("/openapi.json", { openapi: "3.1.0", info: { title: "OpenLedger node", version } });
    app.route("/", staticRoutes(join(packageFolder, "web", "dist")));
    const server = createAdaptorServer({ fetch: app.fetch, hostname: config.host });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (isForeignName(config.host, request.headers.host))
        refuseUpgrade(
          socket,
          "403 Forbidden",
          "This node answers on this machine only: ask for 127.0.0.1 or localhost.",
        );
      else if (!/^\/rpc\/?(\?|$)/.test(request.url ?? ""))
        refuseUpgrade(socket, "404 Not Found", "WebSockets are served at /rpc only.");
      else rpc.upgrade(request, socket, head);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(config.port, config.host, () => resolve());
    });
    opened("the HTTP server", server, async (s) => {
      rpc.close();
      feed.endStreams();
      await closeServer(s, async () => (await inference.metrics()).inFlight);
    });
    url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${(server.address() as AddressInfo).port}`;
    const place = join(config.home, runningFile);
    writeFileSync(place, `${JSON.stringify({ url, pid: process.pid })}\n`);
    opened("the note of where it listens", place, async (file) => rmSync(file, { force: true }));
    if (config.settleEveryMs > 0) settlement.start({ intervalMs: config.settleEveryMs, minReceipts: 1 });
    disputes.start({ intervalMs: watchEveryMs });
    return {
      config,
      url,
      network,
      database,
      jobs,
      datanets,
      modelFactory,
      openLora,
      attribution,
      payments,
      inference,
      settlement,
      disputes,
      explorer,
      operatorToken,
      close: closeAll,
    };
  }
}
