import {
  type Address,
  domain,
  type Example,
  exampleDigest,
  exampleSchema,
  examplesDigest,
  type Signer,
  signConsent,
  toHex,
} from "../../src/protocol/index.ts";
import { datanetSchema, type Network, type Report, reportSchema } from "./answers.ts";
import { OpenLedgerError } from "./errors.ts";
import type { Http } from "./http.ts";

/** Who contributes: a viem account, or a wallet's address with a function that signs typed data. It needs no OPEN. */
export type ContributorAccount = { readonly address: Address } & Exclude<Signer, (data: never) => unknown>;

export type Contribution = {
  readonly datanetId: bigint | number | string;
  readonly examples: readonly Example[];
  readonly account: ContributorAccount;
  /** `heldout` rows are measured with and never trained on. */
  readonly split?: "train" | "heldout";
  /** The licence that the contributor agrees to; refused when the Datanet carries another. Whatever it carries, unless given. */
  readonly license?: string;
};

/**
 * Gives examples to a Datanet. Their digests are computed here, so that the consent covers them and nothing else.
 *
 * @throws OpenLedgerError; nothing has been stored then
 */
export async function contribute(http: Http, network: Network, contribution: Contribution): Promise<Report> {
  const { account, split = "train" } = contribution;
  const datanetId = BigInt(contribution.datanetId);
  const examples = contribution.examples.map((example) => exampleSchema.parse(example));
  const { license, signing } = await http.json(datanetSchema, `/v1/datanets/${datanetId}`);
  if (contribution.license !== undefined && contribution.license !== license)
    throw new OpenLedgerError(
      0,
      "other-license",
      `Datanet ${datanetId} carries ${license}; the contributor agreed to ${contribution.license}. Nothing was signed.`,
    );
  if (signing.chainId !== network.chainId || signing.verifyingContract !== network.contracts.DatanetRegistry)
    throw new OpenLedgerError(
      0,
      "wrong-network",
      `Datanet ${datanetId} asks for a signature for contract ${signing.verifyingContract} on chain ${signing.chainId}; expected ${network.contracts.DatanetRegistry} on chain ${network.chainId}. Nothing was signed.`,
    );
  const consent = {
    datanetId,
    contributor: toHex(account.address),
    examplesDigest: examplesDigest(examples.map(exampleDigest)),
    exampleCount: examples.length,
    license,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
  };
  const consentDomain = domain(network.chainId, network.contracts.DatanetRegistry);
  const signature = await signConsent(consentDomain, consent, account);
  const query = new URLSearchParams({
    contributor: consent.contributor,
    examplesDigest: consent.examplesDigest,
    exampleCount: String(consent.exampleCount),
    license,
    signedAt: String(consent.signedAt),
    signature,
    split,
  });
  return http.json(reportSchema, `/v1/datanets/${datanetId}/contributions?${query}`, {
    method: "POST",
    headers: { "content-type": "application/jsonl" },
    body: examples.map((example) => `${JSON.stringify(example)}\n`).join(""),
  });
}
