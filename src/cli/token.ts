import type { Command } from "commander";
import { formatOpen } from "./amount.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";

type SupplyJson = {
  readonly blockNumber: number;
  readonly stateRoot: string;
  readonly accounts: number;
  readonly balancesWei: string;
  readonly destroyedWei: string;
  readonly totalWei: string;
  readonly conserved: boolean;
};

/** `openledger token supply`: exits with 1 unless every wei that was minted is accounted for. */
export function define(command: Command, io: Io): void {
  subcommand(command, "supply", "Prove from the chain's state that all OPEN is there").action(async () => {
    const supply = await connect().get<SupplyJson>("/v1/supply");
    const open = (wei: string) => `${formatOpen(BigInt(wei))} OPEN`;
    io.result(
      supply,
      pairs([
        ["block", supply.blockNumber],
        ["state root", supply.stateRoot],
        ["accounts", supply.accounts],
        ["in accounts", open(supply.balancesWei)],
        ["destroyed", open(supply.destroyedWei)],
        ["together", open(supply.totalWei)],
        ["conserved", supply.conserved ? "yes, to the wei" : "NO"],
      ]),
    );
    if (!supply.conserved)
      throw new CliError("Balances and what was destroyed do not sum to what was minted.");
  });
}
