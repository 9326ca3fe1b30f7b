import { type Command, Option } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { defineVesting } from "./token-vesting.ts";
import { asOption, recipientArgument, withAccount } from "./wallet-account.ts";

type SupplyJson = {
  readonly blockNumber: number;
  readonly stateRoot: string;
  readonly accounts: number;
  readonly balancesWei: string;
  readonly destroyedWei: string;
  readonly totalWei: string;
  readonly conserved: boolean;
};

/** The two tokens that stand for OPEN, one wei for one wei. */
const wrapped = { wopen: "WOPEN", gopen: "GOPEN" } as const;
type Wrapped = keyof typeof wrapped;

/** `openledger token supply|wrap|unwrap|transfer|vesting`. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    "\nOPEN pays for gas. WOPEN is the same as an ERC-20 token, for contracts that take only those; GOPEN is the same with a\nvote ('./openledger gov lock' wraps and delegates). Both turn back into OPEN one to one, at any time.",
  );
  subcommand(command, "supply", "Prove from the chain's state that all OPEN is there").action(() =>
    supply(io),
  );
  withAccount(subcommand(command, "wrap", "Turn OPEN into an ERC-20 token, one to one"))
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .addOption(
      new Option("--to <token>", "WOPEN to pay with, GOPEN to vote with")
        .choices(Object.keys(wrapped))
        .default("wopen"),
    )
    .action((wei: bigint, { as, to }: { as: string; to: Wrapped }) => wrap(io, wei, as, to));
  withAccount(subcommand(command, "unwrap", "Turn the token back into OPEN, one to one"))
    .argument("<amount>", "how much of it", parsePositiveOpen)
    .addOption(
      new Option("--from <token>", "which of the two").choices(Object.keys(wrapped)).default("wopen"),
    )
    .action((wei: bigint, { as, from }: { as: string; from: Wrapped }) => unwrap(io, wei, as, from));
  withAccount(subcommand(command, "transfer", "Send WOPEN"))
    .argument("<address>", "who receives it", recipientArgument)
    .argument("<amount>", "how much WOPEN", parsePositiveOpen)
    .action((to: Address, wei: bigint, { as }: { as: string }) => transfer(io, to, wei, as));
  defineVesting(command, io);
}

/** Exits with 1 unless every wei that was minted is accounted for. */
async function supply(io: Io): Promise<void> {
  const proof = await connect().get<SupplyJson>("/v1/supply");
  const open = (wei: string) => `${formatOpen(BigInt(wei))} OPEN`;
  io.result(
    proof,
    pairs([
      ["block", proof.blockNumber],
      ["state root", proof.stateRoot],
      ["accounts", proof.accounts],
      ["in accounts", open(proof.balancesWei)],
      ["destroyed", open(proof.destroyedWei)],
      ["together", open(proof.totalWei)],
      ["conserved", proof.conserved ? "yes, to the wei" : "NO"],
    ]),
  );
  if (!proof.conserved) throw new CliError("Balances and what was destroyed do not sum to what was minted.");
}

/** Wrapping and unwrapping is the same in both. */
const tokenOf = ({ contracts }: Purse, token: "WOPEN" | "GOPEN") => ({
  ...contracts.WOPEN,
  address: contracts[token].address,
});

async function wrap(io: Io, wei: bigint, as: string, to: Wrapped): Promise<void> {
  const token = wrapped[to];
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...tokenOf(purse, token),
    functionName: "deposit",
    value: wei,
  });
  const account = toHex(purse.account.address);
  io.result(
    { account, token, amountWei: wei, transactionHash },
    `${formatOpen(wei)} OPEN are ${token} of ${account} now.${to === "gopen" ? `\n→ ./openledger gov delegate${asOption(as)}` : ""}`,
  );
}

async function unwrap(io: Io, wei: bigint, as: string, from: Wrapped): Promise<void> {
  const token = wrapped[from];
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...tokenOf(purse, token),
    functionName: "withdraw",
    args: [wei],
  });
  const account = toHex(purse.account.address);
  io.result(
    { account, token, amountWei: wei, transactionHash },
    `${formatOpen(wei)} ${token} are OPEN of ${account} again.`,
  );
}

async function transfer(io: Io, to: Address, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.WOPEN,
    functionName: "transfer",
    args: [to, wei],
  });
  io.result(
    { from: toHex(purse.account.address), to, token: "WOPEN", amountWei: wei, transactionHash },
    `Sent ${formatOpen(wei)} WOPEN to ${to} in ${transactionHash}.`,
  );
}
