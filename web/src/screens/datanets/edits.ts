/** Texts that curators would have in place of rows: which are open, and taking them under a consent to exactly these. */
import type { Address, Hex } from "viem";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { signTypedData } from "../../wallet/wallet.ts";
import type { Example } from "./example.tsx";

type Report = Schema<"ContributionReport">;
export type Edit = {
  readonly line: number;
  readonly reason: string;
  /** The row's own text, where whoever looks may read it. */
  readonly before: Example | undefined;
  readonly after: Example;
};

/** The last text proposed for each row that does not count as it is, and was not exchanged or taken back. */
export const openEdits = ({ rows }: Pick<Report, "rows">): Edit[] =>
  rows.flatMap(({ line, status, withdrawnAtMs, example, reviews = [] }) => {
    const last = reviews.findLast(({ proposal }) => proposal !== undefined);
    return last?.proposal === undefined || status === "accepted" || withdrawnAtMs !== undefined
      ? []
      : [{ line, reason: last.reason, before: example, after: last.proposal }];
  });

/**
 * Takes texts in place of rows: one signature, a consent to them.
 *
 * @returns the report of the contribution that they make
 */
export async function takeEdits(
  { contributionId, datanetId, license }: Pick<Report, "contributionId" | "datanetId" | "license">,
  contributor: Address,
  edits: readonly Edit[],
): Promise<Report> {
  const [{ domain, exampleDigest, examplesDigest, signConsent }, { signing }] = await Promise.all([
    import("../../../../src/protocol/index.ts"),
    ask(api.GET("/v1/datanets/{datanetId}", { params: { path: { datanetId } } })),
  ]);
  const taken = edits.map(({ line, after }) => ({ line, digest: exampleDigest(after) }));
  const signedAt = Math.floor(Date.now() / 1_000);
  const signature = await signConsent(
    domain(signing.chainId, signing.verifyingContract as Address),
    {
      datanetId: BigInt(datanetId),
      contributor,
      examplesDigest: examplesDigest(taken.map(({ digest }) => digest as Hex)),
      exampleCount: taken.length,
      license,
      signedAt: BigInt(signedAt),
    },
    (data) => signTypedData(data as never),
  );
  return ask(
    api.POST("/v1/contributions/{contributionId}/edits", {
      params: { path: { contributionId } },
      body: { contributor, edits: taken, license, signedAt, signature },
    }),
  );
}

const place = "openledger.declined";
const declinedMax = 1_000;

const nameOf = (contributionId: number, { line }: Edit) => `${contributionId}:${line}`;

function declined(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(place) ?? "[]");
    return Array.isArray(kept) ? kept.map(String) : [];
  } catch {
    return [];
  }
}

/** Whether what is proposed for a row was declined on this device: the node is not told, for a row that is not exchanged stays as it is. */
export const isDeclined = (contributionId: number, edit: Edit): boolean =>
  declined().includes(nameOf(contributionId, edit));

/** Declines what is proposed for a row, or thinks again. */
export function decline(contributionId: number, edit: Edit, isSo: boolean): void {
  const name = nameOf(contributionId, edit);
  const others = declined().filter((one) => one !== name);
  localStorage.setItem(place, JSON.stringify(isSo ? [...others, name].slice(-declinedMax) : others));
}
