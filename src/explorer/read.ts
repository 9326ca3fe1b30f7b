import type { Address, Hex } from "viem";
import type { Queries } from "../store/index.ts";
import type { Argument } from "./abi.ts";
import { hexOf } from "./abi.ts";
import type { Authorization } from "./block.ts";
import { perBlock, type Role } from "./tables.ts";

/** Reading the index. Lists go from the newest down, below `before`, which is a place: block × 2²⁰ + index. */

export type Page = { readonly before?: number | undefined; readonly limit: number };
export type Paged<T> = { readonly items: readonly T[]; readonly next: number | null };

export type BlockRow = {
  readonly number: number;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
  readonly timestampSec: number;
  readonly miner: Address;
  readonly gasUsed: number;
  readonly gasLimit: number;
  readonly baseFeeWei: bigint;
  readonly sizeBytes: number;
  readonly transactions: number;
  readonly logs: number;
};

export type TransactionRow = {
  readonly position: number;
  readonly hash: Hex;
  readonly blockHash: Hex;
  readonly timestampSec: number;
  readonly sender: Address;
  readonly recipient: Address | null;
  readonly nonce: number;
  readonly type: number;
  readonly valueWei: bigint;
  readonly gasLimit: number;
  readonly gasUsed: number;
  readonly gasPriceWei: bigint;
  readonly succeeded: boolean;
  readonly created: Address | null;
  /** The first bytes of the input. */
  readonly input: Uint8Array;
  readonly inputBytes: number;
  readonly contract: string | null;
  readonly function: string | null;
  readonly arguments: readonly Argument[] | null;
  readonly traced: boolean;
  readonly revertData: Uint8Array | null;
  readonly revertBytes: number | null;
  readonly error: string | null;
  readonly errorArguments: readonly Argument[] | null;
  readonly authorizations: readonly Authorization[] | null;
  readonly logs: number;
};

export type LogRow = {
  readonly position: number;
  readonly transactionHash: Hex;
  readonly timestampSec: number;
  readonly address: Address;
  readonly topics: Uint8Array;
  /** The first bytes of the data. */
  readonly data: Uint8Array;
  readonly dataBytes: number;
  readonly contract: string | null;
  readonly event: string | null;
  readonly arguments: readonly Argument[] | null;
};

export type ContractView = {
  readonly address: Address;
  readonly name: string | null;
  readonly creator: Address | null;
  readonly position: number | null;
  readonly transactionHash: Hex | null;
  readonly codeDigest: Hex | null;
  readonly codeBytes: number;
};

/** Bytes of input and of event data that lists show. */
const listedBytesMax = 256;
const shownBytesMax = 131_072;

const blockColumns = `number, hash, parent_hash as "parentHash", state_root as "stateRoot", timestamp_sec as "timestampSec", miner,
  gas_used as "gasUsed", gas_limit as "gasLimit", base_fee_wei as "baseFeeWei", size_bytes as "sizeBytes", transactions, logs`;

const transactionColumns = (
  bytes: number,
) => `t.position, t.hash, b.hash as "blockHash", b.timestamp_sec as "timestampSec", t.sender,
  t.recipient, t.nonce, t.type, t.value_wei as "valueWei", t.gas_limit as "gasLimit", t.gas_used as "gasUsed",
  t.gas_price_wei as "gasPriceWei", t.succeeded, t.created, substring(t.input from 1 for ${bytes}) as input,
  octet_length(t.input) as "inputBytes", t.contract, t.function, t.arguments, t.traced, t.revert_data as "revertData",
  t.revert_bytes as "revertBytes", t.error, t.error_arguments as "errorArguments", t.authorizations, t.logs`;
const transactionsFrom = `explorer.transactions t join explorer.blocks b on b.number = t.position / ${perBlock}`;

const logColumns = (
  bytes: number,
) => `l.position, t.hash as "transactionHash", b.timestamp_sec as "timestampSec", l.address, l.topics,
  substring(l.data from 1 for ${bytes}) as data, octet_length(l.data) as "dataBytes", l.contract, l.event, l.arguments`;
const logsFrom = `explorer.logs l join explorer.transactions t on t.position = l.transaction
  join explorer.blocks b on b.number = l.position / ${perBlock}`;

const beyond = Number.MAX_SAFE_INTEGER;

