/**
 * Texts on their way to one validator: X25519 (RFC 7748) with a new key on either side, HKDF-SHA-256 (RFC 5869) over both public keys,
 * AES-256-GCM. The validator's key is signed for; that what comes back is the answer's is seen by the receipt's digests.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { hexToBytes } from "viem";
import { z } from "zod";
import { base64Schema, type Digest, digestSchema, toHex } from "../protocol/index.ts";

export const sealedSchema = z.strictObject({ publicKey: digestSchema, sealed: base64Schema });

/** `sealed` is ciphertext ‖ 16 bytes of tag, in base64; the key is used once, so the nonce is zero. */
export type Sealed = z.output<typeof sealedSchema>;

export type SealingKey = { readonly publicKey: Digest; readonly privateKey: KeyObject };

const nonce = new Uint8Array(12);
const tagBytes = 16;

/** A key for one exchange. */
export function sealingKey(): SealingKey {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const { x } = publicKey.export({ format: "jwk" });
  return { publicKey: toHex(new Uint8Array(Buffer.from(x as string, "base64url"))), privateKey };
}

function keyOf(
  privateKey: KeyObject,
  theirs: Digest,
  keys: readonly [asker: Digest, answerer: Digest],
): Uint8Array {
  const x = Buffer.from(hexToBytes(theirs)).toString("base64url");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  const shared = diffieHellman({ privateKey, publicKey });
  const salt = Buffer.concat(keys.map((key) => hexToBytes(key)));
  return new Uint8Array(hkdfSync("sha256", shared, salt, "openledger/evidence/1", 32));
}

/** @param asker the public key that was signed for. @throws for one that is no point to exchange with */
export function seal(asker: Digest, bytes: Uint8Array): Sealed {
  const mine = sealingKey();
  const cipher = createCipheriv("aes-256-gcm", keyOf(mine.privateKey, asker, [asker, mine.publicKey]), nonce);
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  return { publicKey: mine.publicKey, sealed: sealed.toString("base64") };
}

/** @throws when it was sealed for another key, or altered */
export function unseal(key: SealingKey, { publicKey, sealed }: Sealed): Uint8Array {
  const bytes = Buffer.from(sealed, "base64");
  if (bytes.length < tagBytes)
    throw new Error(`Sealed evidence has at least ${tagBytes} bytes; got ${bytes.length}.`);
  const secret = keyOf(key.privateKey, publicKey, [key.publicKey, publicKey]);
  const decipher = createDecipheriv("aes-256-gcm", secret, nonce);
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  return new Uint8Array(
    Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - tagBytes)), decipher.final()]),
  );
}
