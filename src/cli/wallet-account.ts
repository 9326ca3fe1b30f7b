import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { type Address, type Hex, isAddress, type LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { z } from "zod";
import { exportPrivateKey, openKeystore } from "../chain/index.ts";
import { toHex, zeroAddress } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import type { Settings } from "./settings.ts";

const namePattern = /^[a-z][a-z0-9-]{0,63}$/;

/** Checks the name of an account of the wallet. */
export function accountName(text: string): string {
  if (namePattern.test(text)) return text;
  throw new InvalidArgumentError(`An account's name has a–z, 0–9 and dashes, and begins with a letter.`);
}

/** Adds `--as <name>`: which account of the user's wallet acts. */
export function withAccount(command: Command, what = "account of your wallet that signs"): Command {
  return command.option("--as <name>", what, accountName, "me");
}

/** The same account for the next command: what to write after it. */
export const asOption = (name: string): string => (name === "me" ? "" : ` --as ${name}`);

/**
 * An address, lower-case. Written in both cases, it carries a checksum, which must hold.
 *
 * @see {@link https://eips.ethereum.org/EIPS/eip-55 | EIP-55}
 */
export function addressArgument(text: string): Address {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text))
    throw new InvalidArgumentError("An address is 0x and 40 hex digits.");
  if (/^0x([0-9a-f]+|[0-9A-F]+)$/.test(text) || isAddress(text)) return toHex(text as Address);
  throw new InvalidArgumentError(
    "A letter of this address is wrong: its checksum (EIP-55) does not hold. Copy it again from where it comes from.",
  );
}

/** An address that something is sent to. */
export function recipientArgument(text: string): Address {
  const address = addressArgument(text);
  if (address !== zeroAddress) return address;
  throw new InvalidArgumentError("Nobody has the key of the zero address: what is sent there is lost.");
}

/**
 * The user's own accounts: `<home>/wallet.json` holds the secret they are derived from by name, `<home>/wallet/<name>.json` says
 * which names were used, and holds the key of those that were imported. They are not the node's, though one home may hold both.
 */
const secretFile = ({ dataFolder }: Settings) => join(dataFolder, "wallet.json");
const accountFile = ({ dataFolder }: Settings, name: string) => join(dataFolder, "wallet", `${name}.json`);

const accountSchema = z.strictObject({
  address: z.string().regex(/^0x[0-9a-f]{40}$/),
  /** Only of an imported account. */
  privateKey: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/)
    .optional(),
});
type AccountFile = z.output<typeof accountSchema>;

function readAccountFile(path: string): AccountFile | undefined {
  if (!existsSync(path)) return undefined;
  const mode = statSync(path).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw new CliError(`Others can read ${path}, which may hold a key.`, {
      expected: "mode 600",
      actual: `mode ${mode.toString(8)}`,
      fix: [`chmod 600 ${path}`],
      exitCode: exitCodes.unfit,
    });
  try {
    return accountSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new CliError(`The account file ${path} cannot be read.`, {
      expected: '{"address":"0x…"}, with a "privateKey" if it was imported',
      fix: ["Restore it from a copy. If its account was not imported, removing it is safe."],
      exitCode: exitCodes.unfit,
      cause,
    });
  }
}

/** Whole or not at all, and never over another. @returns whether it was written */
function createAccountFile(path: string, content: AccountFile): boolean {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${JSON.stringify(content)}\n`, { flag: "wx", mode: 0o600, flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** The account of this name: imported, or derived, and then made when first asked for. */
export function walletAccount(settings: Settings, name: string, io: Io): LocalAccount {
  const path = accountFile(settings, name);
  const known = readAccountFile(path);
  if (known?.privateKey !== undefined) return privateKeyToAccount(known.privateKey as Hex);
  const file = secretFile(settings);
  const isNew = !existsSync(file);
  const account = openKeystore(file).account(name);
  if (isNew) io.note(`A new wallet was made: ${file}. Whoever has this file has what is in it; keep a copy.`);
  if (known === undefined) {
    createAccountFile(path, { address: toHex(account.address) });
    if (!isNew || name !== "me") io.note(`A new account "${name}" was made in your wallet.`);
  }
  return account;
}

/**
 * The address of an account to read of, or to pay out to: a name that was never used makes none, for it may be mistyped. `me` is
 * the one that is always there.
 *
 * @throws CliError for a name that is not in the wallet, with those that are
 */
export function knownAddress(settings: Settings, name: string, io: Io): Address {
  const accounts = walletAccounts(settings);
  const found = accounts.find((known) => known.name === name);
  if (found !== undefined) return found.address;
  if (name === "me") return toHex(walletAccount(settings, name, io).address);
  throw new CliError(`Your wallet has no account "${name}".`, {
    expected: accounts.length === 0 ? "me" : accounts.map((known) => known.name).join(", "),
    fix: [`To make it: ./openledger wallet address --as ${name}`],
    code: "unknown-account",
  });
}

/** The private key of an account of this wallet. */
export function walletKey(settings: Settings, name: string): Hex {
  const known = readAccountFile(accountFile(settings, name));
  if (known === undefined)
    throw new CliError(`Your wallet has no account "${name}".`, {
      fix: ["./openledger wallet list"],
      code: "unknown-account",
    });
  return (known.privateKey as Hex | undefined) ?? exportPrivateKey(secretFile(settings), name);
}

/** Adds an account with a key from elsewhere under a name that was never used. */
export function importAccount(settings: Settings, name: string, privateKey: Hex): Address {
  const address = toHex(privateKeyToAccount(privateKey).address);
  const same = walletAccounts(settings).find((known) => known.address === address);
  if (same !== undefined)
    throw new CliError(`This key is already in your wallet, as "${same.name}".`, { code: "account-exists" });
  const isDefault = name === "me" && existsSync(secretFile(settings));
  if (
    isDefault ||
    !createAccountFile(accountFile(settings, name), { address, privateKey: toHex(privateKey) })
  )
    throw new CliError(`Your wallet already has an account "${name}".`, {
      fix: ["Choose another name with --as."],
      code: "account-exists",
    });
  return address;
}

/** The accounts used so far, by name. */
export function walletAccounts(
  settings: Settings,
): { readonly name: string; readonly address: Address; readonly imported: boolean }[] {
  const folder = join(settings.dataFolder, "wallet");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((file) => file.replace(/\.json$/, ""))
    .filter((name) => namePattern.test(name))
    .sort()
    .flatMap((name) => {
      const known = readAccountFile(accountFile(settings, name));
      if (known === undefined) return [];
      return [{ name, address: known.address as Address, imported: known.privateKey !== undefined }];
    });
}
