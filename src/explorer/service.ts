import type { Abi, Address, Hex } from "viem";
import type { FollowedContracts } from "../chain/index.ts";
import type { Database } from "../store/index.ts";
import type { ChainAccess } from "./block.ts";
import { ExplorerError } from "./errors.ts";
import { type Indexer, openIndexer } from "./indexer.ts";
import {
  type AccountCounts,
  type ActivityOf,
  type BlockRow,
  type ContractPlace,
  type ContractView,
  countsOf,
  type EventFilter,
  findBlock,
  findContract,
  findTransaction,
  type Hit,
  type LogRow,
  listActivity,
  listBlocks,
  listContracts,
  listEvents,
  listLogsOf,
  listTransactions,
  type Page,
  type Paged,
  search,
  type TransactionRow,
} from "./read.ts";
import { type InstanceRule, protocolInstances, registryOf } from "./registry.ts";
import { type BlocksSince, blocksAfter, type EventSince, eventsAfter } from "./since.ts";

export type ExplorerDependencies = {
  readonly database: Database;
  /** EIP-1193 access to the chain; `trace` is `debug_traceTransaction`, where the chain lets us. */
  readonly chain: Pick<ChainAccess, "request" | "trace"> & { readonly chainId: number };
  /** Contracts to decode by, by name: to list one here is all it takes. */
  readonly contracts: FollowedContracts;
  /** Contracts that those create. {@link protocolInstances} unless given. */
  readonly instances?: readonly InstanceRule[];
  /** Address → wei at genesis, where it is known. */
  readonly genesis?: Readonly<Record<Address, bigint>>;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly log?: (level: "info" | "warn", message: string) => void;
  /** Make the index anew from block 0. */
  readonly reindex?: boolean;
  /** Bounds of one database transaction. */
  readonly batch?: { readonly blocks: number; readonly transactions: number };
};

export type Summary = {
  readonly chainId: number;
  readonly genesisHash: Hex | null;
  /** Last block in the index; null before the first. */
  readonly indexedBlock: number | null;
  readonly headBlock: number;
  readonly transactions: number;
  readonly events: number;
  readonly accounts: number;
  readonly contracts: number;
  readonly trouble: string | null;
  readonly latest: readonly BlockRow[];
};

export type AccountView = AccountCounts & {
  readonly address: Address;
  readonly name: string | null;
  readonly balanceWei: bigint;
  readonly nonce: number;
  readonly code: Hex;
  readonly contract: ContractView | undefined;
};

export type Explorer = {
  summary(): Promise<Summary>;
  blocks(page: Page): Promise<Paged<BlockRow>>;
  /** @throws ExplorerError unknown-block */
  block(id: number | Hex): Promise<BlockRow>;
  /** @throws ExplorerError unknown-block */
  transactions(page: Page, block?: number): Promise<Paged<TransactionRow>>;
  /** With its first {@link logsShown} events. @throws ExplorerError unknown-transaction */
  transaction(hash: Hex): Promise<{ transaction: TransactionRow; logs: readonly LogRow[] }>;
  /** Balance, nonce and code are the chain's at its last block. */
  account(address: Address): Promise<AccountView>;
  activity(address: Address, page: Page): Promise<Paged<ActivityOf>>;
  events(filter: EventFilter, page: Page): Promise<Paged<LogRow>>;
  contracts(page: {
    before?: ContractPlace | undefined;
    limit: number;
  }): Promise<{ items: readonly ContractView[]; next: ContractPlace | null }>;
  /** @throws ExplorerError unknown-contract */
  contract(address: Address): Promise<{ contract: ContractView; abi: Abi | null }>;
  search(text: string): Promise<readonly Hit[]>;
  /** Events of known contracts after a cursor, and blocks after a block; see `since.ts`. */
  eventsAfter(
    after: number | null,
    limit: number,
  ): Promise<{ events: EventSince[]; cursor: number; more: boolean }>;
  blocksAfter(after: number | null): Promise<BlocksSince | undefined>;
  /** Calls back when blocks came into the index. @returns how to stop that */
  onIndexed(listener: () => void): () => void;
  /** Resolves when a block is in the index. */
  reached(blockNumber: number): Promise<void>;
  close(): Promise<void>;
};

/** Events shown with their transaction; the rest are found by `/v1/explorer/events`. */
export const logsShown = 256;
const latestBlocks = 5;

/** Open the index and follow the chain. It answers from the first moment, with what it has so far. */
export async function openExplorer(dependencies: ExplorerDependencies): Promise<Explorer> {
  const { database, chain, contracts, instances = protocolInstances, ...rest } = dependencies;
  const registry = registryOf(contracts, instances);
  const indexer: Indexer = await openIndexer({ database, chain, registry, ...rest });

  async function block(id: number | Hex): Promise<BlockRow> {
    const found = await findBlock(database, id);
    if (found !== undefined) return found;
    const { cursor } = indexer.status();
    throw new ExplorerError(
      "unknown-block",
      `There is no block ${id} in the index, which ends at ${cursor === undefined ? "nothing yet" : `block ${cursor.blockNumber}`}.`,
    );
  }

  async function account(address: Address): Promise<AccountView> {
    const ask = (method: string) => chain.request({ method, params: [address, "latest"] }) as Promise<Hex>;
    const [counts, contract, balance, nonce, code] = await Promise.all([
      countsOf(database, address),
      findContract(database, address),
      ask("eth_getBalance"),
      ask("eth_getTransactionCount"),
      ask("eth_getCode"),
    ]);
    return {
      ...counts,
      address,
      name: registry.nameOf(address) ?? contract?.name ?? null,
      balanceWei: BigInt(balance),
      nonce: Number(nonce),
      code,
      contract,
    };
  }

  return {
    async summary() {
      const { cursor, head, trouble } = indexer.status();
      const { items } = await listBlocks(database, { limit: latestBlocks });
      return {
        chainId: chain.chainId,
        genesisHash: cursor?.genesisHash ?? null,
        indexedBlock: cursor?.blockNumber ?? null,
        headBlock: head,
        transactions: cursor?.transactions ?? 0,
        events: cursor?.logs ?? 0,
        accounts: cursor?.accounts ?? 0,
        contracts: cursor?.contracts ?? 0,
        trouble,
        latest: items,
      };
    },
    blocks: (page) => listBlocks(database, page),
    block,
    async transactions(page, number) {
      if (number !== undefined) await block(number);
      return listTransactions(database, page, number);
    },
    async transaction(hash) {
      const transaction = await findTransaction(database, hash);
      if (transaction === undefined)
        throw new ExplorerError(
          "unknown-transaction",
          `There is no transaction ${hash} in the index. One that was just sent is there once its block is; ask again in a moment.`,
        );
      return { transaction, logs: await listLogsOf(database, transaction.position, logsShown) };
    },
    account,
    activity: (address, page) => listActivity(database, address, page),
    events: (filter, page) => listEvents(database, filter, page),
    contracts: (page) => listContracts(database, page),
    async contract(address) {
      const contract = await findContract(database, address);
      if (contract === undefined)
        throw new ExplorerError("unknown-contract", `No contract at ${address} is in the index.`);
      return { contract, abi: (contract.name === null ? undefined : registry.abiOf(contract.name)) ?? null };
    },
    search: (text) => search(database, text),
    eventsAfter: (after, limit) => eventsAfter(database, after, limit),
    blocksAfter: (after) => blocksAfter(database, after),
    onIndexed: indexer.onIndexed,
    reached: indexer.reached,
    close: indexer.close,
  };
}
