import type { Command } from "commander";
import { defineActing } from "./gov-act.ts";
import { defineParameters } from "./gov-parameters.ts";
import { definePropose } from "./gov-propose.ts";
import { defineVotes } from "./gov-votes.ts";
import type { Io } from "./io.ts";

/** `openledger gov`: votes, parameters, proposals. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    `
Who holds OPEN decides: it takes proposalThresholdWei to propose, and a quorum to pass ('gov show' says which). The way of a
decision, on a local network in seconds:
  ./openledger gov lock 16000000                   OPEN becomes GOPEN, one to one, and back at any time
  ./openledger gov delegate                        it votes by you from the next second on
  ./openledger gov propose fee-split operator=10% data=55%
  ./openledger gov vote 1 for --reason "…" --wait  when the voting delay is over
  ./openledger gov queue 1 --wait                  when the vote is over, if it passed
  ./openledger gov execute 1 --wait                when the timelock is over; anyone may`,
  );
  defineVotes(command, io);
  defineParameters(command, io);
  definePropose(command, io);
  defineActing(command, io);
}
