/** What the node itself answers, as Zod schemas: the OpenAPI document and the pages' types come from them. */
import { z } from "@hono/zod-openapi";
import { decimalSchema, digestSchema } from "../protocol/index.ts";

/** An address as the chain's tools write it, with the checksum of EIP-55 or without. */
const account = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const contracts = z.record(z.string(), account);

export const healthOut = z
  .object({ ok: z.boolean(), version: z.string().optional(), trouble: z.string().optional() })
  .openapi("Health");

export const networkOut = z
  .object({
    network: z.object({
      chainId: z.int(),
      name: z.string(),
      rpcUrls: z.array(z.string()),
      nativeCurrency: z.object({ name: z.string(), symbol: z.string(), decimals: z.int() }),
      contracts,
    }),
    addEthereumChain: z
      .object({
        chainId: z.string(),
        chainName: z.string(),
        nativeCurrency: z.object({ name: z.string(), symbol: z.string(), decimals: z.int() }),
        rpcUrls: z.array(z.string()),
      })
      .openapi({ description: "EIP-3085" }),
    operator: account,
  })
  .openapi("Network");

export const supplyOut = z
  .object({
    blockNumber: z.int(),
    stateRoot: z.string(),
    accounts: z.int(),
    balancesWei: decimalSchema,
    destroyedWei: decimalSchema,
    totalWei: decimalSchema,
    conserved: z.boolean(),
  })
  .openapi("Supply");

export const statusOut = z
  .object({
    version: z.string(),
    operator: account,
    base: z.string(),
    precision: z.string(),
    device: z.string().nullable(),
    chain: z.object({
      chainId: z.int(),
      height: z.int(),
      supplyWei: decimalSchema,
      transactions: z.int(),
      ceilingTransactions: z.int(),
      trouble: z.string().nullable(),
      contracts: z.record(z.string(), account.nullable()),
    }),
    datanets: z.array(
      z.object({
        id: decimalSchema,
        name: z.string(),
        license: z.string(),
        versions: z.int(),
        examples: z.int(),
        contributors: z.int(),
      }),
    ),
    models: z.array(
      z.object({
        name: z.string(),
        release: digestSchema,
        base: z.string(),
        calibration: z.object({
          status: z.string(),
          shareErrorMillionths: z.int().nullable(),
          label: z.string(),
        }),
        price: z.object({ promptWei: decimalSchema, completionWei: decimalSchema }),
        createdAtMs: z.number(),
      }),
    ),
    receipts: z.object({ count: z.int(), pending: z.int(), settled: z.int(), pendingWei: decimalSchema }),
    batches: z.array(
      z.object({
        id: z.int(),
        txHash: z.string().nullable(),
        receipts: z.int(),
        totalWei: decimalSchema,
        state: z.string(),
      }),
    ),
  })
  .openapi("Status");
