import type { Address, Hex } from "viem";
import type { Argument, Value } from "./abi.ts";
import type { BlockFacts, CodeFacts, LogFacts, TransactionFacts } from "./block.ts";
import type { Decoded } from "./decode.ts";
import type { Registry } from "./registry.ts";
import { perBlock, type Role } from "./tables.ts";

/** Rows of one batch of blocks, by table, with the columns' names. Amounts and places as SQL reads them from JSON. */
export type Rows = {
  readonly blocks: object[];
  readonly transactions: object[];
  readonly logs: object[];
  readonly activity: ActivityRow[];
  readonly log_accounts: { readonly address: Address; readonly position: number }[];
  readonly contracts: Map<Address, ContractRow>;
  readonly names: object[];
};

export type ActivityRow = {
  readonly address: Address;
  readonly position: number;
  readonly role: Role;
  readonly change_wei: string | null;
};

export type ContractRow = {
  readonly address: Address;
  readonly name: string | null;
  readonly creator: Address | null;
  readonly position: number | null;
  readonly code_digest: Hex | null;
  readonly code_bytes: number;
};

export const emptyRows = (): Rows => ({
  blocks: [],
  transactions: [],
  logs: [],
  activity: [],
  log_accounts: [],
  contracts: new Map(),
  names: [],
});

/** What must be known of a block beside the block: names of instances seen before it, and the code of what it made. */
export type BlockContext = {
  readonly registry: Registry;
  /** Contracts that this block's events name, and how. */
  readonly instances: ReadonlyMap<Address, string>;
  /** Names of contracts that listed contracts made, in earlier blocks and in this one. */
  readonly instanceOf: (address: Address) => string | undefined;
  /** Undefined for a contract that only spoke and has its row already. */
  readonly codeOf: (address: Address) => CodeFacts | undefined;
};

/** Bytes of revert data kept; a custom error is far shorter. */
const revertBytesMax = 4_096;
/** Addresses kept for one event. */
const logAccountsMax = 64;
/** Characters of a name that can be searched for. */
const nameMax = 128;

/** Instances that the events of a block name: read first, because a contract may speak before its maker names it. */
export function instancesOf(block: BlockFacts, registry: Registry): Map<Address, string> {
  const found = new Map<Address, string>();
  for (const { logs } of block.transactions)
    for (const log of logs) {
      const by = registry.nameOf(log.address);
      const event = registry.decoder(by)?.event(log.topics, log.data);
      const made = by === undefined || event === undefined ? undefined : registry.created(by, event);
      if (made !== undefined) found.set(made.address, made.name);
    }
  return found;
}

/** Contracts a block made, and others that spoke in it. */
export function contractsOf({ transactions }: BlockFacts): { made: Set<Address>; spoke: Set<Address> } {
  const made = new Set<Address>();
  for (const { created, effects } of transactions) {
    if (created !== null) made.add(created);
    for (const address of effects?.created ?? []) made.add(address);
  }
  const emitters = transactions.flatMap(({ logs }) => logs.map(({ address }) => address));
  return { made, spoke: new Set(emitters.filter((address) => !made.has(address))) };
}

/** Add a block's rows. Pure: the same block and context always give the same rows. */
export function addBlock(rows: Rows, block: BlockFacts, context: BlockContext): void {
  const logs = block.transactions.reduce((sum, transaction) => sum + transaction.logs.length, 0);
  if (block.transactions.length > perBlock || logs > perBlock)
    throw new Error(`Block ${block.number} has more than ${perBlock} transactions or logs.`);
  rows.blocks.push({
    number: block.number,
    hash: block.hash,
    parent_hash: block.parentHash,
    state_root: block.stateRoot,
    timestamp_sec: block.timestampSec,
    miner: block.miner,
    gas_used: block.gasUsed,
    gas_limit: block.gasLimit,
    base_fee_wei: block.baseFeeWei.toString(),
    size_bytes: block.sizeBytes,
    transactions: block.transactions.length,
    logs,
  });
  for (const transaction of block.transactions) addTransaction(rows, block, transaction, context);
  for (const address of context.instances.keys()) nameContract(rows, address, context);
}

/** A contract may be made in one transaction and named in a later one. */
function nameContract(rows: Rows, address: Address, context: BlockContext): void {
  const row = rows.contracts.get(address) ?? contractRow(address, null, null, context);
  rows.contracts.set(address, { ...row, name: contractName(address, context) });
}

function contractName(address: Address, { registry, instanceOf }: BlockContext): string | null {
  return registry.nameOf(address) ?? instanceOf(address) ?? null;
}

function contractRow(
  address: Address,
  creator: Address | null,
  position: number | null,
  context: BlockContext,
): ContractRow {
  const { digest, bytes } = context.codeOf(address) ?? { digest: null, bytes: 0 };
  const name = contractName(address, context);
  return { address, name, creator, position, code_digest: digest, code_bytes: bytes };
}

/** What genesis gave, as activity of block 0, in order of address. */
export function addGenesis(rows: Rows, genesis: Readonly<Record<Address, bigint>>): void {
  const entries = Object.entries(genesis).map(([address, wei]) => [address.toLowerCase(), wei] as const);
  for (const [index, [address, wei]] of entries.sort(([a], [b]) => (a < b ? -1 : 1)).entries())
    rows.activity.push({
      address: address as Address,
      position: index,
      role: "genesis",
      change_wei: wei.toString(),
    });
}