function paged<T>(rows: readonly T[], limit: number, placeOf: (row: T) => number): Paged<T> {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? placeOf(items.at(-1)!) : null };
}

export async function listBlocks(db: Queries, { before = beyond, limit }: Page): Promise<Paged<BlockRow>> {
  const rows = await db.query<BlockRow>(
    `select ${blockColumns} from explorer.blocks where number < $1 order by number desc limit $2`,
    [before, limit + 1],
  );
  return paged(rows, limit, ({ number }) => number);
}

export async function findBlock(db: Queries, id: number | Hex): Promise<BlockRow | undefined> {
  const column = typeof id === "number" ? "number" : "hash";
  const [row] = await db.query<BlockRow>(`select ${blockColumns} from explorer.blocks where ${column} = $1`, [
    id,
  ]);
  return row;
}

/** Transactions of all blocks, or of one. */
export async function listTransactions(
  db: Queries,
  { before = beyond, limit }: Page,
  block?: number,
): Promise<Paged<TransactionRow>> {
  const from = block === undefined ? 0 : block * perBlock;
  const to = block === undefined ? before : Math.min(before, from + perBlock);
  const rows = await db.query<TransactionRow>(
    `select ${transactionColumns(listedBytesMax)} from ${transactionsFrom}
     where t.position >= $1 and t.position < $2 order by t.position desc limit $3`,
    [from, to, limit + 1],
  );
  return paged(rows, limit, ({ position }) => position);
}

export async function findTransaction(db: Queries, hash: Hex): Promise<TransactionRow | undefined> {
  const [row] = await db.query<TransactionRow>(
    `select ${transactionColumns(shownBytesMax)} from ${transactionsFrom} where t.hash = $1`,
    [hash],
  );
  return row;
}

export async function listLogsOf(db: Queries, transaction: number, limit: number): Promise<LogRow[]> {
  return db.query<LogRow>(
    `select ${logColumns(listedBytesMax)} from ${logsFrom} where l.transaction = $1 order by l.position limit $2`,
    [transaction, limit],
  );
}

export type ActivityOf = {
  readonly position: number;
  readonly roles: readonly Role[];
  readonly changeWei: bigint | null;
  /** Null for what genesis gave. */
  readonly transaction: TransactionRow | null;
};

const rolesMax = 6;

/** What an account took part in, newest first; what genesis gave it comes last. */
export async function listActivity(
  db: Queries,
  address: Address,
  { before = beyond, limit }: Page,
): Promise<Paged<ActivityOf>> {
  const rows = await db.query<{ position: number; roles: Role[]; changeWei: bigint | null }>(
    `select position, jsonb_agg(role order by role) as roles, max(change_wei) as "changeWei"
     from (select position, role, change_wei from explorer.activity where address = $1 and position < $2
           order by position desc limit $3) as newest
     group by position order by position desc limit $4`,
    [address, before, (limit + 1) * rolesMax, limit + 1],
  );
  const page = paged(rows, limit, ({ position }) => position);
  const found = await db.query<TransactionRow>(
    `select ${transactionColumns(listedBytesMax)} from ${transactionsFrom}
     where t.position in (select value::bigint from jsonb_array_elements_text($1::jsonb))`,
    [JSON.stringify(page.items.map(({ position }) => position))],
  );
  const byPosition = new Map(found.map((row) => [row.position, row]));
  const items = page.items.map((row) => ({ ...row, transaction: byPosition.get(row.position) ?? null }));
  return { items, next: page.next };
}

export type EventFilter = {
  /** A contract's address, or the name of one or of a kind. */
  readonly contract?: Address | string | undefined;
  readonly name?: string | undefined;
  /** An address that emitted the event or is named in it. */
  readonly address?: Address | undefined;
  readonly fromBlock?: number | undefined;
  readonly toBlock?: number | undefined;
};

/** Events looked at for one page: filters that hardly ever match give short pages and a `next`. */
const scannedMax = 10_000;

/**
 * Events that match. Whatever the filter, an index is walked from the newest down for at most {@link scannedMax} entries, so
 * that no question costs more than that; a page may thus be short, or empty, and still have a `next`.
 */
