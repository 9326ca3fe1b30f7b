/** `openledger wallet export|import`: a key leaves or enters the wallet, encrypted unless that is said otherwise. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { privateKeyToAccount } from "viem/accounts";
import { toHex } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { decryptKey, encryptKey, parsePrivateKey } from "./keystore-v3.ts";
import { readPassword, withPassword } from "./password.ts";
import { settingsFromEnvironment } from "./settings.ts";
import { subcommand } from "./subcommand.ts";
import { importAccount, walletKey, withAccount } from "./wallet-account.ts";

type ExportOptions = { as: string; showPrivateKey?: boolean; passwordFile?: string };
type ImportOptions = { as: string; raw?: boolean; passwordFile?: string };

/** A keystore file is half a kilobyte. */
const fileBytesMax = 65_536;

export function defineKeyCommands(command: Command, io: Io): void {
  withPassword(
    withAccount(
      subcommand(command, "export", "Write an account's key to a keystore file (V3) that wallets import"),
      "account whose key is exported",
    ),
  )
    .argument("[file]", "where to; a file that exists is left alone")
    .option("--show-private-key", "print the bare private key instead: whoever sees it has the account")
    .action((file: string | undefined, options: ExportOptions) => exportKey(io, file, options));
  withPassword(
    withAccount(
      subcommand(command, "import", "Add an account from a keystore file (V3) or a bare private key"),
      "name the account gets",
    ),
  )
    .argument("<file>", "keystore file; - is standard input")
    .option("--raw", "the file holds a bare private key of 64 hex digits")
    .action((file: string, options: ImportOptions) => importKey(io, file, options));
}

async function exportKey(io: Io, file: string | undefined, options: ExportOptions): Promise<void> {
  const { as, showPrivateKey = false, passwordFile } = options;
  if (showPrivateKey === (file !== undefined))
    throw new CliError("Where should the key go?", {
      expected: "a file for the encrypted key, or --show-private-key to print the bare one",
      actual: showPrivateKey ? "both" : "neither",
      exitCode: exitCodes.usage,
    });
  const key = walletKey(settingsFromEnvironment(), as);
  const address = toHex(privateKeyToAccount(key).address);
  if (file === undefined) {
    io.result({ name: as, address, privateKey: key }, key);
    return;
  }
  const keystore = await encryptKey(key, await readPassword(passwordFile, true));
  try {
    writeFileSync(file, `${JSON.stringify(keystore)}\n`, { flag: "wx", mode: 0o600, flush: true });
  } catch (cause) {
    throw new CliError(`The key could not be written: ${(cause as Error).message}`, {
      fix: ["Name a new file in a folder that is there."],
      exitCode: exitCodes.usage,
      cause,
    });
  }
  io.result({ name: as, address, file }, `The key of "${as}" (${address}) lies encrypted in ${file}.`);
}

async function importKey(io: Io, file: string, { as, raw = false, passwordFile }: ImportOptions) {
  const text = readKeyFile(file);
  const key = raw ? parsePrivateKey(text) : await decryptKey(text, await readPassword(passwordFile));
  const address = importAccount(settingsFromEnvironment(), as, key);
  io.result({ name: as, address }, `Account "${as}" is ${address}.\n→ ./openledger balance --as ${as}`);
}

function readKeyFile(file: string): string {
  try {
    if (file !== "-" && statSync(file).size > fileBytesMax)
      throw new Error(`${file} is larger than any keystore file`);
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new CliError(`The key cannot be read: ${(cause as Error).message}`, {
      exitCode: exitCodes.usage,
      cause,
    });
  }
}
