/**
 * A private key under a password, as Ethereum wallets exchange it: Web3 Secret Storage, version 3
 * (https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/). In plain JavaScript, for a browser
 * offers its own cryptography to https and localhost only.
 */
import { ctr } from "@noble/ciphers/aes.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { bytesToHex, concat, type Hex, hexToBytes, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** Cost of the scrypt that new files take: 128 MiB, one or two seconds. */
const cost = { N: 131_072, r: 8, p: 1 } as const;
/** Most memory that an imported file may ask for, bytes. */
const memoryMax = 2 ** 29;
/** Such a file has half a thousand characters; what some wallets add to it is short, too. */
const textMax = 16_384;

export type Keystore = {
  version: 3;
  id: string;
  /** Without 0x, as the format has it. */
  address: string;
  crypto: {
    cipher: "aes-128-ctr";
    cipherparams: { iv: string };
    ciphertext: string;
    kdf: "scrypt";
    kdfparams: { n: number; r: number; p: number; dklen: 32; salt: string };
    mac: string;
  };
};

const plain = (bytes: Uint8Array) => bytesToHex(bytes).slice(2);
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const fromPlain = (hex: string) => hexToBytes(`0x${hex}`);

async function derive(
  password: string,
  salt: Uint8Array,
  params: { N: number; r: number; p: number },
  onProgress?: (share: number) => void,
) {
  return scryptAsync(new TextEncoder().encode(password.normalize("NFKC")), salt, {
    ...params,
    dkLen: 32,
    maxmem: memoryMax + 2 ** 20,
    ...(onProgress ? { onProgress } : {}),
  });
}

const macOf = (key: Uint8Array, ciphertext: Uint8Array) =>
  keccak256(concat([key.subarray(16, 32), ciphertext])).slice(2);

/** A fresh key's file. `onProgress` hears how far the key derivation is, 0 to 1. */
export async function encryptKey(
  privateKey: Hex,
  password: string,
  onProgress?: (share: number) => void,
): Promise<Keystore> {
  const [salt, iv] = [random(32), random(16)];
  const key = await derive(password, salt, cost, onProgress);
  const ciphertext = ctr(key.subarray(0, 16), iv).encrypt(hexToBytes(privateKey));
  return {
    version: 3,
    id: uuid(),
    address: privateKeyToAccount(privateKey).address.slice(2).toLowerCase(),
    crypto: {
      cipher: "aes-128-ctr",
      cipherparams: { iv: plain(iv) },
      ciphertext: plain(ciphertext),
      kdf: "scrypt",
      kdfparams: { n: cost.N, r: cost.r, p: cost.p, dklen: 32, salt: plain(salt) },
      mac: macOf(key, ciphertext),
    },
  };
}

/** Random, version 4 (RFC 9562). */
function uuid(): string {
  const bytes = random(16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return plain(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * @throws Error when the password is not the file's
 */
export async function decryptKey(
  file: Keystore,
  password: string,
  onProgress?: (share: number) => void,
): Promise<Hex> {
  const { kdfparams, ciphertext, cipherparams, mac } = file.crypto;
  const { n: N, r, p, salt } = kdfparams;
  const key = await derive(password, fromPlain(salt), { N, r, p }, onProgress);
  const sealed = fromPlain(ciphertext);
  if (macOf(key, sealed) !== mac.toLowerCase()) throw new Error("The password does not open this key.");
  return bytesToHex(ctr(key.subarray(0, 16), fromPlain(cipherparams.iv)).decrypt(sealed));
}

const hex = (value: unknown, bytes?: number): value is string =>
  typeof value === "string" &&
  new RegExp(bytes ? `^[0-9a-fA-F]{${2 * bytes}}$` : "^([0-9a-fA-F]{2}){1,64}$").test(value);
const whole = (value: unknown, min: number, max: number): value is number =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

/**
 * A key file from outside.
 *
 * @throws Error that says what the file lacks; one that asks for more than 512 MiB is refused
 */
export function parseKeystore(text: string): Keystore {
  if (text.length > textMax)
    throw new Error(
      `This is no key file: expected at most ${textMax} characters, got ${text.length.toLocaleString("en-US")}.`,
    );
  let file: Keystore;
  try {
    file = JSON.parse(text) as Keystore;
  } catch {
    throw new Error("This is no key file: expected JSON, Web3 Secret Storage version 3.");
  }
  const { version, crypto: sealed, address } = file ?? {};
  if (version !== 3 || sealed?.cipher !== "aes-128-ctr" || sealed.kdf !== "scrypt")
    throw new Error("Expected a key file of Web3 Secret Storage version 3 with aes-128-ctr and scrypt.");
  const { n, r, p, dklen, salt } = sealed.kdfparams ?? {};
  const bounded =
    whole(n, 2, 2 ** 22) && whole(r, 1, 64) && whole(p, 1, 16) && dklen === 32 && 128 * n * r <= memoryMax;
  if (!bounded || (n & (n - 1)) !== 0)
    throw new Error("The key file's scrypt parameters are out of bounds: at most 512 MiB, n a power of two.");
  if (
    !hex(salt) ||
    !hex(sealed.cipherparams?.iv, 16) ||
    !hex(sealed.ciphertext, 32) ||
    !hex(sealed.mac, 32) ||
    !hex(address, 20)
  )
    throw new Error("The key file is cut short or not hex where it should be.");
  return file;
}
