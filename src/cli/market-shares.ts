/** `openledger market fraction|shares`: one token's income, divided among many. */
import type { Command } from "commander";
import { type Address, toFunctionSelector } from "viem";
import { revenueSharesAbi } from "../chain/index.ts";
import { toHex, zeroAddress } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { unclaimedLines, unclaimedWei } from "./balance.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { everyEvent } from "./logs.ts";
import {
  approve,
  assertOwner,
  findAsset,
  type Kind,
  kindArgument,
  kindOf,
  kinds,
  registryOf,
} from "./market-asset.ts";
import { days, expiry, listedIn, type SellOptions } from "./market-offer.ts";
import { positiveInteger } from "./numbers.ts";
import { type ChainView, now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { addressArgument, asOption, recipientArgument, withAccount } from "./wallet-account.ts";

/** What a manager may do with the token unless that is said otherwise: what keeps it in use, and moves nothing. */
const managedFunctions = {
  datanet: ["publishVersion", "setMetadata", "setCurator"],
  model: ["publishRelease", "setDeprecated"],
  agent: ["accept", "deliver", "publishTerms", "setAgentURI", "setService"],
} as const satisfies Record<Kind, readonly string[]>;

type FractionOptions = { as: string; name?: string; symbol: string };

export function defineShares(command: Command, io: Io): void {
  withAccount(
    subcommand(
      command,
      "fraction",
      "Divide the income of what you own into shares, which are yours at first",
    ),
    "account that owns it",
  )
    .argument("<kind>", kinds, kindArgument)
    .argument("<id>", "its number, or a model's name")
    .argument("<shares>", "how many", positiveInteger)
    .option("--name <text>", "name of the shares")
    .option("--symbol <text>", "their short name", "SHARE")
    .action((kind: Kind, id: string, count: bigint, options: FractionOptions) =>
      fraction(io, kind, id, count, options),
    );
  withAccount(
    subcommand(command, "shares", "Show who holds shares of a token's income, and what is owed"),
    "account that would claim",
  )
    .argument("<shares>", "the shares' address", addressArgument)
    .action((token: Address, { as }: { as: string }) => show(io, token, as));
  withAccount(subcommand(command, "claim", "Pay out what your shares have earned"), "account that holds them")
    .argument("<shares>", "the shares' address", addressArgument)
    .action((token: Address, { as }: { as: string }) => claim(io, token, as));
  withAccount(subcommand(command, "send-shares", "Give shares away"), "account that holds them")
    .argument("<shares>", "the shares' address", addressArgument)
    .argument("<address>", "who receives them", recipientArgument)
    .argument("<count>", "how many", positiveInteger)
    .action((token: Address, to: Address, count: bigint, { as }: { as: string }) =>
      sendShares(io, token, to, count, as),
    );
  withAccount(
    subcommand(command, "sell-shares", "Offer a lot of shares at a price"),
    "account that holds them",
  )
    .argument("<shares>", "the shares' address", addressArgument)
    .argument("<count>", "how many", positiveInteger)
    .argument("<price>", "OPEN for all of them", parsePositiveOpen)
    .option("--days <days>", "how long the offer stands", days, 30)
    .action((token: Address, count: bigint, wei: bigint, options: SellOptions) =>
      sellShares(io, token, count, wei, options),
    );
  withAccount(
    subcommand(command, "redeem", "Give back every share, and get the token out; only with all of them"),
    "account that holds them all",
  )
    .argument("<shares>", "the shares' address", addressArgument)
    .action((token: Address, { as }: { as: string }) => redeem(io, token, as));
}

const contractOf = (address: Address) => ({ address, abi: revenueSharesAbi });

async function fraction(io: Io, kind: Kind, id: string, supply: bigint, options: FractionOptions) {
  const purse = await openPurse(connect(), options.as, io);
  const asset = await findAsset(purse, kind, id);
  await assertOwner(purse, asset);
  const { RevenueSharesFactory } = purse.contracts;
  await approve(purse, asset, RevenueSharesFactory.address);
  const receipt = await transact(purse, {
    ...RevenueSharesFactory,
    functionName: "create",
    args: [
      {
        asset: registryOf(purse, kind).address,
        tokenId: asset.tokenId,
        supply,
        name: options.name ?? `Shares of ${kind} ${asset.tokenId}`,
        symbol: options.symbol,
        managed: selectorsOf(purse, kind),
      },
    ],
  });
  const [created] = await purse.public.getContractEvents({
    ...RevenueSharesFactory,
    eventName: "SharesCreated",
    args: { tokenId: asset.tokenId },
    blockHash: receipt.blockHash,
    strict: true,
  });
  if (created === undefined) throw new CliError(`Transaction ${receipt.transactionHash} made no shares.`);
  const token = toHex(created.args.shares);
  io.result(
    {
      ...asset,
      shares: token,
      supply,
      managed: managedFunctions[kind],
      transactionHash: receipt.transactionHash,
    },
    `${supply} shares of ${kind} ${asset.tokenId} are yours, at ${token}. It earns for whoever holds them.\n→ ./openledger market shares ${token}${asOption(options.as)}`,
  );
}

function selectorsOf({ contracts }: Purse, kind: Kind) {
  const abi = {
    datanet: contracts.DatanetRegistry.abi,
    model: contracts.ModelRegistry.abi,
    agent: contracts.AgentRegistry.abi,
  }[kind];
  const names: readonly string[] = managedFunctions[kind];
  return abi.flatMap((item) =>
    item.type === "function" && names.includes(item.name) ? [toFunctionSelector(item)] : [],
  );
}

async function assertShares(chain: ChainView, token: Address): Promise<void> {
  const known = await chain.public.readContract({
    ...chain.contracts.RevenueSharesFactory,
    functionName: "isShares",
    args: [token],
    ...now,
  });
  if (!known)
    throw new CliError(`There are no shares at ${token}.`, {
      fix: ["./openledger market fraction <kind> <id> <shares> tells the address of what it makes."],
      code: "unknown-shares",
    });
}

async function readShares(chain: ChainView, token: Address) {
  await assertShares(chain, token);
  const contract = contractOf(token);
  const [asset, tokenId, supply, receivedWei, claimedWei, manager, redeemer, moves] = await Promise.all([
    chain.public.readContract({ ...contract, functionName: "asset" }),
    chain.public.readContract({ ...contract, functionName: "tokenId" }),
    chain.public.readContract({ ...contract, functionName: "totalSupply", ...now }),
    chain.public.readContract({ ...contract, functionName: "received", ...now }),
    chain.public.readContract({ ...contract, functionName: "claimed", ...now }),
    chain.public.readContract({ ...contract, functionName: "manager", ...now }),
    chain.public.readContract({ ...contract, functionName: "redeemer", ...now }),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...contract, eventName: "Transfer", strict: true, ...range }),
    ),
  ]);
  const accounts = new Set(
    moves.map(({ args }) => toHex(args.to)).filter((account) => account !== zeroAddress),
  );
  const holders = await Promise.all(
    [...accounts].map(async (account) => {
      const args = [account] as const;
      const [shares, claimableWei] = await Promise.all([
        chain.public.readContract({ ...contract, functionName: "balanceOf", args, ...now }),
        chain.public.readContract({ ...contract, functionName: "claimable", args, ...now }),
      ]);
      return { account, shares, claimableWei };
    }),
  );
  return {
    address: token,
    kind: kindOf(chain, asset) ?? null,
    tokenId,
    supply,
    receivedWei,
    claimedWei,
    manager: toHex(manager),
    redeemer: redeemer === zeroAddress ? null : toHex(redeemer),
    holders: holders.filter(({ shares, claimableWei }) => shares > 0n || claimableWei > 0n),
  };
}

