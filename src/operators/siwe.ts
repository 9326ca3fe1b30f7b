/** Sign-In with Ethereum (EIP-4361): what a wallet signed, checked before anybody is believed. */
import { verifyMessage } from "viem";
import { createSiweMessage, parseSiweMessage, type SiweMessage, validateSiweMessage } from "viem/siwe";
import { type Address, toHex } from "../protocol/index.ts";
import { OperatorError } from "./errors.ts";
import type { Nonces } from "./nonces.ts";

export type SignIn = {
  readonly message: string;
  /** 65 bytes. */
  readonly signature: `0x${string}`;
};

export type SignInRules = {
  readonly origins: readonly string[];
  readonly chainId: number;
  readonly nonces: Nonces;
  readonly now: () => number;
};

export type SignedIn = {
  readonly address: Address;
  /** The message's own end, epoch ms, if it has one. */
  readonly expiresAtMs: number | null;
  /** Whether the application is served by https. */
  readonly secure: boolean;
};

/**
 * The message must be word for word one that `createSiweMessage` writes from what was read in it, so that nothing stands in it that
 * was not checked; times may be written in any form of RFC 3339. The nonce is used up by the first message with a good signature. Signatures of
 * contracts (EIP-1271) are not accepted: their word can change, and asking them lets strangers run code.
 *
 * @throws OperatorError `bad-sign-in` saying what was expected, `nonce-refused`
 */
export async function checkSignIn({ message, signature }: SignIn, rules: SignInRules): Promise<SignedIn> {
  const { origins, chainId, nonces, now } = rules;
  const read = parseSiweMessage(message) as SiweMessage;
  if (!isWhole(message, read))
    refuse(
      "it is not an EIP-4361 message as viem's createSiweMessage writes it: an unknown line, or one that is missing",
    );
  const { address, domain, uri, nonce } = read;
  const origin = URL.canParse(uri) ? new URL(uri).origin : "";
  if (!origins.includes(origin) || new URL(origin).host !== domain)
    refuse(
      `it is for domain ${domain} and URI ${uri}, expected ${origins.join(" or ")}. Name another in "origins" of the node's config.json`,
    );
  if (read.scheme !== undefined && `${read.scheme}:` !== new URL(origin).protocol)
    refuse(`its scheme is ${read.scheme}, that of its URI ${origin}`);
  if (read.chainId !== chainId) refuse(`it is for chain ${read.chainId}, expected ${chainId}`);
  if (!validateSiweMessage({ message: read, time: new Date(now()) }))
    refuse("it is not valid now: look at Expiration Time and Not Before, and at this machine's clock");
  if (!(await verifyMessage({ address, message, signature }).catch(() => false)))
    refuse(`the signature is not ${address}'s over this message`);
  nonces.use(nonce);
  return {
    address: toHex(address),
    expiresAtMs: read.expirationTime?.getTime() ?? null,
    secure: origin.startsWith("https:"),
  };
}

function isWhole(message: string, read: SiweMessage): boolean {
  try {
    const times = message.replace(
      /^(Issued At|Expiration Time|Not Before): (.+)$/gm,
      (_, name: string, time: string) => `${name}: ${new Date(time).toISOString()}`,
    );
    return createSiweMessage(read) === times;
  } catch {
    return false; // a field that is none, or a time that is no time
  }
}

function refuse(why: string): never {
  throw new OperatorError("bad-sign-in", `The sign-in is refused: ${why}.`);
}
