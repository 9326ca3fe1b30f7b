/** What every offer has: how long it stands, and the listing it becomes. */
import { InvalidArgumentError } from "commander";
import type { Hex } from "viem";
import { CliError } from "./errors.ts";
import { findListing, type ListingJson } from "./market-listing.ts";
import type { Purse } from "./purse.ts";

export type SellOptions = { readonly as: string; readonly days: number };

/** Days an offer stands, at most ten years. */
export function days(text: string): number {
  const value = /^\d{1,4}(\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  if (value > 0 && value <= 3_650) return value;
  throw new InvalidArgumentError("This must be a number of days, at most 3650.");
}

export const expiry = (from: bigint, { days: count }: SellOptions) =>
  Number(from) + Math.max(1, Math.round(count * 86_400));

/** The listing that the purse's account made in a block. */
export async function listedIn(purse: Purse, blockHash: Hex): Promise<ListingJson> {
  const listed = await purse.public.getContractEvents({
    ...purse.contracts.AssetMarket,
    eventName: "Listed",
    args: { seller: purse.account.address },
    blockHash,
    strict: true,
  });
  const last = listed.at(-1);
  if (last === undefined) throw new CliError(`Block ${blockHash} has no listing of yours.`);
  return findListing(purse, last.args.listingId);
}
