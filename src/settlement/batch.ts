import { z } from "zod";
import {
  addressSchema,
  type Balance,
  type Batch,
  balancePayload,
  type ChannelInterval,
  canonicalJson,
  type Digest,
  digestSchema,
  type PositionalTree,
  positionalTree,
  toBytes,
  weiSchema,
} from "../protocol/index.ts";
import type { Blobs, Database, Queries } from "../store/index.ts";
import {
  balanceLineOf,
  type ContentHeader,
  headerLine,
  journalLineOf,
  receiptLineOf,
  type SignedOpening,
} from "./content.ts";
import { SettlementError } from "./errors.ts";
import type { Commitments } from "./ledger.ts";

export type BatchState = "prepared" | "pending" | "final" | "undone" | "dropped";

/** A batch as it is kept. Its `batchId` counts every attempt; `number` is its place on chain. */
export type BatchRow = Commitments & {
  readonly batchId: number;
  readonly state: BatchState;
  readonly intervals: readonly ChannelInterval[];
  /** Blob: the receipts opened and the journal, so that anyone can build the same roots (`contentOf`). */
  readonly contentDigest: Digest;
  /** Blob: everyone's balance after this batch. */
  readonly balancesDigest: Digest;
  readonly preparedAtMs: number;
  readonly preparedAtBlock: number;
  readonly transactionHash: Digest | null;
  readonly settledAtMs: number | null;
  /** Seconds; from then on it can be claimed from. */
  readonly finalAtSec: number | null;
  readonly gasUsed: number | null;
  readonly collectGas: number;
};

const balancesSchema = z.strictObject({
  schema: z.literal("openledger/balances/1"),
  balances: z.array(z.strictObject({ payee: addressSchema, credit: weiSchema, cumulative: weiSchema })),
});

export function putBalances(blobs: Blobs, balances: readonly Balance[]): Promise<Digest> {
  const list = balances.map(({ payee, credit, cumulative }) => ({
    payee,
    credit: credit.toString(),
    cumulative: cumulative.toString(),
  }));
  return blobs.put(encode({ schema: "openledger/balances/1", balances: list }));
}

export async function getBalances(blobs: Blobs, digest: Digest): Promise<Balance[]> {
  return z.decode(balancesSchema, JSON.parse(new TextDecoder().decode(await blobs.get(digest)))).balances;
}

/** Receipts and journal of a batch, as `contentOf` publishes them; the balances are blobs of their own. */
export function putContent(
  blobs: Blobs,
  header: Pick<ContentHeader, "chainId" | "ledger" | "attester" | "number">,
  batch: Batch,
  openings: readonly SignedOpening[],
  previousBalances: readonly Balance[],
): Promise<Digest> {
  const counts = {
    receipts: openings.length,
    journal: batch.journal.length,
    balances: batch.balances.length,
    previousBalances: previousBalances.length,
  };
  const lines = [
    headerLine({ ...header, ...counts }),
    ...openings.map(receiptLineOf),
    ...batch.journal.map(journalLineOf),
  ];
  return blobs.put(new TextEncoder().encode(lines.join("")));
}

/** What anyone needs to check a batch of this operator: see `content.ts`. In pieces, so that it can be streamed. */
export async function* contentOf(
  { database, blobs }: { database: Queries; blobs: Blobs },
  batch: BatchRow,
): AsyncGenerator<Uint8Array> {
  yield await blobs.get(batch.contentDigest);
  const lists = [await getBalances(blobs, batch.balancesDigest)];
  if (batch.number > 0) {
    const before = await findBatch(database, "number = $1 and balances_root = $2", [
      batch.number - 1,
      batch.previousBalancesRoot,
    ]);
    if (before === undefined)
      throw new Error(`The balances that batch ${batch.number} was built on are not here.`);
    lists.push(await getBalances(blobs, before.balancesDigest));
  }
  const encoder = new TextEncoder();
  for (const list of lists)
    for (let at = 0; at < list.length; at += linesAtOnce)
      yield encoder.encode(
        list
          .slice(at, at + linesAtOnce)
          .map(balanceLineOf)
          .join(""),
      );
}

const linesAtOnce = 1_000;

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(canonicalJson(value));
}

