/** The HTTP API of a node: what every request passes, and each room's routes. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { createRpc } from "../chain/index.ts";
import { datanetRoutes } from "../datanets/index.ts";
import { explorerRoutes } from "../explorer/index.ts";
import { feedRoutes } from "../feed/index.ts";
import { inferenceRoutes } from "../inference/index.ts";
import { modelFactoryRoutes, openaiRoutes } from "../modelfactory/index.ts";
import { operatorRoutes, peopleRoutes, sessionRoutes } from "../operators/index.ts";
import { paymentRoutes } from "../payments/index.ts";
import { type Digest, describeCalibration, toHex } from "../protocol/index.ts";
import {
  disputeRoutes,
  openRelays,
  relayRoutes,
  SettlementError,
  settlementRoutes,
} from "../settlement/index.ts";
import { openStatements, validatorRoutes } from "../validators/index.ts";
import type { AnswerServices } from "./answers.ts";
import { boundedBodies } from "./bodies.ts";
import { packageFolder } from "./config.ts";
import { delegationRoutes } from "./delegations.ts";
import { examplesRoutes } from "./examples.ts";
import { ownName } from "./guard.ts";
import { problemDetails } from "./problem.ts";
import { nodeRoutes } from "./routes.ts";
import type { Services } from "./services.ts";
import { servingMetrics } from "./serving-metrics.ts";
import { spansRoutes } from "./spans.ts";
import { staticRoutes } from "./static.ts";
import { upkeepRoutes } from "./upkeep.ts";
import { usesRoutes } from "./uses.ts";
import { version } from "./version.ts";

export type App = ReturnType<typeof createApp> extends Promise<infer T> ? T : never;

/** @returns the routes, and JSON-RPC, which also takes WebSockets */
export async function createApp(services: Services) {
  const { config, network, accounts, contracts, operator, database, blobs, dataKeys, sealed, quiet } =
    services;
  const { datanets, modelFactory, openLora, spans, explainer, payments, settlement, disputes } = services;
  const { inference, explorer, feed, operators, log, warn } = services;
  const { guard } = operators;
  const { chain } = network;
  const app = new OpenAPIHono();
  app.use(ownName(config.host));
  app.use("/v1/*", problemDetails());
  app.use("/v1/*", boundedBodies());
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
    // A body that cannot be read is a mistake of whoever sent it.
    if (error instanceof HTTPException && error.status < 500)
      return context.json(
        { error: { code: "invalid-request", message: error.message } },
        error.status as 400,
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
    nodeRoutes({ config, network, datanets, modelFactory, openLora, settlement, payments, inference }, guard),
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
  return { app, rpc };
}