async function show(io: Io, token: Address, as: string): Promise<void> {
  const node = connect();
  const shares = await readShares(await openChain(node), token);
  const waitingWei = await unclaimedWei(node, token);
  io.result(
    { ...shares, unclaimedWei: waitingWei },
    [
      pairs([
        ["shares of", `${shares.kind ?? "token"} ${shares.tokenId}`],
        ["in all", shares.redeemer === null ? shares.supply : `none: redeemed by ${shares.redeemer}`],
        ["income", `${formatOpen(shares.receivedWei)} OPEN so far, ${formatOpen(shares.claimedWei)} claimed`],
        ["manager", shares.manager],
      ]),
      "",
      table(shares.holders, [
        ["Holder", ({ account }) => account],
        ["Shares", ({ shares: count }) => count, "number"],
        ["To claim, OPEN", ({ claimableWei }) => formatOpen(claimableWei), "number"],
      ]),
      "",
      ...(waitingWei === 0n ? [] : [unclaimedLines(token, waitingWei).join("\n→ ")]),
      `→ ./openledger market claim ${token}${asOption(as)}`,
    ].join("\n"),
  );
}

async function claim(io: Io, token: Address, as: string): Promise<void> {
  const node = connect();
  const purse = await openPurse(node, as, io);
  await assertShares(purse, token);
  const account = toHex(purse.account.address);
  const amountWei = await purse.public.readContract({
    ...contractOf(token),
    functionName: "claimable",
    args: [account],
    ...now,
  });
  if (amountWei === 0n)
    throw new CliError(`Shares of "${as}" have earned nothing that is not claimed.`, {
      fix: [
        ...unclaimedLines(token, await unclaimedWei(node, token)),
        `./openledger market shares ${token}${asOption(as)}`,
      ],
      code: "nothing-to-claim",
    });
  const { transactionHash } = await transact(purse, {
    ...contractOf(token),
    functionName: "claim",
    args: [account],
  });
  io.result(
    { account, shares: token, amountWei, transactionHash },
    `${formatOpen(amountWei)} OPEN were paid to ${account}.`,
  );
}

