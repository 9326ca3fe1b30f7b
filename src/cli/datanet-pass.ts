/** The pass that a signature opens to a Datanet whose texts are gated, or to a curator. */
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { type Address, type Digest, domain, signAccessRequest, toHex } from "../protocol/index.ts";
import type { NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertChain } from "./purse.ts";
import { walletAccount } from "./wallet-account.ts";

export type AccessJson = {
  readonly rule: {
    readonly kind: "public" | "request" | "token";
    readonly terms?: string;
    readonly contract?: string;
    readonly least?: string;
  };
  readonly termsDigest: Digest;
};

export type AdmissionJson =
  | { readonly state: "admitted"; readonly pass: string; readonly expiresAtMs: number }
  | { readonly state: "asked" }
  | { readonly state: "refused"; readonly reason: string };

/** Asks a node to let an account of the wallet in, accepting the Datanet's terms by signature. */
export async function askForPass(
  io: Io,
  node: NodeClient,
  datanet: string,
  { as, purpose }: { readonly as: string; readonly purpose: string },
): Promise<AdmissionJson> {
  const { termsDigest } = await node.get<AccessJson>(`/v1/datanets/${datanet}/access`);
  const { signing } = await node.get<{ signing: { chainId: number; verifyingContract: Address } }>(
    `/v1/datanets/${datanet}`,
  );
  assertChain(node, signing.chainId);
  const account = walletAccount(node.settings, as, io);
  const request = {
    datanetId: BigInt(datanet),
    reader: toHex(account.address),
    termsDigest,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
    nonce: toHex(new Uint8Array(randomBytes(32))),
  };
  const signature = await signAccessRequest(
    domain(signing.chainId, signing.verifyingContract),
    request,
    account,
  );
  return node.post<AdmissionJson>(`/v1/datanets/${datanet}/access`, {
    ...{ reader: request.reader, termsDigest, signedAt: Number(request.signedAt), nonce: request.nonce },
    ...{ signature, purpose },
  });
}

/** Adds `--pass`. */
export const withPass = (command: Command): Command =>
  command.option("--pass <pass>", "what 'openledger datanet ask' gave, where texts are not open to all");

export const passHeaders = (pass: string | undefined): Record<string, string> =>
  pass === undefined ? {} : { authorization: `Bearer ${pass}` };
