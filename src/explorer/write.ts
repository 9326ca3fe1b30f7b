import type { Address, Hex } from "viem";
import type { Transaction } from "../store/index.ts";
import type { ActivityRow, Rows } from "./rows.ts";
import { derivedTables, perBlock } from "./tables.ts";

/** How far the index has come, and what it was made from. */
export type Cursor = {
  readonly chainId: number;
  readonly genesisHash: Hex;
  readonly registryDigest: Hex;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  /** Rows of the tables named, as of this block. */
  readonly transactions: number;
  readonly logs: number;
  readonly accounts: number;
  readonly contracts: number;
};

export async function readCursor(tx: Pick<Transaction, "query">): Promise<Cursor | undefined> {
  const [cursor] = await tx.query<Cursor>(
    `select chain_id as "chainId", genesis_hash as "genesisHash", registry_digest as "registryDigest",
       block_number as "blockNumber", block_hash as "blockHash", transactions, logs, accounts, contracts
     from explorer.cursor`,
  );
  return cursor;
}

/** Column lists with their types, as `jsonb_to_recordset` needs them; bytes come as hex. */
const columns = {
  blocks: `number bigint, hash text, parent_hash text, state_root text, timestamp_sec bigint, miner text, gas_used bigint,
    gas_limit bigint, base_fee_wei numeric, size_bytes bigint, transactions int, logs int`,
  transactions: `position bigint, hash text, sender text, recipient text, nonce bigint, type int, value_wei numeric,
    gas_limit bigint, gas_used bigint, gas_price_wei numeric, succeeded boolean, created text, input bytea, contract text,
    function text, arguments jsonb, traced boolean, revert_data bytea, revert_bytes bigint, error text, error_arguments jsonb,
    authorizations jsonb, logs int`,
  logs: `position bigint, transaction bigint, address text, topics bytea, data bytea, contract text, event text, arguments jsonb`,
  activity: "address text, position bigint, role text, change_wei numeric",
  log_accounts: "address text, position bigint",
  names: "position bigint, name text, event text, contract text, subject text",
} as const;

async function insert(tx: Transaction, table: keyof typeof columns, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  const fields = columns[table].split(",").map((column) => column.trim().split(" ") as [string, string]);
  const names = fields.map(([name]) => name).join(", ");
  const values = fields
    .map(([name, type]) => (type === "bytea" ? `decode(${name}, 'hex')` : name))
    .join(", ");
  const record = fields.map(([name, type]) => `${name} ${type === "bytea" ? "text" : type}`).join(", ");
  await tx.query(
    `insert into explorer.${table} (${names}) select ${values} from jsonb_to_recordset($1::jsonb) as r (${record})`,
    [JSON.stringify(rows)],
  );
}

/** Write a batch's rows and move the cursor, in the caller's transaction. */
export async function writeRows(
  tx: Transaction,
  rows: Rows,
  previous: Cursor | undefined,
  made: Pick<Cursor, "chainId" | "genesisHash" | "registryDigest" | "blockNumber" | "blockHash">,
): Promise<Cursor> {
  await insert(tx, "blocks", rows.blocks);
  await insert(tx, "transactions", rows.transactions);
  await insert(tx, "logs", rows.logs);
  await insert(tx, "activity", rows.activity);
  await insert(tx, "log_accounts", rows.log_accounts);
  await insert(tx, "names", rows.names);
  const cursor: Cursor = {
    ...made,
    transactions: (previous?.transactions ?? 0) + rows.transactions.length,
    logs: (previous?.logs ?? 0) + rows.logs.length,
    accounts: (previous?.accounts ?? 0) + (await countAccounts(tx, rows)),
    contracts: (previous?.contracts ?? 0) + (await upsertContracts(tx, rows)),
  };
  await tx.query(
    `insert into explorer.cursor (chain_id, genesis_hash, registry_digest, block_number, block_hash, transactions, logs, accounts, contracts)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (id) do update set block_number = excluded.block_number, block_hash = excluded.block_hash,
       transactions = excluded.transactions, logs = excluded.logs, accounts = excluded.accounts, contracts = excluded.contracts`,
    [
      cursor.chainId,
      cursor.genesisHash,
      cursor.registryDigest,
      cursor.blockNumber,
      cursor.blockHash,
      cursor.transactions,
      cursor.logs,
      cursor.accounts,
      cursor.contracts,
    ],
  );
  return cursor;
}

type Counts = { transactions: number; events: number; first: number; last: number };

/** Adds to each account's counts. @returns how many accounts are new */
async function countAccounts(tx: Transaction, rows: Rows): Promise<number> {
  const counts = new Map<Address, Counts>();
  const of = (address: Address, position: number) => {
    const block = Math.floor(position / perBlock);
    const known = counts.get(address) ?? { transactions: 0, events: 0, first: block, last: block };
    counts.set(address, known);
    known.first = Math.min(known.first, block);
    known.last = Math.max(known.last, block);
    return known;
  };
  for (const { address, position, role } of distinct(rows.activity)) {
    const known = of(address, position);
    if (role !== "genesis") known.transactions++;
  }
  for (const { address, position } of rows.log_accounts) of(address, position).events++;
  if (counts.size === 0) return 0;
  const list = [...counts].map(([address, one]) => ({ address, ...one }));
  const [row] = await tx.query<{ added: number }>(
    `with written as (
       insert into explorer.accounts as known (address, transactions, events, first_block, last_block)
       select address, transactions, events, first, last
       from jsonb_to_recordset($1::jsonb) as r (address text, transactions bigint, events bigint, first bigint, last bigint)
       on conflict (address) do update set transactions = known.transactions + excluded.transactions,
         events = known.events + excluded.events, last_block = excluded.last_block
       returning (xmax = 0) as is_new
     ) select count(*)::int as added from written where is_new`,
    [JSON.stringify(list)],
  );
  return row!.added;
}

/** One row an address and transaction, whatever its roles. */
function distinct(activity: readonly ActivityRow[]): ActivityRow[] {
  const seen = new Set<string>();
  return activity.filter(({ address, position }) => {
    const key = `${address}${position}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** A contract that is made again (its code was gone) takes the new creation. @returns how many are new */
async function upsertContracts(tx: Transaction, rows: Rows): Promise<number> {
  if (rows.contracts.size === 0) return 0;
  const latest = (column: string) =>
    `${column} = case when excluded.position is null then known.${column} else excluded.${column} end`;
  const [row] = await tx.query<{ added: number }>(
    `with written as (
       insert into explorer.contracts as known (address, name, creator, position, code_digest, code_bytes)
       select * from jsonb_to_recordset($1::jsonb)
         as r (address text, name text, creator text, position bigint, code_digest text, code_bytes bigint)
       on conflict (address) do update set name = coalesce(known.name, excluded.name), ${latest("creator")},
         ${latest("code_digest")}, ${latest("code_bytes")}, ${latest("position")}
       returning (xmax = 0) as is_new
     ) select count(*)::int as added from written where is_new`,
    [JSON.stringify([...rows.contracts.values()])],
  );
  return row!.added;
}

/** Forget everything: the next batch begins at genesis. */
export async function forgetAll(tx: Transaction): Promise<void> {
  await tx.query(`truncate ${derivedTables.map((table) => `explorer.${table}`).join(", ")}`);
}
