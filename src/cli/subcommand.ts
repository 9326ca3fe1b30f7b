import type { Command } from "commander";

/**
 * A command below a command, as in `openledger datanet list`.
 *
 * @param summary - one line, sentence case, no full stop
 */
export function subcommand(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print the result as one line of JSON")
    .showHelpAfterError();
}
