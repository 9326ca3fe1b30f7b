import { type Address, getContractAddress, type Hex, keccak256, toRlp } from "viem";
import type { EmbeddedChain } from "./embedded.ts";
import { totalSupplyWei } from "./genesis.ts";
import { emptyTrieRoot, trieRoot } from "./trie.ts";

/** What a chain's state says about OPEN at one block. Amounts in wei. */
export type SupplyProof = {
  readonly blockNumber: number;
  /** The block's state root, equal to the one recomputed from the accounts counted. */
  readonly stateRoot: Hex;
  readonly accounts: number;
  readonly balancesWei: bigint;
  /** Burnt by contracts that destroyed themselves to themselves in the transaction that made them (EIP-6780). */
  readonly destroyedWei: bigint;
  readonly destroyed: readonly { readonly transactionHash: Hex; readonly wei: bigint }[];
};

export type SupplyProgress = {
  readonly step: "blocks" | "accounts" | "traces";
  readonly done: number;
  readonly of: number;
};

/** Balances and what was destroyed do not sum to the supply, or the accounts could not all be found. */
export class SupplyError extends Error {
  override readonly name = "SupplyError";
}

/**
 * Prove that no OPEN was made and none lost: Σ balances + destroyed = 10²⁷ wei.
 *
 * Nobody can list a state's accounts by asking for them, so they are gathered from the blocks: senders, receivers,
 * creations, and every word of calldata and events that could be an address. Then the state root is recomputed from the
 * accounts gathered. If it equals the block's, none is missing, however they were found; if not, every transaction that
 * ran code is traced for the accounts it touched. If balances fall short of the supply, each transaction's own balance
 * differences must account for the rest.
 *
 * @throws SupplyError
 */
export async function proveSupply(
  chain: EmbeddedChain,
  onProgress: (progress: SupplyProgress) => void = () => {},
): Promise<SupplyProof> {
  const head = await blockAt(chain, "latest");
  const blockNumber = Number(head.number);
  const { addresses, ranCode } = await gather(chain, blockNumber, onProgress);
  let state = await readState(chain, addresses, head.number, onProgress);
  if (state.root !== head.stateRoot) {
    await addTouched(chain, addresses, ranCode, onProgress);
    state = await readState(chain, addresses, head.number, onProgress);
  }
  if (state.root !== head.stateRoot) {
    throw new SupplyError(
      `The ${state.accounts} accounts found give state root ${state.root}; block ${blockNumber} has ${head.stateRoot}: ` +
        `an account is missing, so nothing is proven. Please report this with the chain's log.`,
    );
  }
  const destroyed =
    state.balancesWei === totalSupplyWei ? [] : await findDestroyed(chain, ranCode, onProgress);
  const destroyedWei = destroyed.reduce((sum, { wei }) => sum + wei, 0n);
  if (state.balancesWei + destroyedWei !== totalSupplyWei) {
    throw new SupplyError(
      `At block ${blockNumber} balances sum to ${state.balancesWei} wei and ${destroyedWei} wei were destroyed: together ` +
        `${state.balancesWei + destroyedWei}, expected ${totalSupplyWei}.`,
    );
  }
  return {
    blockNumber,
    stateRoot: head.stateRoot,
    accounts: state.accounts,
    balancesWei: state.balancesWei,
    destroyedWei,
    destroyed,
  };
}

type Transaction = { hash: Hex; from: Address; to: Address | null; nonce: Hex; input: Hex; type: Hex };
type Block = { number: Hex; stateRoot: Hex; transactions: Transaction[] };
type Receipt = { logs: { address: Address; topics: Hex[]; data: Hex }[] };

const progressEvery = 256;

function blockAt(chain: EmbeddedChain, tag: Hex | "latest"): Promise<Block> {
  return chain.request({ method: "eth_getBlockByNumber", params: [tag, true] }) as Promise<Block>;
}

/** Candidates for accounts, lower case, and the transactions that ran code, in order. */
async function gather(
  chain: EmbeddedChain,
  lastBlock: number,
  onProgress: (progress: SupplyProgress) => void,
): Promise<{ addresses: Set<Address>; ranCode: Hex[] }> {
  const addresses = new Set<Address>();
  const ranCode: Hex[] = [];
  const add = (address: string) => addresses.add(address.toLowerCase() as Address);
  for (const address of [...Object.keys(chain.genesis), chain.feeCollector, ...systemContracts]) add(address);
  for (let number = 1; number <= lastBlock; number++) {
    if (number % progressEvery === 0) onProgress({ step: "blocks", done: number, of: lastBlock });
    const tag: Hex = `0x${number.toString(16)}`;
    const block = await blockAt(chain, tag);
    if (block.transactions.length === 0) continue;
    const receipts = (await chain.request({ method: "eth_getBlockReceipts", params: [tag] })) as Receipt[];
    for (const [i, transaction] of block.transactions.entries()) {
      const { from, to, nonce, input, hash, type } = transaction;
      const { logs } = receipts[i]!;
      add(from);
      add(to ?? getContractAddress({ from, nonce: BigInt(nonce) }));
      const code =
        to === null ? undefined : await chain.request({ method: "eth_getCode", params: [to, tag] });
      // Gas used says nothing: a refund can bring a call down to the price of a transfer.
      if (code !== "0x" || type === "0x4") ranCode.push(hash);
      for (const address of addressesIn(input, 10)) add(address);
      for (const log of logs) {
        add(log.address);
        for (const word of log.topics) for (const address of addressesIn(word, 2)) add(address);
        for (const address of addressesIn(log.data, 2)) add(address);
      }
    }
  }
  return { addresses, ranCode };
}

