/** What only the whole node can answer: its status, the supply, a receipt's audit file, and the local network's faucet. */

import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { formatEther } from "viem";
import { addEthereumChainParameter, proveSupply, totalSupplyWei } from "../chain/index.ts";
import type { Datanets } from "../datanets/index.ts";
import type { Inference } from "../inference/index.ts";
import { type ModelFactory, ModelFactoryError } from "../modelfactory/index.ts";
import type { OpenLora } from "../openlora/index.ts";
import type { Guard } from "../operators/index.ts";
import type { Payments } from "../payments/index.ts";
import {
  type Audit,
  addressSchema,
  auditSchema,
  type Digest,
  decimalSchema,
  describeCalibration,
  digestSchema,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import { type Settlement, SettlementError } from "../settlement/index.ts";
import { hasPaid } from "./answers.ts";
import type { NodeConfig } from "./config.ts";
import type { NodeNetwork } from "./network.ts";
import { healthOut, networkOut, statusOut, supplyOut } from "./schemas.ts";
import { version } from "./version.ts";

type Services = {
  config: NodeConfig;
  network: NodeNetwork;
  datanets: Datanets;
  modelFactory: ModelFactory;
  openLora: OpenLora;
  settlement: Settlement;
  payments: Pick<Payments, "authenticate">;
  inference: Pick<Inference, "evidence">;
};

const json = (description: string, schema: z.ZodType = z.unknown()) => ({
  content: { "application/json": { schema } },
  description,
});
const tags = ["Node"];
const listed = 20;
/** Batches whose receipts are counted, newest first. */
const countedBatches = 1_000;
/** Most of what one faucet request gives: enough to reach a proposal's quorum on a local network. */
const faucetWeiMax = 20_000_000n * 10n ** 18n;

const routes = {
  health: createRoute({
    method: "get",
    path: "/healthz",
    tags,
    summary: "Whether the node answers",
    responses: { 200: json("It does", healthOut), 503: json("It cannot take transactions", healthOut) },
  }),
  status: createRoute({
    method: "get",
    path: "/v1/status",
    tags,
    summary: "The whole node at a glance",
    responses: { 200: json("The status", statusOut) },
  }),
  network: createRoute({
    method: "get",
    path: "/v1/network",
    tags,
    summary: "The network, and what a wallet needs to add it (EIP-3085)",
    responses: { 200: json("The network", networkOut) },
  }),
  supply: createRoute({
    method: "get",
    path: "/v1/supply",
    tags,
    summary: "Proof from the chain itself that all OPEN is there",
    responses: { 200: json("The proof", supplyOut) },
  }),
  audit: createRoute({
    method: "get",
    path: "/v1/receipts/{receipt}/audit",
    tags,
    summary: "Everything it takes to check a receipt on another machine, in one file",
    description:
      "full=true adds request, answer, tokens and the release's files, with which the query itself can be computed again: for the operator's token, or the API key that paid.",
    request: {
      params: z.object({ receipt: digestSchema }),
      query: z.object({ full: z.enum(["true", "false"]).default("false") }),
    },
    responses: {
      200: json("The audit file"),
      401: json("Neither the operator nor who paid"),
      404: json("There is no such receipt here, or not its release"),
    },
  }),
  faucet: createRoute({
    method: "post",
    path: "/v1/faucet",
    tags,
    summary: "OPEN from the liquidity account: local networks only, as the operator",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z.strictObject({
              address: z.string().toLowerCase().pipe(addressSchema),
              amountWei: decimalSchema,
            }),
          },
        },
      },
    },
    responses: { 200: json("Sent"), 400: json("Too much") },
  }),
};

export function nodeRoutes(services: Services, guard: Guard): OpenAPIHono {
  const { network } = services;
  const app = new OpenAPIHono();
  app.openapi(routes.health, async (context) => {
    const { trouble } = network.chain.status();
    return trouble === null
      ? context.json({ ok: true, version }, 200)
      : context.json({ ok: false, trouble }, 503);
  });
  app.openapi(routes.status, async (context) => context.json(await statusOf(services), 200));
  app.openapi(routes.network, (context) =>
    context.json(
      {
        network: network.network,
        addEthereumChain: addEthereumChainParameter(network.network),
        operator: toHex(network.accounts.operator.address),
      },
      200,
    ),
  );
  let proving: ReturnType<typeof proveSupply> | undefined;
  app.openapi(routes.supply, async (context) => {
    // One proof at a time: it reads every account.
    proving ??= proveSupply(network.chain).finally(() => {
      proving = undefined;
    });
    const { blockNumber, stateRoot, accounts, balancesWei, destroyedWei } = await proving;
    const total = balancesWei + destroyedWei;
    return context.json(
      {
        blockNumber: Number(blockNumber),
        stateRoot,
        accounts,
        balancesWei: balancesWei.toString(),
        destroyedWei: destroyedWei.toString(),
        totalWei: total.toString(),
        conserved: total === totalSupplyWei,
      },
      200,
    );
  });
  app.openapi(routes.audit, async (context) => {
    const { receipt } = context.req.valid("param");
    const audit = await auditOf(services, receipt).catch(notFound);
    if (audit instanceof Error)
      return context.json({ error: { code: audit.code, message: audit.message } }, 404);
    if (context.req.valid("query").full === "false") return context.json(z.encode(auditSchema, audit), 200);
    if (!(await hasPaid(services, context.req.header("authorization"), audit.bundle.receipt))) {
      const refused = await guard("read")(context, async () => {});
      if (refused instanceof Response) return refused as never;
    }
    return context.json(z.encode(auditSchema, await fullAudit(services, receipt, audit)), 200);
  });
  app.openapi({ ...routes.faucet, middleware: [guard("faucet")] }, async (context) => {
    const { address, amountWei } = context.req.valid("json");
    if (BigInt(amountWei) > faucetWeiMax)
      return context.json(
        {
          error: {
            code: "too-much",
            message: `The faucet gives at most ${formatEther(faucetWeiMax)} OPEN at once; ${formatEther(BigInt(amountWei))} were asked for.`,
          },
        },
        400,
      );
    await network.faucet(address, BigInt(amountWei));
    return context.json({ address, amountWei }, 200);
  });
  return app;
}