export async function listEvents(
  db: Queries,
  filter: EventFilter,
  { before = beyond, limit }: Page,
): Promise<Paged<LogRow>> {
  const { contract, name, address, fromBlock = 0, toBlock } = filter;
  const params: unknown[] = [];
  const parameter = (value: unknown) => `$${params.push(value)}`;
  const tests = {
    address: address === undefined ? undefined : `i.address = ${parameter(address)}`,
    name: name === undefined ? undefined : `l.event = ${parameter(name)}`,
    contract:
      contract === undefined
        ? undefined
        : `l.${contract.startsWith("0x") ? "address" : "contract"} = ${parameter(contract)}`,
  };
  const from = parameter(fromBlock * perBlock);
  const to = parameter(Math.min(before, toBlock === undefined ? beyond : (toBlock + 1) * perBlock));
  const walked = address !== undefined ? "explorer.log_accounts i" : "explorer.logs l";
  const at = address !== undefined ? "i" : "l";
  const [walk = "true", ...rest] = [tests.address, tests.name, tests.contract].filter(
    (test) => test !== undefined,
  );
  const most = rest.length === 0 ? limit + 1 : scannedMax;
  const rows = await db.query<LogRow & { walked: number; last: number }>(
    `with walked as materialized (
       select ${at}.position from ${walked} where ${walk} and ${at}.position >= ${from} and ${at}.position < ${to}
       order by ${at}.position desc limit ${most}
     ), found as materialized (
       select l.position from walked join explorer.logs l using (position)
       where ${rest.join(" and ") || "true"}
       order by position desc limit ${parameter(limit + 1)}
     )
     select whole.*, (select count(*)::int from walked) as walked, (select min(position) from walked) as last
     from (select 1) as always left join (
       select ${logColumns(listedBytesMax)} from ${logsFrom} where l.position in (select position from found)
     ) as whole on true order by whole.position desc`,
    params,
  );
  const [first] = rows;
  const found = rows.filter(({ position }) => position !== null);
  const page = paged(found, limit, ({ position }) => position);
  const { walked: seen, last } = first!;
  return page.next === null && rest.length > 0 && seen === most ? { ...page, next: last } : page;
}

const contractColumns = `c.address, c.name, c.creator, c.position, t.hash as "transactionHash", c.code_digest as "codeDigest",
  c.code_bytes as "codeBytes"`;
const contractsFrom = "explorer.contracts c left join explorer.transactions t on t.position = c.position";

/** Contracts by creation, newest first; those without a known creation last. */
export async function listContracts(
  db: Queries,
  { before, limit }: { readonly before?: ContractPlace | undefined; readonly limit: number },
): Promise<{ items: readonly ContractView[]; next: ContractPlace | null }> {
  const place = before ?? { position: beyond, address: "0x" };
  const rows = await db.query<ContractView>(
    `select ${contractColumns} from ${contractsFrom}
     where (coalesce(c.position, -1), c.address) < ($1, $2)
     order by coalesce(c.position, -1) desc, c.address desc limit $3`,
    [place.position, place.address, limit + 1],
  );
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next =
    rows.length > limit && last !== undefined
      ? { position: last.position ?? -1, address: last.address }
      : null;
  return { items, next };
}

/** One transaction may make several contracts. */
export type ContractPlace = { readonly position: number; readonly address: string };

export async function findContract(db: Queries, address: Address): Promise<ContractView | undefined> {
  const [row] = await db.query<ContractView>(
    `select ${contractColumns} from ${contractsFrom} where c.address = $1`,
    [address],
  );
  return row;
}

export type AccountCounts = {
  readonly transactions: number;
  readonly events: number;
  readonly firstBlock: number | null;
  readonly lastBlock: number | null;
};

export async function countsOf(db: Queries, address: Address): Promise<AccountCounts> {
  const [row] = await db.query<AccountCounts>(
    `select transactions, events, first_block as "firstBlock", last_block as "lastBlock"
     from explorer.accounts where address = $1`,
    [address],
  );
  return row ?? { transactions: 0, events: 0, firstBlock: null, lastBlock: null };
}

export type Hit =
  | { readonly kind: "block"; readonly number: number; readonly hash: Hex }
  | { readonly kind: "transaction"; readonly hash: Hex }
  | { readonly kind: "contract"; readonly address: Address; readonly name: string | null }
  | { readonly kind: "account"; readonly address: Address }
  | {
      readonly kind: "name";
      readonly name: string;
      readonly event: string;
      readonly contract: string;
      readonly subject: string | null;
      readonly transaction: Hex;
    };

