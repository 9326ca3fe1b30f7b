/** `openledger wallet export|import`: a key leaves or enters the wallet, encrypted unless that is said otherwise. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { exportPrivateKey } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead, cannotWrite } from "./files.ts";
import type { Io } from "./io.ts";
import { decryptKey, encryptKey, parsePrivateKey } from "./keystore-v3.ts";
import { readPassword, withPassword } from "./password.ts";
import { type Settings, settingsFromEnvironment } from "./settings.ts";
import { subcommand } from "./subcommand.ts";
import { importAccount, walletKey, withAccount } from "./wallet-account.ts";

type ExportOptions = { as: string; showPrivateKey?: boolean; passwordFile?: string };
type ImportOptions = { as: string; raw?: boolean; node?: string; passwordFile?: string };

/** Accounts of a node that a person may act by: those who own something. */
const nodeAccountNames = ["curator", "developer", "operator", "investors", "team"] as const;

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
    .argument("[file]", "keystore file; - is standard input")
    .option("--raw", "the file holds a bare private key of 64 hex digits")
    .option("--node <account>", `an account of the node of this home: ${nodeAccountNames.join(", ")}`)
    .addHelpText(
      "after",
      "\nThe node's curator owns the Datanets and its developer the models that it made; investors and team are who the vestings of\nthese names pay.",
    )
    .action((file: string | undefined, options: ImportOptions) => importKey(io, file, options));
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
    throw cannotWrite(file, cause);
  }
  io.result({ name: as, address, file }, `The key of "${as}" (${address}) lies encrypted in ${file}.`);
}

async function importKey(io: Io, file: string | undefined, options: ImportOptions) {
  const { as, node, raw = false, passwordFile } = options;
  if ((file === undefined) === (node === undefined))
    throw new CliError("Which key?", {
      expected: "a file, or --node <account>",
      actual: file === undefined ? "neither" : "both",
      exitCode: exitCodes.usage,
    });
  const settings = settingsFromEnvironment();
  let key: Hex;
  if (file === undefined) key = nodeKey(settings, node as string);
  else if (raw) key = parsePrivateKey(readKeyFile(file));
  else key = await decryptKey(readKeyFile(file), await readPassword(passwordFile));
  const address = importAccount(settings, as, key);
  io.result({ name: as, address }, `Account "${as}" is ${address}.\n→ ./openledger balance --as ${as}`);
}

function nodeKey({ dataFolder }: Settings, name: string): Hex {
  if (!(nodeAccountNames as readonly string[]).includes(name))
    throw new CliError(`A node has no account "${name}" to act by.`, {
      expected: nodeAccountNames.join(", "),
      exitCode: exitCodes.usage,
    });
  const file = join(dataFolder, "keys.json");
  if (!existsSync(file))
    throw new CliError("This home has no node.", {
      expected: file,
      actual: "no such file",
      fix: ["Set OPENLEDGER_HOME to the node's home."],
      exitCode: exitCodes.unfit,
    });
  return exportPrivateKey(file, name);
}

function readKeyFile(file: string): string {
  try {
    if (file !== "-" && statSync(file).size > fileBytesMax)
      throw new Error("it is larger than any keystore file");
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw cannotRead(file, cause);
  }
}
