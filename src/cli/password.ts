import type { Command } from "commander";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";

/** Adds `--password-file <file>`: a password on a command line would be seen by the machine's other users. */
export function withPassword(command: Command): Command {
  return command.option(
    "--password-file <file>",
    "file whose first line is the password; asked for on a terminal unless given",
  );
}

/**
 * A password from a file or, unseen, from the terminal.
 *
 * @param twice ask again, because a typing error would lose the key
 */
export async function readPassword(file: string | undefined, twice = false): Promise<string> {
  const password = file === undefined ? await ask(twice) : firstLine(file);
  if (password !== "") return password;
  throw new CliError("The password is empty.", { exitCode: exitCodes.usage, code: "no-password" });
}

function firstLine(file: string): string {
  return readText(file).split(/\r?\n/, 1)[0] as string;
}

async function ask(twice: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CliError("A password is needed, and there is no terminal to ask on.", {
      expected: "--password-file <file>",
      exitCode: exitCodes.usage,
      code: "no-password",
    });
  const first = await askOnce("Password: ");
  if (twice && (await askOnce("Once more: ")) !== first)
    throw new CliError("The two passwords differ.", { exitCode: exitCodes.usage });
  return first;
}

/** Reads a line of the terminal without showing it. */
async function askOnce(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  let line = "";
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const letter of String(chunk)) {
        if (letter === "\r" || letter === "\n") return line;
        if (letter === "\u0003") throw new CliError("Interrupted.");
        line = letter === "\u007f" ? [...line].slice(0, -1).join("") : line + letter;
      }
    }
    return line;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
