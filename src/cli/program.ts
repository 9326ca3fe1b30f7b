import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { tellingOnce } from "./assumed-node.ts";
import { type CommandEntry, commands } from "./commands.ts";
import { CliError, describeError, exitCodes, formatError } from "./errors.ts";
import { createIo, type Io, jsonLine } from "./io.ts";
import { pointingToHelp } from "./subcommand.ts";

const packageFile = new URL("../../package.json", import.meta.url);

/** The version in package.json. */
export function version(): string {
  return JSON.parse(readFileSync(packageFile, "utf8")).version;
}

/** The command that these arguments call, also when help about it is asked for. */
function calledCommand(args: readonly string[], entries: readonly CommandEntry[]): CommandEntry | undefined {
  const words = args.filter((argument) => !argument.startsWith("-"));
  const name = words[0] === "help" ? words[1] : words[0];
  return entries.find((entry) => entry.name === name);
}

/** The program with every command's summary, and the called command defined in full. */
async function createProgram(
  args: readonly string[],
  io: Io,
  entries: readonly CommandEntry[],
): Promise<Command> {
  const program = new Command("openledger")
    .description("Get paid when AI uses your knowledge.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help, or a command's")
    .option("--json", "print the result as one line of JSON")
    .addHelpText(
      "after",
      "\n'openledger <command> --help' tells more. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unfit machine.",
    )
    .exitOverride();
  pointingToHelp(program);
  const called = calledCommand(args, entries);
  for (const entry of entries) {
    const command = program.command(entry.name).summary(entry.summary).description(`${entry.summary}.`);
    pointingToHelp(command)
      .helpGroup(`${entry.group}:`)
      .option("--json", "print the result as one line of JSON");
    if (entry === called) (await entry.load()).define(command, io);
  }
  return program;
}

function report(thrown: unknown, io: Io): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const description = describeError(thrown);
  process.stderr.write(io.json ? jsonLine({ error: description }) : formatError(description));
  if (process.env.OPENLEDGER_DEBUG === "1" && thrown instanceof Error)
    process.stderr.write(`${thrown.stack}\n`);
  return thrown instanceof CliError ? thrown.exitCode : exitCodes.failed;
}

/**
 * Runs the command line.
 *
 * @param args - the words after `openledger`
 * @param entries - the commands there are
 * @returns the exit code, one of {@link exitCodes}
 */
export async function main(
  args: readonly string[],
  entries: readonly CommandEntry[] = commands,
): Promise<number> {
  const ownArgs = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  const io = createIo(ownArgs.includes("--json"));
  try {
    const program = await createProgram(ownArgs, io, entries);
    if (args.length === 0) program.outputHelp();
    else await tellingOnce(io, () => program.parseAsync([...args], { from: "user" }));
    return exitCodes.ok;
  } catch (thrown) {
    return report(thrown, io);
  }
}
