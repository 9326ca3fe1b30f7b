/** `openledger market owner|transfer`: who owns what, since when, and giving it away. */
import type { Command } from "commander";
import type { Address } from "viem";
import { toHex, zeroAddress } from "../protocol/index.ts";
import { showDate, showTime } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { everyEvent } from "./logs.ts";
import {
  type AssetId,
  assertOwner,
  findAsset,
  type Kind,
  kindArgument,
  kinds,
  readOwner,
  registryOf,
} from "./market-asset.ts";
import { type ChainView, openChain, openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { recipientArgument, withAccount } from "./wallet-account.ts";

export function defineOwning(command: Command, io: Io): void {
  subcommand(command, "owner", "Show who owns something, since when, and who did before")
    .argument("<kind>", kinds, kindArgument)
    .argument("<id>", "its number, or a model's name")
    .addHelpText(
      "after",
      "\nIncome follows the token: an answer pays whoever owned it when the answer was given.",
    )
    .action((kind: Kind, id: string) => owner(io, kind, id));
  withAccount(subcommand(command, "transfer", "Give away what you own"), "account that owns it")
    .argument("<kind>", kinds, kindArgument)
    .argument("<id>", "its number, or a model's name")
    .argument("<address>", "who receives it", recipientArgument)
    .action((kind: Kind, id: string, to: Address, { as }: { as: string }) => transfer(io, kind, id, to, as));
}

/** Every owner, the first first. */
async function readOwners(chain: ChainView, { kind, tokenId }: AssetId) {
  const moves = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...registryOf(chain, kind),
      eventName: "Transfer",
      args: { tokenId },
      strict: true,
      ...range,
    }),
  );
  return Promise.all(
    moves.map(async ({ args, blockNumber }) => {
      const { timestamp } = await chain.public.getBlock({ blockNumber });
      // A mint counts at once, a transfer from the next second on.
      const fromSec = Number(timestamp) + (args.from === zeroAddress ? 0 : 1);
      return { owner: toHex(args.to), fromSec };
    }),
  );
}

async function owner(io: Io, kind: Kind, id: string): Promise<void> {
  const chain = await openChain(connect());
  const asset = await findAsset(chain, kind, id);
  const [current, owners] = await Promise.all([readOwner(chain, asset), readOwners(chain, asset)]);
  const { royaltyReceiver, royaltyBps } = current;
  io.result(
    { ...current, owners },
    [
      pairs([
        [kind, asset.tokenId],
        ["owner", current.owner],
        ["earns since", showTime(current.sinceSec)],
        [
          "royalty",
          royaltyReceiver === null ? "none" : `${royaltyBps / 100} % of a sale to ${royaltyReceiver}`,
        ],
      ]),
      "",
      table(owners, [
        ["Owner", ({ owner: account }) => account],
        ["Earned from", ({ fromSec }) => showDate(fromSec)],
      ]),
    ].join("\n"),
  );
}

async function transfer(io: Io, kind: Kind, id: string, to: Address, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const asset = await findAsset(purse, kind, id);
  await assertOwner(purse, asset);
  const { transactionHash } = await transact(purse, {
    ...registryOf(purse, kind),
    functionName: "transferFrom",
    args: [purse.account.address, to, asset.tokenId],
  });
  const { sinceSec } = await readOwner(purse, asset);
  io.result(
    { ...asset, from: toHex(purse.account.address), to, sinceSec, transactionHash },
    `${kind} ${asset.tokenId} belongs to ${to}, and earns for them from ${showDate(sinceSec)} on.`,
  );
}