function addTransaction(rows: Rows, block: BlockFacts, facts: TransactionFacts, context: BlockContext): void {
  const { registry } = context;
  const position = block.number * perBlock + facts.index;
  const nameOf = (address: Address) => registry.nameOf(address) ?? context.instanceOf(address);
  const contract = facts.recipient === null ? undefined : nameOf(facts.recipient);
  const call = registry.decoder(contract)?.call(facts.input);
  const revertData = facts.effects?.revertData;
  const error = revertData === undefined ? undefined : registry.error(revertData);
  rows.transactions.push({
    position,
    hash: facts.hash,
    sender: facts.sender,
    recipient: facts.recipient,
    nonce: facts.nonce,
    type: facts.type,
    value_wei: facts.valueWei.toString(),
    gas_limit: facts.gasLimit,
    gas_used: facts.gasUsed,
    gas_price_wei: facts.gasPriceWei.toString(),
    succeeded: facts.succeeded,
    created: facts.created,
    input: facts.input.slice(2),
    contract: contract ?? null,
    function: call?.name ?? null,
    arguments: call?.arguments ?? null,
    traced: facts.effects !== undefined,
    revert_data: revertData?.slice(2, 2 + 2 * revertBytesMax) ?? null,
    revert_bytes: revertData === undefined ? null : (revertData.length - 2) / 2,
    error: error?.name ?? null,
    error_arguments: error?.arguments ?? null,
    authorizations: facts.authorizations.length === 0 ? null : facts.authorizations,
    logs: facts.logs.length,
  });
  rows.activity.push(...activityOf(facts, position, block.miner));
  for (const log of facts.logs) addLog(rows, block, position, log, nameOf(log.address), registry);
  addContracts(rows, facts, position, context);
}

/** Who took part. The miner's tips are left out: it has a part in everything. */
function activityOf(facts: TransactionFacts, position: number, miner: Address): ActivityRow[] {
  const named = new Map<Address, Set<Role>>();
  const add = (address: Address | null, role: Role) => {
    if (address === null) return;
    named.set(address, (named.get(address) ?? new Set()).add(role));
  };
  add(facts.sender, "sender");
  add(facts.recipient, "recipient");
  add(facts.created, "created");
  for (const address of facts.effects?.created ?? []) add(address, "created");
  for (const { authority } of facts.authorizations) add(authority, "authority");
  const changes = new Map(facts.effects?.changes.map(({ address, wei }) => [address, wei]));
  for (const address of changes.keys()) if (!named.has(address) && address !== miner) add(address, "balance");
  return [...named].flatMap(([address, its]) =>
    [...its].map((role) => ({
      address,
      position,
      role,
      change_wei: changes.get(address)?.toString() ?? null,
    })),
  );
}

function addLog(
  rows: Rows,
  block: BlockFacts,
  transaction: number,
  log: LogFacts,
  contract: string | undefined,
  registry: Registry,
): void {
  const position = block.number * perBlock + log.index;
  const event = registry.decoder(contract)?.event(log.topics, log.data);
  rows.logs.push({
    position,
    transaction,
    address: log.address,
    topics: log.topics.map((topic) => topic.slice(2)).join(""),
    data: log.data.slice(2),
    contract: contract ?? null,
    event: event?.name ?? null,
    arguments: event?.arguments ?? null,
  });
  for (const address of logAccounts(log, event)) rows.log_accounts.push({ address, position });
  const name = event?.arguments.find((one) => one.name === "name" && one.type === "string")?.value;
  if (event !== undefined && contract !== undefined && typeof name === "string" && name !== "")
    rows.names.push({
      position,
      name: name.slice(0, nameMax).toWellFormed(),
      event: event.name,
      contract,
      subject: subjectOf(event),
    });
}

/** What an event with a name is about: its first value, which is an id in all of the protocol's. */
function subjectOf({ arguments: [first] }: Decoded): string | null {
  return typeof first?.value === "string" && first.name !== "name" ? first.value : null;
}

const paddedAddress = /^0x0{24}[0-9a-f]{40}$/;

/** The emitter and the addresses an event names; of one that cannot be decoded, the topics that look like addresses. */
function logAccounts(log: LogFacts, event: Decoded | undefined): Address[] {
  const named =
    event === undefined
      ? log.topics
          .slice(1)
          .filter((topic) => paddedAddress.test(topic) && !/^0x0{56}/.test(topic))
          .map((topic) => `0x${topic.slice(26)}` as Address)
      : addressesIn(event.arguments);
  return [...new Set([log.address, ...named])].slice(0, logAccountsMax);
}

/** Addresses among values, those in arrays and tuples too. */
function addressesIn(values: readonly Argument[]): Address[] {
  return values.flatMap(({ type, value }) => addressesOf(type, value));
}

function addressesOf(type: string, value: Value): Address[] {
  if (typeof value === "string") return type.startsWith("address") ? [value as Address] : [];
  if (typeof value === "boolean" || "digest" in value) return [];
  const items = "cut" in value ? value.cut : value;
  if (typeof items === "string") return [];
  return (items as readonly (Value | Argument)[]).flatMap((item) =>
    typeof item === "object" && "type" in item ? addressesOf(item.type, item.value) : addressesOf(type, item),
  );
}

function addContracts(rows: Rows, facts: TransactionFacts, position: number, context: BlockContext): void {
  const made = new Set([facts.created, ...(facts.effects?.created ?? [])]);
  // The transaction's sender stands for whoever had it made: between contracts the maker is not in the receipt.
  for (const address of made)
    if (address !== null) rows.contracts.set(address, contractRow(address, facts.sender, position, context));
  for (const { address } of facts.logs)
    if (!rows.contracts.has(address) && (context.codeOf(address)?.bytes ?? 0) > 0)
      rows.contracts.set(address, contractRow(address, null, null, context));
}
