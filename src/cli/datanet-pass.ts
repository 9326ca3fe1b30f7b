/** The pass that a signature opens to a Datanet whose texts are gated, or to a curator. */
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import {
  type Address,
  type Digest,
  domain,
  signAccessRequest,
  textDigest,
  toHex,
  zeroDigest,
} from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertChain } from "./purse.ts";
import { plain } from "./table.ts";
import { asOption, walletAccount } from "./wallet-account.ts";

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

export type TermsOption = { readonly acceptTerms?: true };

/** Adds `--accept-terms`. */
export const withTerms = (command: Command): Command =>
  command.option(
    "--accept-terms",
    "sign that you accept the Datanet's terms; without it they are only shown",
  );

type Asking = TermsOption & {
  readonly as: string;
  readonly purpose: string;
  /** What is said again once the terms were read, such as `datanet ask 1`. */
  readonly command: string;
};

/**
 * Asks a node to let an account of the wallet in, accepting the Datanet's terms by signature.
 *
 * @throws CliError `terms-not-accepted` with the terms, where there are any and they were not accepted; `terms-mismatch`
 */
export async function askForPass(
  io: Io,
  node: NodeClient,
  datanet: string,
  { as, purpose, acceptTerms, command }: Asking,
): Promise<AdmissionJson> {
  const { rule, termsDigest } = await node.get<AccessJson>(`/v1/datanets/${datanet}/access`);
  if (rule.terms !== undefined && acceptTerms !== true)
    throw new CliError(
      `Asking signs that you accept the terms of Datanet ${datanet}:\n\n${plain(rule.terms)}\n`,
      {
        fix: [`./openledger ${command}${asOption(as)} --accept-terms`],
        code: "terms-not-accepted",
        exitCode: exitCodes.usage,
      },
    );
  const shown = rule.terms === undefined ? zeroDigest : textDigest(rule.terms);
  if (shown !== termsDigest)
    throw new CliError("The node asks for a signature under other terms than it shows; nothing was signed.", {
      expected: shown,
      actual: termsDigest,
      fix: ["Use another node."],
      code: "terms-mismatch",
    });
  return requestPass(io, node, datanet, { as, purpose, termsDigest });
}

/** Asks for a pass to what an account gave itself: no terms are accepted for that. */
export const askForOwn = (io: Io, node: NodeClient, datanet: string, as: string): Promise<AdmissionJson> =>
  requestPass(io, node, datanet, { as, purpose: "own contributions", termsDigest: zeroDigest });

/** Headers that open an account what it gave a Datanet; none are needed where texts are open to all. */
export async function ownHeaders(
  io: Io,
  node: NodeClient,
  datanet: string,
  as: string,
): Promise<Record<string, string>> {
  const { rule } = await node.get<AccessJson>(`/v1/datanets/${datanet}/access`);
  if (rule.kind === "public") return {};
  return admittedHeaders(await askForOwn(io, node, datanet, as), datanet, as);
}

/** Headers that show the pass. @throws CliError `access-needed` where there is none */
export function admittedHeaders(
  admission: AdmissionJson,
  datanet: string,
  as: string,
): Record<string, string> {
  if (admission.state === "admitted") return passHeaders(admission.pass);
  throw new CliError(
    admission.state === "asked"
      ? `Texts of Datanet ${datanet} are read by whom its owner admits, proposals too. The owner has been asked.`
      : `Texts of Datanet ${datanet} are not open to ${as}: ${admission.reason}.`,
    { code: "access-needed", fix: [`./openledger datanet access ${datanet}`] },
  );
}

async function requestPass(
  io: Io,
  node: NodeClient,
  datanet: string,
  { as, purpose, termsDigest }: { as: string; purpose: string; termsDigest: Digest },
): Promise<AdmissionJson> {
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
