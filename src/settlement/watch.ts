import { CallRevertedError, type ChainWriter, type ProtocolContracts } from "../chain/index.ts";
import {
  type Address,
  bytesDigest,
  type Digest,
  type IndexRow,
  indexPayload,
  type Lie,
  listLies,
  openBatch,
  type PublishedBatch,
  positionalProof,
  positionalTree,
  type Receipt,
  type ReceiptFacts,
  type ReleaseFacts,
  receiptLies,
  sameHex,
  toHex,
} from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import {
  contentLines,
  type PublishedContent,
  previousBalancesIn,
  readContent,
  type SignedOpening,
} from "./content.ts";
import { SettlementError } from "./errors.ts";
import type { ChainFacts } from "./facts.ts";
import { prove } from "./prove.ts";
import { settlesWithin } from "./waiting.ts";
import { committedOf, type listWatched, recordFinding, type WatchState } from "./watched.ts";

export type WatchParts = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly chain: ChainWriter;
  readonly contracts: Pick<
    ProtocolContracts,
    "AttributionLedger" | "PaymentChannels" | "FraudProofs" | "ReleaseVerdicts"
  >;
  readonly facts: ChainFacts;
  /** A release's whole pay index, where it is to be had: without it scores stay unchecked. */
  readonly indexOf: (releaseId: Digest) => Promise<readonly IndexRow[] | undefined>;
  /** The content of another attester's batch, where it is to be had. */
  readonly fetchContent: (
    attester: Address,
    number: number,
  ) => Promise<AsyncIterable<Uint8Array> | undefined>;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

type Watched = Awaited<ReturnType<typeof listWatched>>[number];

/** What a check found of a batch. */
export type Finding = {
  readonly state: WatchState;
  readonly detail: string | null;
  readonly lie: Lie | null;
};

/**
 * Reads a batch's content, compares it with what was committed, looks for lies, and proves the first that the chain accepts.
 * Run again after a crash it proves nothing twice: an undone batch is not found.
 *
 * @param source - where the content is, if not where `fetchContent` finds it
 */
export async function checkWatched(
  parts: WatchParts,
  watched: Watched,
  source?: AsyncIterable<Uint8Array>,
): Promise<Finding> {
  const { database, now } = parts;
  const found = source ?? (await parts.fetchContent(watched.attester, watched.number));
  if (found === undefined) return { state: watched.state, detail: watched.detail, lie: null };
  const unusable = async (state: WatchState, detail: string): Promise<Finding> => {
    await recordFinding(database, watched, { state, detail, atMs: now() });
    return { state, detail, lie: null };
  };
  let opened: Awaited<ReturnType<typeof openWatched>>;
  try {
    opened = await openWatched(parts, watched, found);
  } catch (error) {
    if (error instanceof SettlementError && error.code === "bad-content")
      return unusable("unreadable", error.message);
    throw error;
  }
  const { batch, withheld } = opened;
  if (withheld !== null) return unusable("withheld", withheld);
  const { lie, unscored } = await proveFirst(parts, watched, batch);
  if (lie !== undefined) return { state: "lying", detail: lie.detail, lie: lie.lie };
  const detail =
    unscored === 0 ? null : `The scores of ${unscored} receipts are unchecked: their index is not here.`;
  await recordFinding(database, watched, { state: "honest", detail, atMs: now() });
  return { state: "honest", detail, lie: null };
}

/**
 * Reads a batch's content and compares it with what was committed.
 *
 * @returns the batch; `withheld` says in words what was published otherwise than committed
 * @throws SettlementError `bad-content`
 */
export async function openWatched(
  parts: Pick<WatchParts, "chain" | "contracts">,
  watched: Watched,
  source: AsyncIterable<Uint8Array>,
) {
  const committed = committedOf(watched, await previousCount(parts, watched));
  const { batch, withheld } = openBatch(committed, await readContent(source, committed));
  const [first] = withheld;
  if (first === undefined) return { batch, withheld: null };
  const where =
    first.list === "receipt" ? `the ${first.digest} of receipt ${first.index}` : `the ${first.list}`;
  return { batch, withheld: `What was published is not what was committed: ${where}.` };
}

/** The receipts of a kept batch that tell the truth by themselves; with one that lies, what follows it in its channel is left out. */
export async function truthful(parts: WatchParts, watched: Watched): Promise<SignedOpening[]> {
  const bytes = await parts.blobs.get(watched.contentDigest!);
  const committed = committedOf(watched, previousBalancesIn(bytes));
  const content = await readContent(chunks(bytes), committed);
  const { batch } = openBatch(committed, content);
  const indexes = new Map<Digest, Promise<ReceiptFacts["index"]>>();
  const broken = new Set<Digest>();
  const good: SignedOpening[] = [];
  for (const [i, opening] of content.receipts.entries()) {
    const { receipt } = opening;
    if (broken.has(receipt.channelId)) continue;
    // What was not attested then may be by now, and is settled again now.
    const facts = await factsOf(
      parts,
      receipt,
      settlesWithin(BigInt(Math.floor(parts.now() / 1_000))),
      indexes,
    );
    const unscored = facts.index === null && opening.query !== "0x";
    if (unscored || !receiptLies(batch, i, facts).next().done) broken.add(receipt.channelId);
    else good.push(opening);
  }
  return good;
}

async function* chunks(bytes: Uint8Array) {
  yield bytes;
}

