/** Listings of the market as the chain has them. */
import type { Address } from "viem";
import { sameHex, toHex, zeroAddress } from "../protocol/index.ts";
import { CliError } from "./errors.ts";
import { everyEvent } from "./logs.ts";
import { kindOf, registryOf } from "./market-asset.ts";
import { type ChainView, now } from "./purse.ts";

export type ListingState = "for sale" | "sold" | "cancelled" | "expired" | "void: it changed hands";

async function endings(chain: ChainView) {
  const { AssetMarket } = chain.contracts;
  const [sold, cancelled] = await Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...AssetMarket, eventName: "Sold", strict: true, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...AssetMarket, eventName: "Cancelled", strict: true, ...range }),
    ),
  ]);
  return {
    sold: new Map(sold.map(({ args }) => [args.listingId, args])),
    cancelled: new Set(cancelled.map(({ args }) => args.listingId)),
  };
}

const listedEvents = (chain: ChainView, listingId?: bigint) =>
  everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.AssetMarket,
      eventName: "Listed",
      ...(listingId === undefined ? {} : { args: { listingId } }),
      strict: true,
      ...range,
    }),
  );

type Listed = Awaited<ReturnType<typeof listedEvents>>[number]["args"];

async function describe(chain: ChainView, { isLot, asset, what }: Listed): Promise<string> {
  if (isLot) {
    const symbol = await chain.public.readContract({
      abi: chain.contracts.GOPEN.abi,
      address: asset,
      functionName: "symbol",
    });
    return `${what} shares of ${symbol}`;
  }
  const kind = kindOf(chain, asset);
  if (kind !== "model") return `${kind ?? asset} ${what}`;
  const name = await chain.public.readContract({
    ...chain.contracts.ModelRegistry,
    functionName: "nameOf",
    args: [what],
  });
  return `model ${what}, ${name}`;
}

async function readListing(chain: ChainView, listed: Listed, ended: Awaited<ReturnType<typeof endings>>) {
  const { listingId } = listed;
  const sale = ended.sold.get(listingId);
  const [what, open] = await Promise.all([describe(chain, listed), openState(chain, listed)]);
  const state: ListingState =
    sale !== undefined ? "sold" : ended.cancelled.has(listingId) ? "cancelled" : open.state;
  return {
    listingId: Number(listingId),
    what,
    asset: toHex(listed.asset),
    isLot: listed.isLot,
    tokenIdOrShares: listed.what,
    priceWei: listed.price,
    royaltyWei: sale?.royalty ?? open.royaltyWei,
    seller: toHex(listed.seller),
    buyer: sale === undefined ? null : toHex(sale.buyer),
    state,
    expiresAtSec: Number(listed.expiresAt),
  };
}

export type ListingJson = Awaited<ReturnType<typeof readListing>>;

/** How a listing that nobody ended stands. */
async function openState(
  chain: ChainView,
  { listingId, isLot, asset, what, seller, price, expiresAt }: Listed,
): Promise<{ readonly state: ListingState; readonly royaltyWei: bigint }> {
  const { timestamp } = await chain.public.getBlock(now);
  const expired = expiresAt <= timestamp ? ("expired" as const) : undefined;
  if (isLot) return { state: expired ?? "for sale", royaltyWei: 0n };
  const kind = kindOf(chain, asset);
  if (kind === undefined) return { state: expired ?? "for sale", royaltyWei: 0n };
  const registry = registryOf(chain, kind);
  const [owner, newest, [receiver, royaltyWei]] = await Promise.all([
    chain.public.readContract({ ...registry, functionName: "ownerOf", args: [what], ...now }),
    chain.public.readContract({
      ...chain.contracts.AssetMarket,
      functionName: "listingOf",
      args: [asset, what],
      ...now,
    }),
    chain.public.readContract({ ...registry, functionName: "royaltyInfo", args: [what, price], ...now }),
  ]);
  const isVoid =
    !sameHex(owner, seller) || newest !== listingId || (await movedSince(chain, listingId, asset, what));
  return {
    state: isVoid ? "void: it changed hands" : (expired ?? "for sale"),
    royaltyWei: receiver === zeroAddress ? 0n : royaltyWei,
  };
}

/** Whether the token moved after it was listed, even if it came back. */
async function movedSince(chain: ChainView, listingId: bigint, asset: Address, tokenId: bigint) {
  const kind = kindOf(chain, asset);
  if (kind === undefined) return false;
  try {
    const [{ ownedSince }, since] = await Promise.all([
      chain.public.readContract({
        ...chain.contracts.AssetMarket,
        functionName: "listing",
        args: [listingId],
        ...now,
      }),
      chain.public.readContract({
        ...registryOf(chain, kind),
        functionName: "ownedSince",
        args: [tokenId],
        ...now,
      }),
    ]);
    return BigInt(ownedSince) !== since;
  } catch {
    return true;
  }
}

/** Every listing ever made, the oldest first. */
export async function readListings(chain: ChainView): Promise<ListingJson[]> {
  const [listed, ended] = await Promise.all([listedEvents(chain), endings(chain)]);
  return Promise.all(listed.map(({ args }) => readListing(chain, args, ended)));
}

/** @throws CliError when there is none */
export async function findListing(chain: ChainView, listingId: bigint): Promise<ListingJson> {
  const [[listed], ended] = await Promise.all([listedEvents(chain, listingId), endings(chain)]);
  if (listed !== undefined) return readListing(chain, listed.args, ended);
  throw new CliError(`There is no listing ${listingId}.`, {
    fix: ["./openledger market list"],
    code: "unknown-listing",
  });
}
