import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { concat, type Hex, keccak256, stringToBytes } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { z } from "zod";

/** Accounts of this node, by name. The secret they come from stays inside: nothing here prints or returns it. */
export type Keystore = {
  /**
   * The account of this name: always the same for the same keystore.
   * @param name lower-case words, as in "operator", "liquidity" or "faucet"
   */
  account(name: string): PrivateKeyAccount;
};

const fileSchema = z.object({ format: z.literal(1), secret: z.string().regex(/^0x[0-9a-f]{64}$/) });
/** The order of secp256k1: a private key lies below it. */
const curveOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * Load the keystore, or make one with a new random secret that only its owner can read (mode 0600).
 *
 * Key of a name: keccak256(secret ‖ keccak256("openledger/account/" ‖ name)), hashed again in the case, never yet seen, that it
 * is no valid key.
 *
 * @throws if the file is not a keystore, or if others can read it
 */
export function openKeystore(path: string): Keystore {
  mkdirSync(dirname(path), { recursive: true });
  createOnce(path);
  const mode = statSync(path).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new Error(
      `The keystore ${path} has mode ${mode.toString(8)}: others can read its secret. Expected 600: run chmod 600 ${path}, ` +
        `and if someone may have read it, move the funds to accounts of a new keystore.`,
    );
  }
  const secret = readSecret(path);
  const accounts = new Map<string, PrivateKeyAccount>();
  return {
    account(name) {
      if (!/^[a-z][a-z0-9-]{0,63}$/.test(name))
        throw new Error(`"${name}" is not an account name: use a–z, 0–9 and dashes.`);
      const known = accounts.get(name);
      if (known !== undefined) return known;
      const account = privateKeyToAccount(keyOf(secret, name));
      accounts.set(name, account);
      return account;
    },
  };
}

/**
 * The private key of an account, for whoever moves it to another wallet; nothing else here returns one.
 *
 * @throws as {@link openKeystore}
 */
export function exportPrivateKey(path: string, name: string): Hex {
  openKeystore(path).account(name);
  return keyOf(readSecret(path), name);
}

function keyOf(secret: Hex, name: string): Hex {
  let key = keccak256(concat([secret, keccak256(stringToBytes(`openledger/account/${name}`))]));
  while (BigInt(key) === 0n || BigInt(key) >= curveOrder) key = keccak256(key);
  return key;
}

/** Whole or not at all: a second process that comes first wins, and its file is the one that is read. */
function createOnce(path: string): void {
  let file: number;
  try {
    file = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw error;
  }
  writeSync(file, `${JSON.stringify({ format: 1, secret: `0x${randomBytes(32).toString("hex")}` })}\n`);
  fsyncSync(file);
  closeSync(file);
}

function readSecret(path: string): Hex {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, "utf8"))).secret as Hex;
  } catch {
    throw new Error(
      `The keystore ${path} cannot be read: expected {"format":1,"secret":"0x…"} with 64 hex digits. Restore it from a backup; ` +
        `if nothing depends on its accounts, remove it and a new one is made.`,
    );
  }
}
