/**
 * A private key under a password, as Ethereum wallets exchange it: Web3 Secret Storage, version 3
 * (https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/).
 */
import {
  createCipheriv,
  createDecipheriv,
  pbkdf2,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import { type Hex, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { z } from "zod";
import { CliError, exitCodes } from "./errors.ts";

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-fA-F]{${2 * bytes}}$`));
const salt = z.string().regex(/^([0-9a-fA-F]{2}){1,64}$/);
/** Bounds keep a hostile file from taking the machine's memory or an afternoon: 128 · n · r bytes. */
const kdf = z.discriminatedUnion("kdf", [
  z.object({
    kdf: z.literal("scrypt"),
    kdfparams: z
      .object({
        n: z.int().min(2),
        r: z.int().min(1).max(64),
        p: z.int().min(1).max(16),
        dklen: z.literal(32),
        salt,
      })
      .refine(({ n, r }) => n * r * 128 <= 2 ** 29, "scrypt may use at most 512 MiB")
      .refine(({ n, r }) => n < 2 ** (16 * r), "scrypt's n must be below 2^(16 r) (RFC 7914)"),
  }),
  z.object({
    kdf: z.literal("pbkdf2"),
    kdfparams: z.object({
      c: z.int().min(1).max(20_000_000),
      prf: z.literal("hmac-sha256"),
      dklen: z.literal(32),
      salt,
    }),
  }),
]);
const cipher = z.object({
  cipher: z.literal("aes-128-ctr"),
  cipherparams: z.object({ iv: hex(16) }),
  ciphertext: hex(32),
  mac: hex(32),
});
const schema = z.object({ version: z.literal(3), crypto: z.intersection(cipher, kdf) });

export type KeystoreV3 = z.output<typeof schema>;

/** Cost of the scrypt that new files take: 128 MiB, half a second. */
const cost = { n: 131_072, r: 8, p: 1 } as const;

async function derive({ crypto }: KeystoreV3, password: string): Promise<Buffer> {
  const secret = Buffer.from(password.normalize("NFKC"));
  const saltBytes = Buffer.from(crypto.kdfparams.salt, "hex");
  if (crypto.kdf === "pbkdf2") return promisify(pbkdf2)(secret, saltBytes, crypto.kdfparams.c, 32, "sha256");
  const { n: N, r, p } = crypto.kdfparams;
  const run = promisify<Buffer, Buffer, number, object, Buffer>(scrypt as never);
  return run(secret, saltBytes, 32, { N, r, p, maxmem: 2 * 128 * N * r });
}

const macOf = (key: Buffer, ciphertext: Buffer) =>
  Buffer.from(keccak256(Buffer.concat([key.subarray(16, 32), ciphertext]), "bytes"));

/** @returns the file's JSON; `address` is without 0x, as the format has it */
export async function encryptKey(
  privateKey: Hex,
  password: string,
): Promise<KeystoreV3 & { id: string; address: string }> {
  const iv = randomBytes(16);
  const base = {
    version: 3 as const,
    id: randomUUID(),
    address: privateKeyToAccount(privateKey).address.slice(2).toLowerCase(),
    crypto: {
      cipher: "aes-128-ctr" as const,
      cipherparams: { iv: iv.toString("hex") },
      ciphertext: "",
      kdf: "scrypt" as const,
      kdfparams: { ...cost, dklen: 32 as const, salt: randomBytes(32).toString("hex") },
      mac: "",
    },
  };
  const key = await derive(base, password);
  const ciphertext = createCipheriv("aes-128-ctr", key.subarray(0, 16), iv).update(
    Buffer.from(privateKey.slice(2), "hex"),
  );
  base.crypto.ciphertext = ciphertext.toString("hex");
  base.crypto.mac = macOf(key, ciphertext).toString("hex");
  return base;
}

/** @throws CliError when it is no such file, or the password is not its */
export async function decryptKey(text: string, password: string): Promise<Hex> {
  const keystore = parseKeystore(text);
  const key = await derive(keystore, password);
  const ciphertext = Buffer.from(keystore.crypto.ciphertext, "hex");
  if (!timingSafeEqual(macOf(key, ciphertext), Buffer.from(keystore.crypto.mac, "hex")))
    throw new CliError("The password does not open this keystore file.", { code: "wrong-password" });
  const iv = Buffer.from(keystore.crypto.cipherparams.iv, "hex");
  return parsePrivateKey(
    createDecipheriv("aes-128-ctr", key.subarray(0, 16), iv).update(ciphertext).toString("hex"),
  );
}

/** The order of secp256k1: a private key lies below it. */
const curveOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Reads a bare private key: 64 hex digits, with or without 0x. */
export function parsePrivateKey(text: string): Hex {
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim())?.[1]?.toLowerCase();
  const number = digits === undefined ? 0n : BigInt(`0x${digits}`);
  if (number > 0n && number < curveOrder) return `0x${digits}`;
  throw new CliError("This is not a private key.", {
    expected: "64 hex digits, a number below the curve's order",
    exitCode: exitCodes.usage,
    code: "not-a-key",
  });
}

function parseKeystore(text: string): KeystoreV3 {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CliError("This is not a keystore file of version 3 with aes-128-ctr under scrypt or pbkdf2.", {
    actual: value === undefined ? "not JSON" : (parsed.error.issues[0]?.message ?? "another shape"),
    fix: ["For a bare private key of 64 hex digits, give --raw."],
    code: "not-a-keystore",
  });
}