/** EIP-4788 and EIP-2935: in every state since genesis. */
const systemContracts = [
  "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
  "0x0000f90827f1c53a10cb7a02335b175320002935",
] as const;

const paddedAddress = /^0{24}[0-9a-f]{40}$/;

/** Every 32-byte word that could be an address, the words beginning at a hex position (10 passes over a selector). */
function addressesIn(data: Hex, from: number): Address[] {
  const found: Address[] = [];
  for (let at = from; at + 64 <= data.length; at += 64) {
    const word = data.slice(at, at + 64);
    if (paddedAddress.test(word)) found.push(`0x${word.slice(24)}`);
  }
  return found;
}

type State = { root: Hex; accounts: number; balancesWei: bigint };

const emptyCodeHash = keccak256("0x");

/** The state made of these addresses at a block; addresses that are no accounts are passed over. */
async function readState(
  chain: EmbeddedChain,
  addresses: ReadonlySet<Address>,
  tag: Hex,
  onProgress: (progress: SupplyProgress) => void,
): Promise<State> {
  const ask = async (method: string, ...params: unknown[]) =>
    (await chain.request({ method, params })) as Hex;
  const entries: { key: Address; value: Hex }[] = [];
  let balancesWei = 0n;
  let done = 0;
  for (const address of addresses) {
    if (++done % progressEvery === 0) onProgress({ step: "accounts", done, of: addresses.size });
    const balance = BigInt(await ask("eth_getBalance", address, tag));
    const nonce = BigInt(await ask("eth_getTransactionCount", address, tag));
    const code = await ask("eth_getCode", address, tag);
    if (balance === 0n && nonce === 0n && code === "0x") continue;
    const { storageHash } =
      code === "0x"
        ? { storageHash: emptyTrieRoot }
        : ((await chain.request({ method: "eth_getProof", params: [address, [], tag] })) as {
            storageHash: Hex;
          });
    const codeHash = code === "0x" ? emptyCodeHash : keccak256(code);
    entries.push({ key: address, value: toRlp([integer(nonce), integer(balance), storageHash, codeHash]) });
    balancesWei += balance;
  }
  return { root: trieRoot(entries), accounts: entries.length, balancesWei };
}

function integer(value: bigint): Hex {
  if (value === 0n) return "0x";
  const hex = value.toString(16);
  return `0x${hex.length % 2 === 0 ? "" : "0"}${hex}`;
}

type Touched = Readonly<Record<Address, { readonly balance?: Hex }>>;

async function addTouched(
  chain: EmbeddedChain,
  addresses: Set<Address>,
  transactions: readonly Hex[],
  onProgress: (progress: SupplyProgress) => void,
): Promise<void> {
  for (const [done, hash] of transactions.entries()) {
    if (done % progressEvery === 0) onProgress({ step: "traces", done, of: transactions.length });
    const { pre, post } = await differences(chain, hash);
    for (const address of [...Object.keys(pre), ...Object.keys(post)])
      addresses.add(address.toLowerCase() as Address);
  }
}

async function differences(chain: EmbeddedChain, hash: Hex): Promise<{ pre: Touched; post: Touched }> {
  const trace = await chain.trace(hash, { tracer: "prestateTracer", tracerConfig: { diffMode: true } });
  return trace as { pre: Touched; post: Touched };
}

/** Transactions after which there is less OPEN than before: `pre` and `post` hold only what changed. */
async function findDestroyed(
  chain: EmbeddedChain,
  transactions: readonly Hex[],
  onProgress: (progress: SupplyProgress) => void,
): Promise<{ transactionHash: Hex; wei: bigint }[]> {
  const destroyed: { transactionHash: Hex; wei: bigint }[] = [];
  for (const [done, transactionHash] of transactions.entries()) {
    if (done % progressEvery === 0) onProgress({ step: "traces", done, of: transactions.length });
    const { pre, post } = await differences(chain, transactionHash);
    let wei = 0n;
    for (const address of new Set([...Object.keys(pre), ...Object.keys(post)]) as Set<Address>) {
      const before = BigInt(pre[address]?.balance ?? "0x0");
      // An account that is left out of `post` is gone; one that is there without a balance kept it.
      const after =
        post[address] === undefined ? 0n : BigInt(post[address].balance ?? pre[address]?.balance ?? "0x0");
      wei += before - after;
    }
    if (wei !== 0n) destroyed.push({ transactionHash, wei });
  }
  return destroyed;
}
