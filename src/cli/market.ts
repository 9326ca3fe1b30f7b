import type { Command } from "commander";
import { sameHex, toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import {
  approve,
  assertOwner,
  findAsset,
  type Kind,
  kindArgument,
  kinds,
  registryOf,
} from "./market-asset.ts";
import { findListing, type ListingJson, readListings } from "./market-listing.ts";
import { days, expiry, listedIn, type SellOptions } from "./market-offer.ts";
import { defineOwning } from "./market-owner.ts";
import { defineShares } from "./market-shares.ts";
import { positiveInteger } from "./numbers.ts";
import { now, openChain, openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { asOption, withAccount } from "./wallet-account.ts";

/** `openledger market`: Datanets, models, agents and shares of them, at fixed prices in OPEN. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    `
What is listed stays with its seller, and earns for them until it is sold; whoever buys it earns from the next second on. What
contributors earned stays theirs. A creator's royalty (10 % at most) comes out of the price.`,
  );
  subcommand(command, "list", "List what is for sale")
    .option("--all", "what was sold, cancelled or lapsed as well")
    .action(({ all = false }: { all?: boolean }) => list(io, all));
  subcommand(command, "show", "Show a listing")
    .argument("<listing>", "its number", positiveInteger)
    .action(async (id: bigint) => {
      const listing = await findListing(await openChain(connect()), id);
      io.result(listing, show(listing));
    });
  withAccount(subcommand(command, "sell", "Offer what you own at a fixed price"), "account that owns it")
    .argument("<kind>", kinds, kindArgument)
    .argument("<id>", "its number, or a model's name")
    .argument("<price>", "OPEN that the buyer pays in all", parsePositiveOpen)
    .option("--days <days>", "how long the offer stands", days, 30)
    .action((kind: Kind, id: string, wei: bigint, options: SellOptions) => sell(io, kind, id, wei, options));
  withAccount(subcommand(command, "buy", "Buy what a listing offers"), "account that pays and gets it")
    .argument("<listing>", "its number", positiveInteger)
    .action((id: bigint, { as }: { as: string }) => buy(io, id, as));
  withAccount(subcommand(command, "cancel", "Take an offer back"), "the seller's account")
    .argument("<listing>", "its number", positiveInteger)
    .action((id: bigint, { as }: { as: string }) => cancel(io, id, as));
  withAccount(
    subcommand(command, "withdraw", "Pay out what your sales and royalties brought"),
    "account that sold",
  ).action(({ as }: { as: string }) => withdraw(io, as));
  defineOwning(command, io);
  defineShares(command, io);
}

async function list(io: Io, all: boolean): Promise<void> {
  const every = await readListings(await openChain(connect()));
  const listings = (all ? every : every.filter(({ state }) => state === "for sale")).reverse();
  io.result(
    { listings },
    listings.length === 0
      ? "Nothing is for sale.\n→ ./openledger market sell model <name> <price>"
      : table(listings, [
          ["Listing", ({ listingId }) => listingId, "number"],
          ["What", ({ what }) => what],
          ["OPEN", ({ priceWei }) => formatOpen(priceWei), "number"],
          ["Seller", ({ seller }) => seller],
          [
            "State",
            ({ state, expiresAtSec }) => (state === "for sale" ? `until ${showTime(expiresAtSec)}` : state),
          ],
        ]),
  );
}

function show(listing: ListingJson): string {
  const { listingId, what, asset, priceWei, seller, state, expiresAtSec, royaltyWei } = listing;
  return pairs([
    ["listing", listingId],
    ["what", what],
    ["contract", asset],
    ["price", `${formatOpen(priceWei)} OPEN`],
    ["of it royalty", `${formatOpen(royaltyWei)} OPEN`],
    ["seller", seller],
    ["state", state],
    ["until", showTime(expiresAtSec)],
    ...(state === "for sale" ? ([["buy it", `./openledger market buy ${listingId}`]] as const) : []),
  ]);
}

async function sell(io: Io, kind: Kind, id: string, wei: bigint, options: SellOptions): Promise<void> {
  const purse = await openPurse(connect(), options.as, io);
  const asset = await findAsset(purse, kind, id);
  await assertOwner(purse, asset);
  const { AssetMarket } = purse.contracts;
  await approve(purse, asset, AssetMarket.address);
  const { timestamp } = await purse.public.getBlock(now);
  const receipt = await transact(purse, {
    ...AssetMarket,
    functionName: "list",
    args: [registryOf(purse, kind).address, asset.tokenId, wei, expiry(timestamp, options)],
  });
  const listing = await listedIn(purse, receipt.blockHash);
  io.result(
    { ...listing, transactionHash: receipt.transactionHash },
    `Listing ${listing.listingId}: ${listing.what} for ${formatOpen(wei)} OPEN, until ${showTime(listing.expiresAtSec)}. It earns for you until it is sold.`,
  );
}

async function buy(io: Io, id: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const listing = await findListing(purse, id);
  if (listing.state !== "for sale")
    throw new CliError(`Listing ${id} cannot be bought.`, {
      expected: "for sale",
      actual: listing.state,
      fix: ["./openledger market list"],
      code: "not-for-sale",
    });
  if (sameHex(listing.seller, purse.account.address))
    throw new CliError(`Listing ${id} is your own.`, {
      fix: [`./openledger market cancel ${id}${asOption(as)}`],
      code: "own-listing",
    });
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.AssetMarket,
    functionName: "buy",
    args: [id],
    value: listing.priceWei,
  });
  io.result(
    { ...(await findListing(purse, id)), buyer: toHex(purse.account.address), transactionHash },
    `${listing.what} is yours for ${formatOpen(listing.priceWei)} OPEN, and earns for you from the next second on.`,
  );
}

async function cancel(io: Io, id: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.AssetMarket,
    functionName: "cancel",
    args: [id],
  });
  io.result({ ...(await findListing(purse, id)), transactionHash }, `Listing ${id} is taken back.`);
}

async function withdraw(io: Io, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const account = toHex(purse.account.address);
  const { AssetMarket } = purse.contracts;
  const amountWei = await purse.public.readContract({
    ...AssetMarket,
    functionName: "creditOf",
    args: [account],
    ...now,
  });
  if (amountWei === 0n)
    throw new CliError(`The market owes "${as}" nothing.`, {
      fix: ["./openledger market list --all"],
      code: "nothing-to-withdraw",
    });
  const { transactionHash } = await transact(purse, {
    ...AssetMarket,
    functionName: "withdraw",
    args: [account],
  });
  io.result(
    { account, amountWei, transactionHash },
    `${formatOpen(amountWei)} OPEN were paid to ${account}.`,
  );
}
