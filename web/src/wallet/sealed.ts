/**
 * Small secrets kept on this device under a key that only the wallet can give again: HKDF-SHA-256 (RFC 5869) of its signature over a
 * fixed text, then AES-256-GCM (NIST SP 800-38D) bound to whose secret it is. In plain JavaScript, for a browser offers its own
 * cryptography to https and localhost only.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, type Hex, hexToBytes, stringToBytes } from "viem";

/** What is kept: nobody reads the secret from it without the signature. Hex. */
export type Sealed = { readonly nonce: Hex; readonly box: Hex };

/** What the wallet signs to open what this site keeps for it. The signature itself is sent nowhere and kept nowhere. */
export const sealingText = (origin: string, address: string): string =>
  `Open the API keys that ${origin} keeps on this device for ${address.toLowerCase()}.\n\n` +
  "Sign this on that site only: who has the signature and this device's storage can spend with the keys. It moves no money by itself.";

const keyFrom = (signature: Hex) =>
  hkdf(sha256, hexToBytes(signature), undefined, stringToBytes("openledger/sealed/1"), 32);

/** @param owner whose the secret is; nobody else's seal opens as this one */
export function seal(secret: string, signature: Hex, owner: string): Sealed {
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  const box = gcm(keyFrom(signature), nonce, stringToBytes(owner.toLowerCase())).encrypt(
    stringToBytes(secret),
  );
  return { nonce: bytesToHex(nonce), box: bytesToHex(box) };
}

/** @throws Error when the signature is another one than it was sealed with */
export function unseal({ nonce, box }: Sealed, signature: Hex, owner: string): string {
  try {
    const opened = gcm(keyFrom(signature), hexToBytes(nonce), stringToBytes(owner.toLowerCase())).decrypt(
      hexToBytes(box),
    );
    return new TextDecoder().decode(opened);
  } catch (cause) {
    throw new Error(
      "This signature does not open the key that is kept here: the wallet signs otherwise than when it was kept. Make a new key.",
      { cause },
    );
  }
}
