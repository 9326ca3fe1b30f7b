import type { Database, Transaction } from "../store/index.ts";
import { type BatchRow, findBatch, findBatches } from "./batch.ts";
import { SettlementError } from "./errors.ts";
import type { Attester, Ledger } from "./ledger.ts";

type Parts = {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/**
 * Brings the batches' states up to what the chain says: pending ones that are final now, and those that were undone, whose
 * receipts wait again. Reads and writes here only; nothing is sent.
 *
 * @returns what stands on chain
 * @throws SettlementError `database-behind` if the chain has batches that were never stored here
 */
export async function refresh({ database, ledger, log }: Parts): Promise<Attester> {
  const attester = await ledger.attesterOf();
  const { undone, final } = await database.transaction(async (tx) => {
    const [stored] = await tx.query<{ next: number }>(
      `select coalesce(max(number) + 1, 0)::int as next from settlement.batches where state in ('prepared', 'pending', 'final')`,
    );
    if ((stored?.next ?? 0) < attester.batches) {
      throw new SettlementError(
        "database-behind",
        `The chain has ${attester.batches} batches of ${ledger.attester}, this database ${stored?.next ?? 0}: it is older than the chain, or ` +
          "another node settles with the same account. Restore the newest backup, and run one node for an account.",
      );
    }
    return {
      undone: await markUndone(tx, attester.batches),
      final: await tx.query<{ number: number }>(
        "update settlement.batches set state = 'final' where state = 'pending' and number < $1 returning number",
        [attester.finalised],
      ),
    };
  });
  for (const number of undone) log("warn", `Batch ${number} was undone on chain; its receipts wait again.`);
  for (const { number } of final) log("info", `Batch ${number} is final: its balances can be claimed.`);
  return attester;
}

/** Only this node's account can add batches, so one that stood and is beyond the count was undone. */
async function markUndone(tx: Transaction, count: number): Promise<number[]> {
  const rows = await tx.query<{ id: number; number: number }>(
    "update settlement.batches set state = 'undone' where state = 'pending' and number >= $1 returning id, number",
    [count],
  );
  for (const { id } of rows) await freeReceipts(tx, id, 1);
  return rows.map(({ number }) => number);
}

async function freeReceipts(tx: Transaction, batchId: number, undone: number): Promise<void> {
  await tx.query(
    "update settlement.receipts set batch_id = null, position = null, undone = undone + $2 where batch_id = $1",
    [batchId, undone],
  );
}

/**
 * Moves channels' pointers on chain back for every undone batch, the newest first: until then nothing can be settled. Anyone may
 * do it, so that somebody else has is no error.
 */
export async function restoreUndone(parts: Parts, attester: Attester): Promise<Attester> {
  let current = attester;
  while (current.undone > 0) {
    const number = current.batches + current.undone - 1;
    const batch = await findBatch(
      parts.database,
      "number = $1 and state in ('undone', 'prepared') order by id desc",
      [number],
    );
    if (batch === undefined) {
      throw new SettlementError(
        "database-behind",
        `Batch ${number} was undone, but is not stored here: restore the newest backup.`,
      );
    }
    await parts.ledger.restore(batch.intervals);
    parts.log("info", `The channels of undone batch ${number} are restored.`);
    current = await refresh(parts);
  }
  return current;
}

/** What is to be done about a batch that was stored and perhaps sent. */
export type Unfinished = { readonly batch: BatchRow; readonly next: "send" | "recorded" | "dropped" };

/**
 * Looks at the batch that a run before this one stored and did not see through: it may be on chain already, it may have to be
 * sent, or the chain has gone another way and it is dropped.
 */
export async function unfinished(parts: Parts, attester: Attester): Promise<Unfinished | undefined> {
  const { database, ledger } = parts;
  const [batch] = await findBatches(database, "state = 'prepared'");
  if (batch === undefined) return undefined;
  if (batch.number < attester.batches) {
    await recordFound(parts, batch);
    return { batch, next: "recorded" };
  }
  const previous = attester.batches === 0 ? undefined : await ledger.batchOf(attester.batches - 1);
  const root = previous?.balances.root ?? `0x${"00".repeat(32)}`;
  if (batch.number === attester.batches && batch.previousBalancesRoot === root)
    return { batch, next: "send" };
  await database.transaction(async (tx) => {
    await tx.query("update settlement.batches set state = 'dropped' where id = $1", [batch.batchId]);
    await freeReceipts(tx, batch.batchId, 0);
  });
  parts.log(
    "warn",
    `Batch ${batch.number} was stored but not sent before the chain changed; it is built anew.`,
  );
  return { batch, next: "dropped" };
}

/** It was sent by a run that died before it could write so. */
async function recordFound(parts: Parts, batch: BatchRow): Promise<void> {
  const { ledger } = parts;
  const onChain = await ledger.batchOf(batch.number);
  const same = (["receipts", "journal", "balances"] as const).every(
    (list) => onChain?.[list].root === batch[list].root && onChain[list].count === batch[list].count,
  );
  if (!same) {
    throw new SettlementError(
      "chain-conflict",
      `Batch ${batch.number} on chain is not the one stored here (balances ${onChain?.balances.root}, expected ${batch.balances.root}): ` +
        "another node settles with the same account. Stop one of them.",
    );
  }
  const found = await ledger.findSettled(batch.number, BigInt(batch.preparedAtBlock));
  if (found === undefined)
    throw new SettlementError(
      "chain-conflict",
      `Batch ${batch.number} is on chain, but the event of its settlement was not found from block ${batch.preparedAtBlock} on.`,
    );
  await recordSettled(parts, batch, found);
}

/** Writes that a batch is on chain. */
export async function recordSettled(
  { database, now }: Pick<Parts, "database" | "now">,
  { batchId }: Pick<BatchRow, "batchId">,
  mined: { transactionHash: string; gasUsed: bigint; finalAtSec: number },
): Promise<void> {
  await database.query(
    `update settlement.batches set state = 'pending', transaction_hash = $2, gas_used = $3, final_at_sec = $4, settled_at_ms = $5
     where id = $1 and state = 'prepared'`,
    [batchId, mined.transactionHash, Number(mined.gasUsed), mined.finalAtSec, now()],
  );
}
