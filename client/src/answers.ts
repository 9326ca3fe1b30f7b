/** What the node answers, checked where it comes in. Unknown members are ignored: a newer node may say more. */
import { z } from "zod";
import { addressSchema, digestSchema, receiptBundleSchema, weiSchema } from "../../src/protocol/index.ts";

const signing = z.object({ chainId: z.int(), verifyingContract: addressSchema });
const lowerAddress = z.string().toLowerCase().pipe(addressSchema);

export const networkSchema = z
  .object({
    network: z.object({
      chainId: z.int(),
      name: z.string(),
      contracts: z.object({
        DatanetRegistry: lowerAddress,
        PaymentChannels: lowerAddress,
        AttributionLedger: lowerAddress,
      }),
    }),
    operator: lowerAddress,
  })
  .transform(({ network, operator }) => ({ ...network, operator }));

/** A network and its operator: what everything is signed for and checked against. */
export type Network = z.output<typeof networkSchema>;

export const modelsSchema = z
  .object({
    data: z.array(
      z.object({
        id: z.string(),
        parent: z.string().nullable(),
        owned_by: z.string(),
        openledger: z.object({
          release: digestSchema.nullable(),
          prompt_wei_per_token: weiSchema,
          completion_wei_per_token: weiSchema,
          context_tokens: z.int(),
        }),
      }),
    ),
  })
  .transform(({ data }) =>
    data.map(({ id, parent, owned_by, openledger }) => ({
      id,
      /** The base model it was tuned from; null for a base model. */
      parent,
      owner: owned_by,
      /** Null for a base model, which is free. */
      releaseId: openledger.release,
      promptWeiPerToken: openledger.prompt_wei_per_token,
      completionWeiPerToken: openledger.completion_wei_per_token,
      contextTokens: openledger.context_tokens,
    })),
  );

export type Model = z.output<typeof modelsSchema>[number];

export const requestSchema = z.object({
  state: z.enum(["reserved", "generated", "scored", "charged", "receipted", "failed", "released"]),
  receipt: digestSchema.nullable(),
  error: z.string().nullable(),
});

export const receiptViewSchema = z
  .object({
    receiptId: digestSchema,
    state: z.enum(["scored", "batched", "final", "lost"]),
    feeWei: weiSchema,
    acceptedAtMs: z.int(),
    batchNumber: z.int().nullable(),
    transactionHash: digestSchema.nullable(),
    bundle: receiptBundleSchema,
    proof: z
      .object({
        root: digestSchema,
        count: z.int(),
        index: z.int(),
        siblings: z.array(digestSchema).max(32),
        finalAtSec: z.int(),
      })
      .nullable(),
  })
  .readonly();

/** A receipt, how far it has come (`scored`: not on chain, `batched`: open to challenge, `final`), and its place on chain. */
export type Receipt = z.output<typeof receiptViewSchema>;

export const channelSchema = z.object({
  channelId: digestSchema,
  payer: addressSchema,
  payee: addressSchema,
  signer: addressSchema,
  signerLimitWei: weiSchema,
  depositWei: weiSchema,
  collectedWei: weiSchema,
  chargedWei: weiSchema,
  reservedWei: weiSchema,
  voucherAboveWei: weiSchema,
  closesAtSec: z.int(),
  state: z.enum(["open", "closing", "closed"]),
  signing,
});

/** A payment channel, as the node knows it. */
export type Channel = z.output<typeof channelSchema>;

export const newKeySchema = z.object({
  keyId: z.string(),
  secret: z.string(),
  signer: lowerAddress,
  payee: lowerAddress,
  channels: lowerAddress,
  chainId: z.int(),
});

export const datanetSchema = z.object({ datanetId: z.string(), license: z.string().min(1).max(64), signing });

export const reportSchema = z.object({
  contributionId: z.int(),
  datanetId: z.string(),
  contributor: addressSchema,
  split: z.enum(["train", "heldout"]),
  license: z.string(),
  consentDigest: digestSchema,
  exampleCount: z.int(),
  accepted: z.int(),
  duplicates: z.int(),
  /** Wait for curators; were turned down by them; are kept out by the Datanet's rules. */
  pending: z.int(),
  rejected: z.int(),
  refused: z.int(),
  rows: z.array(
    z.object({
      line: z.int(),
      digest: digestSchema,
      status: z.enum(["accepted", "duplicate", "near-duplicate", "refused", "pending", "rejected"]),
      duplicateOf: z
        .object({ contributionId: z.int(), contributor: addressSchema, line: z.int() })
        .optional(),
    }),
  ),
});

/** What became of a contribution's rows, the first hundred of them one by one. */
export type Report = z.output<typeof reportSchema>;

const factsSchema = z.object({
  request_id: z.string().nullable(),
  release: digestSchema.nullable(),
  receipt: z.string().nullable(),
  fee_wei: weiSchema,
  seed: z.int(),
});
const finishSchema = z.enum(["stop", "length"]);
const usageSchema = z.object({ prompt_tokens: z.int(), completion_tokens: z.int() });

export const chatSchema = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }), finish_reason: finishSchema })]),
  system_fingerprint: z.string(),
  usage: usageSchema,
  openledger: factsSchema,
});

export const chunkSchema = z.object({
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().optional() }), finish_reason: finishSchema.nullable() }),
  ),
  system_fingerprint: z.string().optional(),
  usage: usageSchema.nullish(),
  openledger: factsSchema.optional(),
});

export type Facts = z.output<typeof factsSchema>;
export type Usage = z.output<typeof usageSchema>;
export type FinishReason = z.output<typeof finishSchema>;
