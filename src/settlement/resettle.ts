import { z } from "zod";
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  type Digest,
  decodeScores,
  domain,
  hashReceipt,
  ProtocolError,
  type ReceiptBundle,
  receiptBundleSchema,
  recoverReceipt,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Database, Transaction } from "../store/index.ts";
import type { SignedOpening } from "./content.ts";
import type { ChainFacts } from "./facts.ts";
import type { Ledger } from "./ledger.ts";

export type ResettleParts = {
  readonly database: Database;
  readonly chain: Pick<ChainReader, "public" | "chain">;
  readonly contracts: Pick<ProtocolContracts, "AttributionLedger" | "PaymentChannels">;
  readonly ledger: Pick<Ledger, "channelState">;
  readonly facts: ChainFacts;
  readonly now: () => number;
};

/** What was taken over, and why the rest was not. */
export type Adopted = {
  readonly receipts: number;
  readonly wei: bigint;
  readonly skipped: readonly { readonly channelId: Digest; readonly reason: string }[];
};

/**
 * Takes over the receipts of another attester's batch that fell, so that the next batch settled here pays whom they owe. Only
 * channels that were reopened, from their pointer on and without gap; whether the receipts themselves tell the truth MUST have
 * been checked: whoever settles a lie answers for it. Run again it takes nothing twice.
 */
export async function adoptReceipts(
  parts: ResettleParts,
  openings: readonly SignedOpening[],
): Promise<Adopted> {
  const skipped: { channelId: Digest; reason: string }[] = [];
  const byChannel = Map.groupBy(openings, ({ receipt }) => receipt.channelId);
  let receipts = 0;
  let wei = 0n;
  for (const [channelId, list] of byChannel) {
    const { settled, undone, reopenedTo } = await parts.ledger.channelState(channelId);
    const [payee] = await parts.chain.public.readContract({
      ...parts.contracts.PaymentChannels,
      functionName: "collectedOf",
      args: [channelId],
    });
    const reason =
      undone === 1
        ? await adoptChannel(parts, { channelId, payee, settled, reopenedTo }, list, (fee) => {
            receipts++;
            wei += fee;
          })
        : undone === 0
          ? "it is not open to others than its payee"
          : "what was settled of it fell twice";
    if (reason !== null) skipped.push({ channelId, reason });
  }
  return { receipts, wei, skipped };
}

async function adoptChannel(
  parts: ResettleParts,
  channel: { channelId: Digest; payee: Address; settled: bigint; reopenedTo: bigint },
  openings: readonly SignedOpening[],
  onAdopted: (fee: bigint) => void,
): Promise<string | null> {
  const bundles: ReceiptBundle[] = [];
  let end = channel.settled;
  for (const opening of openings) {
    const { receipt } = opening;
    if (receipt.from !== end || receipt.to > channel.reopenedTo) break;
    const bundle = await bundleOf(parts, opening, channel.payee);
    if (typeof bundle === "string") return bundle;
    bundles.push(bundle);
    end = receipt.to;
  }
  if (bundles.length === 0) return `no receipt starts at its pointer, ${channel.settled} wei`;
  await parts.database.transaction(async (tx) => {
    const [known] = await tx.query<{ third: boolean }>(
      "select third from settlement.channels where channel_id = $1",
      [channel.channelId],
    );
    if (known !== undefined) return;
    await tx.query("insert into settlement.channels (channel_id, accepted_to, third) values ($1, $2, true)", [
      channel.channelId,
      end,
    ]);
    for (const bundle of bundles) {
      await insert(tx, bundle, parts.now());
      tx.onCommit(() => onAdopted(bundle.receipt.to - bundle.receipt.from));
    }
  });
  return null;
}

/** The receipt as it is kept here; in words why not, if it cannot be settled. */
async function bundleOf(
  { chain, contracts, facts }: ResettleParts,
  { receipt, signature, query, scores, payments }: SignedOpening,
  payee: Address,
): Promise<ReceiptBundle | string> {
  const where = domain(chain.chain.id, toHex(contracts.AttributionLedger.address));
  const by = await recoverReceipt(where, receipt, signature).catch((error: unknown) => {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  });
  if (!by.startsWith("0x") || !sameHex(by as Address, payee))
    return `the receipt from ${receipt.from} wei is not signed by its payee ${payee}`;
  const release = await facts.release(receipt.releaseId);
  const entries = decodeScores(scores);
  if (release === undefined || entries === undefined)
    return `the receipt from ${receipt.from} wei is a lie itself`;
  const { split, payees, datanets } = await facts.terms(release, receipt.issuedAt, payee);
  return {
    receipt,
    signature,
    query,
    scores: entries,
    payments: payments.map((payment) => ({ ...payment })),
    terms: { split, payees, datanets: datanets.map(({ owner, pool }) => ({ owner, pool })) },
  };
}

async function insert(tx: Transaction, bundle: ReceiptBundle, atMs: number): Promise<void> {
  const { receipt } = bundle;
  const [row] = await tx.query<{ seq: number }>(
    `insert into settlement.receipts (id, channel_id, from_wei, to_wei, release_id, bundle, payment_count, accepted_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning seq`,
    [
      hashReceipt(receipt),
      receipt.channelId,
      receipt.from,
      receipt.to,
      receipt.releaseId,
      JSON.stringify(z.encode(receiptBundleSchema, bundle)),
      bundle.payments.length,
      atMs,
    ],
  );
  const payments = bundle.payments.map(({ payee, amount }) => [payee, amount.toString()]);
  await tx.query(
    `insert into settlement.payments (receipt_seq, position, payee, amount)
     select $1, at - 1, payment ->> 0, (payment ->> 1)::numeric
     from jsonb_array_elements($2::jsonb) with ordinality as list (payment, at)`,
    [row!.seq, JSON.stringify(payments)],
  );
}