type Row = Omit<BatchRow, "receipts" | "journal" | "balances" | "intervals"> & {
  receiptsRoot: Digest;
  receiptCount: number;
  journalRoot: Digest;
  journalCount: number;
  balancesRoot: Digest;
  balanceCount: number;
  intervals: string;
};

const columns = `id as "batchId", number, state, receipts_root as "receiptsRoot", receipt_count as "receiptCount",
  journal_root as "journalRoot", journal_count as "journalCount", balances_root as "balancesRoot", balance_count as "balanceCount",
  previous_balances_root as "previousBalancesRoot", total, intervals, content_digest as "contentDigest",
  balances_digest as "balancesDigest", prepared_at_ms as "preparedAtMs", prepared_at_block as "preparedAtBlock",
  transaction_hash as "transactionHash", settled_at_ms as "settledAtMs", final_at_sec as "finalAtSec", gas_used as "gasUsed",
  collect_gas as "collectGas"`;

const intervalsSchema = z.array(z.strictObject({ channelId: digestSchema, from: weiSchema, to: weiSchema }));

/** Intervals as the text they are kept as. */
export function intervalsText(intervals: readonly ChannelInterval[]): string {
  return JSON.stringify(z.encode(intervalsSchema, [...intervals]));
}

/** Batches that match a condition on `settlement.batches`. */
export async function findBatches(
  queries: Queries,
  where: string,
  params: readonly unknown[] = [],
): Promise<BatchRow[]> {
  const rows = await queries.query<Row>(`select ${columns} from settlement.batches where ${where}`, params);
  return rows.map(
    ({
      receiptsRoot,
      receiptCount,
      journalRoot,
      journalCount,
      balancesRoot,
      balanceCount,
      intervals,
      ...row
    }) => ({
      ...row,
      receipts: { root: receiptsRoot, count: receiptCount },
      journal: { root: journalRoot, count: journalCount },
      balances: { root: balancesRoot, count: balanceCount },
      intervals: z.decode(intervalsSchema, JSON.parse(intervals)),
    }),
  );
}

export async function findBatch(
  queries: Queries,
  where: string,
  params: readonly unknown[] = [],
): Promise<BatchRow | undefined> {
  const [found] = await findBatches(queries, `${where} limit 1`, params);
  return found;
}

/** The last batch that stands on chain, final or not: the next one is built on its balances. */
export function lastStanding(queries: Queries): Promise<BatchRow | undefined> {
  return findBatch(queries, "state in ('pending', 'final') order by number desc");
}

/** @throws SettlementError `unknown-batch` */
export async function readBatch(queries: Queries, batchId: number): Promise<BatchRow> {
  const batch = await findBatch(queries, "id = $1", [batchId]);
  if (batch !== undefined) return batch;
  throw new SettlementError("unknown-batch", `There is no batch ${batchId} here. List the batches.`);
}

/** A list with its tree, to take proofs from. */
export type BalanceTree = { readonly balances: readonly Balance[]; readonly tree: PositionalTree };

/** Trees of batches, a few at a time: they are needed again and again and never change. */
export function treeCache(parts: { database: Database; blobs: Blobs }, most = 4) {
  const kept = new Map<string, Promise<unknown>>();
  const once = <T>(name: string, make: () => Promise<T>): Promise<T> => {
    const known = kept.get(name) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const made = make();
    kept.set(name, made);
    made.catch(() => kept.delete(name));
    for (const oldest of kept.keys()) {
      if (kept.size <= most) break;
      kept.delete(oldest);
    }
    return made;
  };
  return {
    balances: (digest: Digest): Promise<BalanceTree> =>
      once(`balances ${digest}`, async () => {
        const balances = await getBalances(parts.blobs, digest);
        return { balances, tree: positionalTree(balances.map(balancePayload)) };
      }),
    /** Of a batch that has its receipts: not of one that was undone. */
    receipts: (batchId: number, root: Digest): Promise<PositionalTree> =>
      once(`receipts ${batchId} ${root}`, async () => {
        const rows = await parts.database.query<{ id: Digest }>(
          "select id from settlement.receipts where batch_id = $1 order by position",
          [batchId],
        );
        const tree = positionalTree(rows.map(({ id }) => toBytes(id)));
        if (tree.root === root) return tree;
        throw new Error(
          `The receipts kept for batch ${batchId} give root ${tree.root}; on chain is ${root}.`,
        );
      }),
  };
}

export type TreeCache = ReturnType<typeof treeCache>;