const hitsMax = 20;
/** Of more matches than this, the first to be found are put in order. */
const matchesMax = 500;
/** A text of fewer characters is looked for at the beginnings of names alone. */
const withinMin = 3;
/** So many of the newest names are looked through for a text inside them. */
const newestNamesMax = 10_000;

/** What a person may have meant: a number, a hash, an address, or a part of a name. */
export async function search(db: Queries, text: string): Promise<Hit[]> {
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) {
    const block = await findBlock(db, Number(text));
    const hits: Hit[] =
      block === undefined ? [] : [{ kind: "block", number: block.number, hash: block.hash }];
    return [...hits, ...(await searchNames(db, text))];
  }
  const hex = text.toLowerCase() as Hex;
  if (/^0x[0-9a-f]{64}$/.test(hex)) {
    const block = await findBlock(db, hex);
    if (block !== undefined) return [{ kind: "block", number: block.number, hash: block.hash }];
    const transaction = await findTransaction(db, hex);
    return transaction === undefined ? [] : [{ kind: "transaction", hash: transaction.hash }];
  }
  if (/^0x[0-9a-f]{40}$/.test(hex)) {
    const contract = await findContract(db, hex);
    if (contract !== undefined) return [{ kind: "contract", address: hex, name: contract.name }];
    const { firstBlock } = await countsOf(db, hex);
    return firstBlock === null ? [] : [{ kind: "account", address: hex }];
  }
  return searchNames(db, text);
}

/** Names that are this text, begin with it, or hold it: in this order, then by the alphabet. */
async function searchNames(db: Queries, text: string): Promise<Hit[]> {
  const wanted = text.toLowerCase();
  const prefix = `${wanted.replace(/[\\%_]/g, "\\$&")}%`;
  const within = wanted.length >= withinMin;
  type Ranked<T> = T & { readonly rank: number };
  const contracts = await db.query<Ranked<{ address: Address; name: string }>>(
    `select address, name, ${rank} from (${matches("address, name", "contracts", "coalesce(position, -1)")}) found
     order by rank, lower(name), address limit $6`,
    [wanted, prefix, within, matchesMax, newestNamesMax, hitsMax],
  );
  const names = await db.query<Ranked<Omit<Extract<Hit, { kind: "name" }>, "kind">>>(
    `select n.name, n.event, n.contract, n.subject, t.hash as transaction, ${rank}
     from (${matches("position, name, event, contract, subject", "names", "position")}) n
     join explorer.logs l on l.position = n.position join explorer.transactions t on t.position = l.transaction
     order by rank, lower(n.name), n.position limit $6`,
    [wanted, prefix, within, matchesMax, newestNamesMax, hitsMax],
  );
  return [
    ...contracts.map(({ rank, ...row }) => ({ rank, hit: { kind: "contract" as const, ...row } })),
    ...names.map(({ rank, ...row }) => ({ rank, hit: { kind: "name" as const, ...row } })),
  ]
    .sort((a, b) => a.rank - b.rank)
    .slice(0, hitsMax)
    .map(({ hit }) => hit);
}

const rank = "case when lower(name) = $1 then 0 when lower(name) like $2 then 1 else 2 end as rank";

/** Rows whose name is $1, begins as $2, or, if $3, holds $1: at most $4 each; for the last the newest $5 are looked through. */
const matches = (columns: string, table: string, order: string): string =>
  `(select ${columns} from explorer.${table} where lower(name) = $1 limit $4)
   union (select ${columns} from explorer.${table} where lower(name) like $2 limit $4)
   union (select ${columns} from
     (select * from explorer.${table} where $3::boolean and name is not null order by ${order} desc limit $5) newest
     where strpos(lower(name), $1) > 0 limit $4)`;

export const blockOf = (position: number): number => Math.floor(position / perBlock);
export const indexOf = (position: number): number => position % perBlock;

/** Topics as they are kept: 32 bytes each, one after another. */
export function topicsOf(topics: Uint8Array): Hex[] {
  return Array.from({ length: topics.length / 32 }, (_, index) =>
    hexOf(topics.subarray(32 * index, 32 * index + 32)),
  );
}
