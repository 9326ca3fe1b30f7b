/** Reading and calling the protocol's contracts: typed by their ABIs, as of now rather than of the last block. */
import {
  type Abi,
  type Address,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  type Hex,
} from "viem";
import { send } from "../wallet/wallet.ts";
import { type Network, network } from "./client.ts";
import { abis } from "./contracts.ts";

type Abis = typeof abis;

export type ChainView = Network & {
  /** The contracts, as `public.readContract` and `transact` take them. */
  readonly at: { readonly [Name in keyof Abis]: { readonly address: Address; readonly abi: Abis[Name] } };
};

/** Windows end between blocks: what is read is read as of now. */
export const now = { blockTag: "pending" } as const;

/** The node's chain with its contracts. */
export async function chainView(): Promise<ChainView> {
  const found = await network();
  const at = Object.fromEntries(
    Object.entries(abis).map(([name, abi]) => [name, { abi, address: found.contracts[name] }]),
  );
  return { ...found, at: at as unknown as ChainView["at"] };
}

/** The chain's clock, seconds. */
export const chainTime = async ({ public: reader }: ChainView): Promise<number> =>
  Number((await reader.getBlock(now)).timestamp);

/** As many blocks as the node searches at once. */
const blocksMax = 10_000n;

/** Events of the whole chain, the oldest first. `read` is viem's `getContractEvents` for one range of blocks. */
export async function everyEvent<Event>(
  { public: reader }: ChainView,
  read: (range: { readonly fromBlock: bigint; readonly toBlock: bigint }) => Promise<readonly Event[]>,
): Promise<Event[]> {
  const last = await reader.getBlockNumber({ cacheTime: 0 });
  const events: Event[] = [];
  for (let fromBlock = 0n; fromBlock <= last; fromBlock += blocksMax) {
    const end = fromBlock + blocksMax - 1n;
    events.push(...(await read({ fromBlock, toBlock: end < last ? end : last })));
  }
  return events;
}

const times = new Map<bigint, Promise<number>>();

/** When a block was made, milliseconds; asked for once. */
export function blockTimeMs({ public: reader }: ChainView, blockNumber: bigint): Promise<number> {
  let asked = times.get(blockNumber);
  if (asked === undefined) {
    asked = reader.getBlock({ blockNumber }).then(({ timestamp }) => Number(timestamp) * 1_000);
    asked.catch(() => times.delete(blockNumber));
    times.set(blockNumber, asked);
  }
  return asked;
}

/** What an address is called: a contract's name, or nothing. */
export function contractName({ contracts }: Network, address: string): string | undefined {
  const wanted = address.toLowerCase();
  return Object.entries(contracts).find(([, known]) => known.toLowerCase() === wanted)?.[0];
}

type Writing = "nonpayable" | "payable";

/**
 * Calls a function as the wallet's account, and waits until it is in a block.
 *
 * @param value wei that go along
 * @returns the transaction's hash
 * @throws Error with the contract's own reason when it would not succeed
 */
export function transact<const A extends Abi, F extends ContractFunctionName<A, Writing>>(
  { address, abi }: { readonly address: Address; readonly abi: A },
  functionName: F,
  args: ContractFunctionArgs<A, Writing, F>,
  value = 0n,
): Promise<Hex> {
  const data = encodeFunctionData({ abi, functionName, args } as unknown as EncodeFunctionDataParameters);
  return send({ to: address, data, value });
}
