import type { ChainReader } from "../chain/index.ts";

/** As many blocks as the node searches at once. */
const blocksMax = 10_000n;

/**
 * Events of the whole chain, read in ranges that the node accepts.
 *
 * @param read viem's `getContractEvents`, for one range of blocks
 *
 * @example
 * await everyEvent(chain, (range) => chain.public.getContractEvents({ ...contract, eventName: "Claimed", ...range }));
 */
export async function everyEvent<Event>(
  { public: chain }: ChainReader,
  read: (range: { readonly fromBlock: bigint; readonly toBlock: bigint }) => Promise<readonly Event[]>,
): Promise<Event[]> {
  const last = await chain.getBlockNumber({ cacheTime: 0 });
  const events: Event[] = [];
  for (let fromBlock = 0n; fromBlock <= last; fromBlock += blocksMax) {
    const end = fromBlock + blocksMax - 1n;
    events.push(...(await read({ fromBlock, toBlock: end < last ? end : last })));
  }
  return events;
}
