/** One receipt judged: everything public about it, then its answer's gradient once more. */
import type { ChainReader } from "../chain/index.ts";
import {
  type Address,
  type PublishedBatch,
  type ReceiptFacts,
  receiptLies,
  toHex,
} from "../protocol/index.ts";
import { type ChainFacts, describeLie, openIndex } from "../settlement/index.ts";
import type { Evidence } from "./evidence.ts";
import type { SourcedRelease } from "./node-source.ts";
import type { Replay, ReplayInput } from "./replay.ts";

export type Judgement = {
  readonly wrong: boolean;
  /** In words, for the validator's own log. */
  readonly reason: string;
  /** Null where nothing was computed: material that was withheld, or a payer who opted out. */
  readonly gradient: Float32Array | null;
};

export type JudgeParts = {
  readonly chain: ChainReader;
  readonly facts: ChainFacts;
  readonly replay: (input: ReplayInput) => Promise<Replay>;
  readonly domain: { readonly chainId: number; readonly verifyingContract: Address };
};

const wrong = (reason: string, gradient: Float32Array | null = null): Judgement => ({
  wrong: true,
  reason,
  gradient,
});

/**
 * @param batch what its attester published, compared with the chain
 * @param evidence the answer, from the operator; what is not in it was withheld
 */
export async function judge(
  parts: JudgeParts,
  batch: PublishedBatch,
  position: number,
  release: SourcedRelease,
  evidence: Evidence,
): Promise<Judgement> {
  const opened = batch.receipts[position];
  if (opened === undefined) return wrong(`the batch has no receipt ${position}`);
  const { receipt, query } = opened;
  const onChain = await parts.facts.release(receipt.releaseId);
  if (onChain === undefined) return wrong("its release was never published");
  const terms = await parts.facts.terms(onChain, receipt.issuedAt, toHex(batch.committed.attester));
  const index: ReceiptFacts["index"] = await openIndex(onChain.facts, release.index);
  const settleable = await parts.facts.settleable(receipt.releaseId, batch.committed.settledAt);
  if (index === null) return wrong("the index is not the one its release committed to");
  const { value: lie } = receiptLies(batch, position, {
    release: onChain.facts,
    terms,
    index,
    settleable,
  }).next();
  if (lie) return wrong(describeLie(lie));
  if (query === "0x")
    return { wrong: false, reason: "the payer opted out: nothing is traced", gradient: null };
  if (evidence.tokens === undefined || evidence.request === undefined)
    return wrong("request or tokens were withheld");
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const { checks, comparison, gradient } = await parts.replay({
    bundle: { receipt, query, terms: { split: terms.split } },
    manifest: release.manifest,
    index: {
      contributors: release.index.slice(0, release.manifest.index.contributors).map(({ payee }) => payee),
      rows: release.index.map(({ bytes }) => toHex(bytes)),
    },
    ...evidence,
    files: {
      adapterConfig: base64(release.files.adapterConfig),
      adapter: base64(release.files.adapter),
      basis: base64(release.files.basis),
    },
  });
  const failed = checks.find(({ status }) => status !== "passed");
  if (failed !== undefined)
    return wrong(`${failed.name}: expected ${failed.expected}, got ${failed.actual}`.slice(0, 500), gradient);
  return {
    wrong: false,
    reason: `q differs by ${comparison?.distance.toExponential(2)} of its length`,
    gradient,
  };
}