async function previousCount(
  { chain, contracts }: Pick<WatchParts, "chain" | "contracts">,
  { attester, number }: Watched,
): Promise<number> {
  if (number === 0) return 0;
  const args = [attester, BigInt(number - 1)] as const;
  const batch = await chain.public.readContract({
    ...contracts.AttributionLedger,
    functionName: "batchOf",
    args,
  });
  return batch.balanceCount;
}

async function proveFirst(parts: WatchParts, watched: Watched, batch: PublishedBatch) {
  let unscored = 0;
  for await (const found of allLies(parts, batch, () => unscored++)) {
    const detail = describeLie(found);
    parts.log("warn", `Batch ${watched.number} of ${watched.attester} lies: ${detail}`);
    const contentDigest = await keep(parts, watched, batch);
    try {
      const { transactionHash } = await prove(parts.chain, parts.contracts, watched, found);
      await recordFinding(parts.database, watched, {
        state: "lying",
        detail,
        atMs: parts.now(),
        contentDigest,
        proofHash: transactionHash,
      });
      return { lie: { lie: found, detail }, unscored };
    } catch (error) {
      if (!(error instanceof CallRevertedError)) throw error;
      if (error.errorName === "NoSuchBatch" || error.errorName === "AlreadyFinal")
        throw new SettlementError(
          "unknown-batch",
          `The batch cannot be challenged any more: ${error.message}`,
        );
      parts.log("warn", `The chain does not see that lie: ${error.message}`);
    }
  }
  return { lie: undefined, unscored };
}

/** Every lie, with a pause after each receipt, so that nothing else waits for a whole batch. */
async function* allLies(
  parts: WatchParts,
  batch: PublishedBatch,
  onUnscored: () => void,
): AsyncGenerator<Lie> {
  yield* listLies(batch);
  const indexes = new Map<Digest, Promise<ReceiptFacts["index"]>>();
  for (const [i, { receipt, query }] of batch.receipts.entries()) {
    const facts = await factsOf(parts, receipt, batch.committed.settledAt, indexes);
    if (facts.release !== null && facts.index === null && query !== "0x") onUnscored();
    yield* receiptLies(batch, i, facts);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function factsOf(
  { facts, chain, contracts, indexOf }: WatchParts,
  receipt: Receipt,
  settledAt: bigint,
  indexes: Map<Digest, Promise<ReceiptFacts["index"]>>,
): Promise<ReceiptFacts> {
  const release = await facts.release(receipt.releaseId);
  if (release === undefined) return { release: null, terms: null, index: null, settleable: true };
  const [payee] = await chain.public.readContract({
    ...contracts.PaymentChannels,
    functionName: "collectedOf",
    args: [receipt.channelId],
  });
  let index = indexes.get(receipt.releaseId);
  if (index === undefined) {
    index = openIndex(release.facts, await indexOf(receipt.releaseId));
    indexes.set(receipt.releaseId, index);
  }
  return {
    release: release.facts,
    terms: await facts.terms(release, receipt.issuedAt, payee),
    index: await index,
    settleable: await facts.settleable(receipt.releaseId, settledAt),
  };
}

/** Null for rows that are not those the release committed to. */
export async function openIndex(
  release: ReleaseFacts,
  rows: readonly IndexRow[] | undefined,
): Promise<ReceiptFacts["index"]> {
  if (rows === undefined || rows.length !== release.rows) return null;
  // The chain takes any rows that lie under the root, also ones out of order or of another length: `indexTree` would refuse them.
  const tree = positionalTree(rows.map(({ payee, bytes }, row) => indexPayload({ row, payee, bytes })));
  if (!sameHex(tree.root, release.root)) return null;
  return {
    rows,
    open: (row) => ({
      row,
      payee: rows[row]!.payee,
      bytes: toHex(rows[row]!.bytes),
      digest: bytesDigest(rows[row]!.bytes),
      proof: positionalProof(tree, row),
    }),
  };
}

/** Keeps a lying batch's content: what is honest in it can be settled again from it. */
async function keep(
  { blobs, chain, contracts }: WatchParts,
  watched: Watched,
  batch: PublishedBatch,
): Promise<Digest> {
  const { attester, number } = watched;
  const ledger = toHex(contracts.AttributionLedger.address);
  const lines = contentLines(
    { chainId: chain.chain.id, ledger, attester, number },
    batch as unknown as PublishedContent,
  );
  return blobs.put(new TextEncoder().encode([...lines].join("")));
}

/** A lie in a few words. */
export function describeLie(lie: Lie): string {
  const at = "receipt" in lie && lie.receipt !== null ? ` of receipt ${lie.receipt.index}` : "";
  switch (lie.kind) {
    case "tiling":
      return `receipts do not tile the channels at boundary ${lie.around.boundary}: ${lie.problem}.`;
    case "journal-order":
    case "journal-sum":
      return `${lie.kind} at line ${lie.around.boundary}.`;
    case "journal-line":
      return `line ${lie.line.index} of the journal is not the payment it names.`;
    case "journal-payment":
      return `payment ${lie.paymentIndex}${at} has no line in the journal.`;
    case "balance-order":
      return `balances do not ascend at ${lie.around.boundary}.`;
    case "balance-credit":
    case "balance-cumulative":
      return `${lie.kind} of ${lie.balance.balance.payee}.`;
    case "balance-missing":
      return `${lie.payee} has no balance.`;
    case "attestation":
      return `the release${at} was not attested when the batch was settled.`;
    default:
      return `${lie.kind}${at}.`;
  }
}
