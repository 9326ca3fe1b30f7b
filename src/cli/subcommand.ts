import type { Command } from "commander";

/**
 * A command below a command, as in `openledger datanet list`.
 *
 * @param summary - one line, sentence case, no full stop
 */
export function subcommand(parent: Command, name: string, summary: string): Command {
  return pointingToHelp(parent.command(name))
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print the result as one line of JSON");
}

/** A usage error is followed by where the help is: the help itself would push it off the screen. */
export function pointingToHelp(command: Command): Command {
  const words = [];
  for (let at: Command | null = command; at !== null; at = at.parent) words.unshift(at.name());
  return command.showHelpAfterError(`→ ./${words.join(" ")} --help lists what there is`);
}
