import type { Command } from "commander";
import type { Address } from "viem";
import { formatOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { networkOf } from "./purse.ts";
import { addressArgument, knownAddress, withAccount } from "./wallet-account.ts";

type ClaimJson = {
  readonly payee: string;
  readonly claimedWei: string;
  readonly transactionHash: string | null;
};

/** `openledger claim`: what final batches owe an address is paid to it; the node pays the gas. */
export function define(command: Command, io: Io): void {
  withAccount(command, "account of your wallet, unless an address is given")
    .argument("[address]", "whose earnings to pay out: the money goes there, whoever asks", addressArgument)
    .action(async (given: Address | undefined, { as }: { as: string }) => {
      const node = connect();
      await networkOf(node);
      const payee = given ?? knownAddress(node.settings, as, io);
      const claim = await node.post<ClaimJson>("/v1/claims", { payee });
      io.result(
        claim,
        claim.transactionHash === null
          ? `There is nothing to claim for ${payee} now.\n→ ./openledger balance ${payee}`
          : `${formatOpen(BigInt(claim.claimedWei))} OPEN were paid to ${payee} in ${claim.transactionHash}.`,
      );
    });
}
