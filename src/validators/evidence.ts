/**
 * What an operator gives a drawn validator: request, answer and tokens, sealed for it. Who is drawn shows the preimage that draws it, under
 * its signature, so that texts go to whoever must judge them and to nobody else. The preimage says nothing that the validator's answer to
 * this draw does not say some minutes later, and the batch can no longer be changed by it.
 */
import { keccak256 } from "viem";
import { z } from "zod";
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import type { AnswerEvidence } from "../inference/index.ts";
import {
  type Address,
  addressSchema,
  auditSchema,
  bytesSchema,
  type Digest,
  digestSchema,
  domain,
  type Hex,
  hashReceipt,
  receiptSchema,
  recoverTypedData,
  type Signer,
  sameHex,
  signTypedData,
  toHex,
  uint32Schema,
} from "../protocol/index.ts";
import { ValidatorError } from "./errors.ts";
import { lotteryOf } from "./lottery.ts";
import { type Sealed, seal } from "./sealing.ts";
import { readBallot, readDraw } from "./verdicts.ts";

export const evidenceRequestSchema = z.strictObject({
  drawId: uint32Schema.min(1),
  validator: addressSchema,
  preimage: digestSchema,
  /** X25519, to seal the answer for. */
  publicKey: digestSchema,
  signature: bytesSchema(65, 65),
});
export type EvidenceRequest = z.output<typeof evidenceRequestSchema>;

/** What is sealed, as JSON. */
export const evidenceSchema = auditSchema.pick({ request: true, response: true, tokens: true });
export type Evidence = z.output<typeof evidenceSchema>;

type Asked = Pick<EvidenceRequest, "drawId" | "preimage" | "publicKey">;

/** In the domain of `Verdicts`; no contract reads it. */
const typedData = (chainId: number, verdicts: Address, { drawId, preimage, publicKey }: Asked) => ({
  domain: domain(chainId, toHex(verdicts)),
  types: {
    EvidenceRequest: [
      { name: "drawId", type: "uint256" },
      { name: "preimage", type: "bytes32" },
      { name: "publicKey", type: "bytes32" },
    ],
  },
  primaryType: "EvidenceRequest",
  message: { drawId: BigInt(drawId), preimage, publicKey },
});

export async function signEvidenceRequest(
  network: { readonly chainId: number; readonly verdicts: Address },
  asked: Asked,
  signer: Signer & { readonly address: Address },
): Promise<EvidenceRequest> {
  const signature = await signTypedData(typedData(network.chainId, network.verdicts, asked), signer);
  return { ...asked, validator: toHex(signer.address), signature };
}

export type EvidenceParts = {
  readonly chain: ChainReader;
  readonly contracts: Pick<ProtocolContracts, "Verdicts">;
  /** Whose batches this node settles. */
  readonly operator: Address;
  /** A batch's content as it is published. @throws for a batch that is not here */
  readonly content: (number: number) => Promise<AsyncIterable<Uint8Array>>;
  readonly evidence: (receiptId: Digest) => Promise<AnswerEvidence | undefined>;
};

/** Longest line of a batch's content, in bytes: a receipt with 4,096 payments. */
const lineBytesMax = 4 * 2 ** 20;

/**
 * Answers a drawn validator.
 *
 * @throws ValidatorError `not-drawn`, `unknown-draw`, `no-evidence`
 */
export async function giveEvidence(parts: EvidenceParts, asked: EvidenceRequest): Promise<Sealed> {
  const { chain, contracts, operator } = parts;
  const refuse = (why: string) => new ValidatorError("not-drawn", `No text is given: ${why}.`);
  const data = typedData(chain.chain.id, contracts.Verdicts.address, asked);
  const signer = await recoverTypedData(data, asked.signature as Hex).catch((error: Error) => {
    throw refuse(error.message);
  });
  if (!sameHex(signer, asked.validator)) throw refuse(`${signer} signed for ${asked.validator}`);
  const draw = await readDraw(chain, contracts, asked.drawId);
  if (!sameHex(draw.attester, operator))
    throw new ValidatorError(
      "unknown-draw",
      `Draw ${asked.drawId} is about a batch of ${draw.attester}, not of ${operator}.`,
    );
  const ballot = await readBallot(chain, contracts, asked.drawId, asked.validator);
  if (ballot.weight === 0n) throw refuse(`${asked.validator} is not counted in draw ${asked.drawId}`);
  if (ballot.answer !== "none") throw refuse("its verdict is given already");
  if (draw.timestamp >= draw.revealEnds) throw refuse("the draw is over");
  // Preimages are shown in the order of the draws: the one of this draw is so many links behind the tip.
  let link = asked.preimage;
  for (let left = ballot.sequence - ballot.answered; left > 0; left--) link = keccak256(link);
  if (!sameHex(link, ballot.tip)) throw refuse("the preimage is not the validator's for this draw");
  const { drawn, receipt } = lotteryOf(asked.preimage, { ...draw, weight: ballot.weight });
  if (!drawn) throw refuse(`${asked.validator} is not drawn`);
  const found = await parts.evidence(await receiptIdAt(await parts.content(draw.number), receipt));
  if (found === undefined)
    throw new ValidatorError("no-evidence", `The answer of receipt ${receipt} is not kept here.`);
  return seal(asked.publicKey, new TextEncoder().encode(JSON.stringify(evidenceJson(found))));
}

/** The texts of an answer in the form they have in an audit file. */
const evidenceJson = ({ request, response, promptIds, outputIds }: AnswerEvidence): Evidence => ({
  ...(request === null ? {} : { request: toHex(request) }),
  response,
  tokens: { prompt: [...promptIds], output: [...outputIds] },
});

/** The id of one receipt of a published batch: its lines follow the header. */
async function receiptIdAt(content: AsyncIterable<Uint8Array>, position: number): Promise<Digest> {
  const decoder = new TextDecoder();
  let rest = "";
  let line = -1;
  for await (const chunk of content) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
      const text = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line++ === position) return hashReceipt(receiptSchema.parse(JSON.parse(text).receipt));
    }
    if (rest.length > lineBytesMax) break;
  }
  throw new ValidatorError("no-evidence", `The batch has no receipt ${position}.`);
}