/** An audit of what is not here is no fault of the node's. */
function notFound(error: unknown): SettlementError | ModelFactoryError {
  if (error instanceof SettlementError && error.code === "unknown-receipt") return error;
  if (error instanceof ModelFactoryError && error.code === "unknown-release") return error;
  throw error;
}

async function auditOf({ settlement, modelFactory, network }: Services, receiptId: Digest): Promise<Audit> {
  const { bundle } = await settlement.receipt(receiptId);
  const { release, rows } = await modelFactory.releaseIndex(bundle.receipt.releaseId);
  return {
    schema: "openledger/audit/1",
    domain: {
      chainId: network.network.chainId,
      verifyingContract: toHex(network.contracts.AttributionLedger.address),
    },
    bundle,
    manifest: release.manifest,
    index: { contributors: [...release.contributors], rows: rows.map((row) => toHex(row)) },
  };
}

async function fullAudit(services: Services, receiptId: Digest, audit: Audit): Promise<Audit> {
  const { inference, modelFactory } = services;
  const files = await modelFactory.releaseFiles(audit.bundle.receipt.releaseId);
  const evidence = await inference.evidence(receiptId);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return {
    ...audit,
    ...(evidence === undefined
      ? {}
      : {
          ...(evidence.request === null ? {} : { request: toHex(evidence.request) }),
          response: evidence.response,
          tokens: { prompt: [...evidence.promptIds], output: [...evidence.outputIds] },
        }),
    files: {
      adapterConfig: base64(files.adapterConfig),
      adapter: base64(files.adapterTensors),
      basis: base64(files.basis),
    },
  };
}

/** The keys the status page reads. Amounts are decimal wei. */
async function statusOf({ config, network, datanets, modelFactory, openLora, settlement }: Services) {
  const { contracts, chain } = network;
  const status = chain.status();
  const [settled, batches, models, listedDatanets] = await Promise.all([
    settlement.status(),
    settlement.batches({ limit: countedBatches }),
    modelFactory.models(),
    datanets.list({ limit: listed }),
  ]);
  // The same figures as in a Datanet's own record: rows that count now, published or not.
  const datanetRows = listedDatanets.map(
    ({ datanetId, name, license, versions, trainRows, contributors }) => ({
      ...{ id: datanetId.toString(), name, license, versions },
      ...{ examples: trainRows, contributors },
    }),
  );
  const countIn = (states: readonly string[]) =>
    batches.reduce((sum, batch) => (states.includes(batch.state) ? sum + batch.receipts.count : sum), 0);
  return {
    version,
    operator: toHex(network.accounts.operator.address),
    base: config.baseName,
    precision: openLora.info().precision,
    device: openLora.info().device ?? null,
    chain: {
      chainId: status.chainId,
      height: status.blockNumber,
      supplyWei: totalSupplyWei.toString(),
      transactions: status.transactions,
      ceilingTransactions: status.ceilingTransactions,
      trouble: status.trouble,
      contracts: Object.fromEntries(
        Object.entries(contracts).map(([name, { address }]) => [
          name,
          address === zeroAddress ? null : address,
        ]),
      ),
    },
    datanets: datanetRows,
    models: models.slice(0, listed).map(({ id, model, manifest, createdAtMs }) => ({
      name: model,
      release: id,
      base: manifest.base.name,
      calibration: describeCalibration(manifest),
      price: {
        promptWei: manifest.price.promptWeiPerToken,
        completionWei: manifest.price.completionWeiPerToken,
      },
      createdAtMs,
    })),
    receipts: {
      count: settled.waitingReceipts + countIn(["pending", "final"]),
      pending: settled.waitingReceipts + countIn(["pending"]),
      settled: countIn(["final"]),
      pendingWei: settled.waitingWei.toString(),
    },
    batches: batches.slice(0, listed).map((batch) => ({
      id: batch.number,
      txHash: batch.transactionHash,
      receipts: batch.receipts.count,
      totalWei: batch.total.toString(),
      state: batch.state,
    })),
  };
}
