/**
 * The command line, on the top floor: one command per file, listed in `commands.ts`, loaded only when it is called.
 *
 * To add a command: write `src/cli/<name>.ts` that exports `define(command, io)`, adding arguments, options and an action
 * to the given commander `Command`; then add one line to the table in `commands.ts`.
 *
 * Conventions every command keeps:
 * - The result goes to standard output, everything else (progress, notes, errors) to standard error.
 * - `--json` prints the result as one line of JSON; amounts are decimal strings of wei. An error is then one line of JSON on standard error.
 * - Colour only on a terminal, never with `NO_COLOR`.
 * - A failure throws; a {@link CliError} says what happened, what was expected, what was found, and what to do.
 * - Exit codes are those of {@link exitCodes}. `OPENLEDGER_DEBUG=1` adds the stack.
 */
export { type CommandEntry, type CommandModule, commands } from "./commands.ts";
export { CliError, describeError, exitCodes } from "./errors.ts";
export { createIo, type Io } from "./io.ts";
export { main } from "./program.ts";