/** @throws CliError unless the account has this many shares */
async function assertHolds(purse: Purse, token: Address, count: bigint): Promise<void> {
  const held = await purse.public.readContract({
    ...contractOf(token),
    functionName: "balanceOf",
    args: [purse.account.address],
    ...now,
  });
  if (held < count)
    throw new CliError(`Your account "${purse.name}" holds fewer shares.`, {
      expected: `at most ${held}`,
      actual: `${count}`,
      code: "too-few-shares",
    });
}

async function sendShares(io: Io, token: Address, to: Address, count: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  await assertShares(purse, token);
  await assertHolds(purse, token, count);
  const { transactionHash } = await transact(purse, {
    ...contractOf(token),
    functionName: "transfer",
    args: [to, count],
  });
  io.result(
    { from: toHex(purse.account.address), to, shares: token, count, transactionHash },
    `${count} shares are ${to}'s now, and earn for them. What they earned before stays yours.`,
  );
}

async function sellShares(io: Io, token: Address, count: bigint, wei: bigint, options: SellOptions) {
  const purse = await openPurse(connect(), options.as, io);
  await assertShares(purse, token);
  const { AssetMarket } = purse.contracts;
  await assertHolds(purse, token, count);
  const allowed = await purse.public.readContract({
    ...contractOf(token),
    functionName: "allowance",
    args: [purse.account.address, AssetMarket.address],
    ...now,
  });
  await transact(purse, {
    ...contractOf(token),
    functionName: "approve",
    args: [AssetMarket.address, allowed + count],
  });
  const { timestamp } = await purse.public.getBlock(now);
  const receipt = await transact(purse, {
    ...AssetMarket,
    functionName: "listShares",
    args: [token, count, wei, expiry(timestamp, options)],
  });
  const listing = await listedIn(purse, receipt.blockHash);
  io.result(
    { ...listing, transactionHash: receipt.transactionHash },
    `Listing ${listing.listingId}: ${listing.what} for ${formatOpen(wei)} OPEN, until ${showTime(listing.expiresAtSec)}.`,
  );
}

async function redeem(io: Io, token: Address, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { kind, tokenId } = await readShares(purse, token);
  const { transactionHash } = await transact(purse, { ...contractOf(token), functionName: "redeem" });
  const owner = toHex(purse.account.address);
  io.result(
    { kind, tokenId, owner, transactionHash },
    `${kind ?? "The token"} ${tokenId} belongs to ${owner} again.`,
  );
}
