/** Rows handed in as any contributor does: signed for, over the HTTP API. */
import type { LocalAccount } from "viem";
import { type Address, exampleDigest, examplesDigest, signConsent } from "../protocol/index.ts";
import type { Api } from "./demo-api.ts";
import { examplesOf } from "./demo-valley.ts";

/**
 * Signs for the rows of a JSON Lines text and hands them in.
 *
 * @returns how many were accepted
 */
export async function contributeAs(
  api: Api,
  datanetId: string,
  account: LocalAccount,
  text: string,
  split: "train" | "heldout",
): Promise<{ accepted: number }> {
  const { signing } = await api.get<{ signing: { chainId: number; verifyingContract: Address } }>(
    `/v1/datanets/${datanetId}`,
  );
  const digests = examplesOf(text).map(exampleDigest);
  const consent = {
    datanetId: BigInt(datanetId),
    contributor: account.address.toLowerCase() as Address,
    examplesDigest: examplesDigest(digests),
    exampleCount: digests.length,
    license: "CC0-1.0",
    signedAt: BigInt(Math.floor(Date.now() / 1000)),
  };
  const query = new URLSearchParams({
    contributor: consent.contributor,
    examplesDigest: consent.examplesDigest,
    exampleCount: String(consent.exampleCount),
    license: consent.license,
    signedAt: String(consent.signedAt),
    signature: await signConsent({ name: "OpenLedger", version: "1", ...signing }, consent, account),
    split,
  });
  return api.upload(`/v1/datanets/${datanetId}/contributions?${query}`, text);
}
