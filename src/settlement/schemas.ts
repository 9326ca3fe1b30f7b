import { z } from "@hono/zod-openapi";
import {
  type Address,
  type DescribedCalibration,
  type Digest,
  type ReceiptBundle,
  receiptBundleSchema,
  receiptStanding,
  scoreShares,
  standings,
} from "../protocol/index.ts";
import type { Earner, PayeeBalance } from "./balance.ts";
import type { BatchRow } from "./batch.ts";
import type { Claim, ClaimProof, ClaimResult } from "./claim.ts";
import type { ListedReceipt, StoredReceipt } from "./receipt.ts";
import type { ReceiptView } from "./service.ts";
import type { SettleResult } from "./settle.ts";

/** What goes over HTTP: amounts are decimal strings of wei, hex is lower-case, times say their unit. */

export const wei = z.string().openapi({ example: "1000000000000000000", description: "wei" });
export const hexOut = z.string().openapi({ example: "0xab…" });

const hexText = <T extends `0x${string}`>(bytes: number): z.ZodType<T> =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hex digits`)
    .transform((text) => text.toLowerCase() as T)
    .openapi({ type: "string", example: `0x${"ab".repeat(bytes)}` });

export const addressText = hexText<Address>(20);
export const digestText = hexText<Digest>(32);

/** A whole number in a path or a query, within bounds. */
export const countText = (min: number, max: number, example: number) =>
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,15})$/, "expected a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max, example });

export const stateText = z.enum(["scored", "batched", "final", "lost"]).openapi("ReceiptState");

export const errorOut = z
  .object({ error: z.object({ code: z.string(), message: z.string() }) })
  .openapi("SettlementError");

const commitmentOut = z.object({ root: hexOut, count: z.number() }).openapi("Commitment");

export const batchOut = z
  .object({
    batchId: z.number(),
    number: z.number().openapi({ description: "Its place on chain; an undone batch's is given again" }),
    state: z.enum(["prepared", "pending", "final", "undone", "dropped"]),
    receipts: commitmentOut,
    journal: commitmentOut,
    balances: commitmentOut,
    previousBalancesRoot: hexOut,
    totalWei: wei,
    channels: z.number(),
    contentDigest: hexOut,
    balancesDigest: hexOut,
    transactionHash: hexOut.nullable(),
    preparedAtMs: z.number(),
    settledAtMs: z.number().nullable(),
    finalAtSec: z.number().nullable(),
    gasUsed: z.number().nullable(),
    collectGas: z.number(),
  })
  .openapi("Batch");

export const batchDetailOut = batchOut.extend({
  intervals: z.array(z.object({ channelId: hexOut, fromWei: wei, toWei: wei })),
  attester: hexOut,
  ledger: hexOut,
});

export const listedReceiptOut = z
  .object({
    receiptId: hexOut,
    seq: z.number().openapi({ description: "Order of acceptance; give it as `before` for the next page" }),
    channelId: hexOut,
    releaseId: hexOut,
    fromWei: wei,
    toWei: wei,
    feeWei: wei,
    state: stateText,
    acceptedAtMs: z.number(),
    batchId: z.number().nullable(),
    batchNumber: z.number().nullable(),
    transactionHash: hexOut.nullable(),
    paidWei: wei.nullable().openapi({ description: "What it pays the payee that was asked for" }),
  })
  .openapi("ListedReceipt");

/** A receipt's bundle as JSON has it; {@link receiptBundleSchema} is what reads and checks it. */
const bundleOut = z
  .object({
    receipt: z.object({
      channelId: hexOut,
      from: wei,
      to: wei,
      releaseId: hexOut,
      requestDigest: hexOut,
      responseDigest: hexOut,
      promptTokens: z.number(),
      completionTokens: z.number(),
      queryDigest: hexOut,
      scoresDigest: hexOut,
      thresholdRow: z.number(),
      threshold: z.string(),
      splitDigest: hexOut,
      issuedAt: z.number(),
    }),
    signature: hexOut,
    query: hexOut,
    scores: z.array(z.object({ row: z.number(), score: z.number() })),
    payments: z.array(z.object({ payee: hexOut, amount: wei })),
    terms: z.object({
      split: z.record(z.string(), z.number()).openapi({ description: "Parts of 10,000" }),
      payees: z.record(z.string(), hexOut),
      datanets: z.array(z.object({ owner: hexOut, pool: hexOut })),
    }),
  })
  .openapi("ReceiptBundle", {
    description:
      "The receipt with its signature and everything its digests stand for; anyone can check it offline",
  });

export const receiptOut = listedReceiptOut
  .omit({ paidWei: true })
  .extend({
    bundle: bundleOut,
    proof: z
      .object({
        root: hexOut,
        count: z.number(),
        index: z.number(),
        siblings: z.array(hexOut),
        finalAtSec: z.number(),
      })
      .nullable()
      .openapi({ description: "Its place in the batch's receipts on chain" }),
    calibration: z.looseObject({ status: z.string(), label: z.string() }).nullable().openapi({
      description:
        "How right this release's scores are: `separates` from shared words, `not-separated`, or `unmeasured`",
    }),
    scores: z
      .array(
        z.object({
          row: z.int(),
          score: z.number(),
          shareMillionths: z.int(),
          errorMillionths: z.int().nullable(),
        }),
      )
      .openapi({
        description:
          "Listed rows, each with its share of what influence is paid, and how far a contributor's share may be off at 95 %",
      }),
    standing: z.array(z.object({ by: z.enum(standings), fact: z.string(), check: z.string() })).openapi({
      description: "What of this is proven on chain, what validators attest, and what is neither",
    }),
    signing: z.object({ chainId: z.number(), verifyingContract: hexOut }),
  })
  .openapi("Receipt");

export const balanceOut = z
  .object({
    payee: hexOut,
    pendingWei: wei.openapi({ description: "In receipts that are not on chain yet" }),
    settledWei: wei.openapi({ description: "In batches on chain that may still be challenged" }),
    claimableWei: wei,
    claimedWei: wei,
    claim: z
      .object({
        attester: hexOut,
        number: z.number(),
        index: z.number(),
        creditWei: wei,
        cumulativeWei: wei,
        proof: z.array(hexOut),
      })
      .nullable()
      .openapi({ description: "What AttributionLedger.claim takes, to send it oneself" }),
    claims: z.array(
      z.object({ transactionHash: hexOut, number: z.number(), amountWei: wei, claimedAtSec: z.number() }),
    ),
  })
  .openapi("PayeeBalance");

export const earnersOut = z
  .object({
    earners: z.array(
      z.object({
        payee: hexOut,
        earnedWei: wei.openapi({ description: "What all its receipts pay it, settled or not" }),
        receipts: z.number(),
        lastAtMs: z.number(),
      }),
    ),
  })
  .openapi("Earners");

export const earnersJson = (earners: readonly Earner[]): z.input<typeof earnersOut> => ({
  earners: earners.map((earner) => ({ ...earner, earnedWei: earner.earnedWei.toString() })),
});

export const claimOut = z
  .object({ payee: hexOut, claimedWei: wei, transactionHash: hexOut.nullable() })
  .openapi("ClaimResult");

export const settleOut = z
  .object({
    batches: z.array(batchOut),
    skipped: z.array(z.object({ channelId: hexOut, reason: z.string() })),
    gasPerReceipt: z.array(z.number()),
  })
  .openapi("SettleResult");

export const statusOut = z
  .object({
    operator: hexOut,
    ledger: hexOut,
    waitingReceipts: z.number(),
    waitingWei: wei,
    disputedReceipts: z.number(),
    bondWei: wei,
    unfinalWei: wei,
    batches: z.number(),
    finalBatches: z.number(),
  })
  .openapi("SettlementStatus");

export function batchJson(batch: BatchRow): z.input<typeof batchOut> {
  const { total, intervals, ...rest } = batch;
  return {
    batchId: rest.batchId,
    number: rest.number,
    state: rest.state,
    receipts: { ...rest.receipts },
    journal: { ...rest.journal },
    balances: { ...rest.balances },
    previousBalancesRoot: rest.previousBalancesRoot,
    totalWei: total.toString(),
    channels: intervals.length,
    contentDigest: rest.contentDigest,
    balancesDigest: rest.balancesDigest,
    transactionHash: rest.transactionHash,
    preparedAtMs: rest.preparedAtMs,
    settledAtMs: rest.settledAtMs,
    finalAtSec: rest.finalAtSec,
    gasUsed: rest.gasUsed,
    collectGas: rest.collectGas,
  };
}

function storedJson(receipt: StoredReceipt) {
  return {
    receiptId: receipt.receiptId,
    seq: receipt.seq,
    channelId: receipt.channelId,
    releaseId: receipt.releaseId,
    fromWei: receipt.from.toString(),
    toWei: receipt.to.toString(),
    feeWei: (receipt.to - receipt.from).toString(),
    state: receipt.state,
    acceptedAtMs: receipt.acceptedAtMs,
    batchId: receipt.batchId,
    batchNumber: receipt.batchNumber,
    transactionHash: receipt.transactionHash,
  };
}

export function listedJson(receipt: ListedReceipt): z.input<typeof listedReceiptOut> {
  return { ...storedJson(receipt), paidWei: receipt.paidWei?.toString() ?? null };
}

/** A bundle as `openledger verify` reads it. */
function bundleJson(bundle: ReceiptBundle): z.input<typeof bundleOut> {
  return z.encode(receiptBundleSchema, bundle);
}

export function receiptJson(
  view: ReceiptView,
  signing: { chainId: number; verifyingContract: Address },
  calibration: DescribedCalibration | undefined,
  attested: boolean | undefined,
): z.input<typeof receiptOut> {
  const proof = view.proof && { ...view.proof, siblings: [...view.proof.siblings] };
  const { chainId, verifyingContract } = signing;
  return {
    ...storedJson(view),
    bundle: bundleJson(view.bundle),
    proof,
    calibration: calibration ?? null,
    scores: scoreShares(
      view.bundle.scores,
      view.bundle.receipt.threshold,
      calibration ?? { shareErrorMillionths: null },
    ),
    standing: receiptStanding(view.bundle.query !== "0x", attested),
    signing: { chainId, verifyingContract },
  };
}

export function balanceJson(
  balance: PayeeBalance,
  proof: ClaimProof | undefined,
  claims: readonly Claim[],
): z.input<typeof balanceOut> {
  return {
    payee: balance.payee,
    pendingWei: balance.pendingWei.toString(),
    settledWei: balance.settledWei.toString(),
    claimableWei: balance.claimableWei.toString(),
    claimedWei: balance.claimedWei.toString(),
    claim:
      proof === undefined
        ? null
        : {
            attester: proof.attester,
            number: proof.number,
            index: proof.index,
            creditWei: proof.credit.toString(),
            cumulativeWei: proof.cumulative.toString(),
            proof: [...proof.proof],
          },
    claims: claims.map(({ amountWei, ...claim }) => ({ ...claim, amountWei: amountWei.toString() })),
  };
}

export function claimJson(result: ClaimResult): z.input<typeof claimOut> {
  return { ...result, claimedWei: result.claimedWei.toString() };
}

export function settleJson(results: readonly SettleResult[]): z.input<typeof settleOut> {
  return {
    batches: results.flatMap(({ batch }) => (batch === null ? [] : [batchJson(batch)])),
    skipped: results.flatMap(({ skipped }) => skipped.map((one) => ({ ...one }))),
    gasPerReceipt: results.flatMap(({ gasPerReceipt }) => (gasPerReceipt === null ? [] : [gasPerReceipt])),
  };
}
