import { z } from "@hono/zod-openapi";
import type { Digest } from "../protocol/index.ts";
import type { Channel } from "./channel.ts";
import type { KeyStatus } from "./keys.ts";
import type { Usage } from "./request.ts";
import type { Payments } from "./service.ts";

/** What goes over HTTP: amounts are decimal strings of wei, hex is lower-case, times say their unit. */

const wei = z.string().openapi({ example: "1000000000000000000", description: "wei" });
const hexOut = z.string().openapi({ example: "0xab…" });

export const channelIdText: z.ZodType<Digest> = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "expected 0x and 64 hex digits")
  .transform((text) => text.toLowerCase() as Digest)
  .openapi({ type: "string", example: `0x${"ab".repeat(32)}` });

export const sinceText = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,15})$/, "expected epoch milliseconds")
  .transform(Number)
  .pipe(z.number().int().max(Number.MAX_SAFE_INTEGER))
  .openapi({ type: "integer", example: 0 });

export const errorOut = z
  .object({ error: z.object({ code: z.string(), message: z.string() }) })
  .openapi("PaymentError");

export const paymentRequiredOut = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.literal("payment_required"),
      param: z.null(),
      code: z.string(),
      details: z.record(z.string(), z.string()),
    }),
  })
  .openapi("PaymentRequired");

export const newKeyOut = z
  .object({
    keyId: z.string(),
    secret: z.string().openapi({ description: "Shown once: only its digest is kept" }),
    signer: hexOut.openapi({ description: "Name it as the channel's signer" }),
    payee: hexOut,
    channels: hexOut.openapi({ description: "The contract PaymentChannels" }),
    chainId: z.number(),
  })
  .openapi("NewKey");

export const channelOut = z
  .object({
    channelId: hexOut,
    payer: hexOut,
    payee: hexOut,
    signer: hexOut,
    signerLimitWei: wei,
    depositWei: wei,
    collectedWei: wei,
    chargedWei: wei,
    reservedWei: wei.openapi({ description: "What requests under way may cost at most" }),
    voucherAboveWei: wei.openapi({ description: "A voucher sent with a request must be for more than this" }),
    closesAtSec: z.number(),
    state: z.enum(["open", "closing", "closed"]),
    signing: z.object({ chainId: z.number(), verifyingContract: hexOut }),
  })
  .openapi("Channel");

export const keyOut = z
  .object({
    keyId: z.string(),
    label: z.string(),
    state: z.enum(["waiting", "active", "closing", "closed", "revoked"]).openapi({
      description: "`waiting` for its channel; `closing` and `closed` as that is: it buys nothing then",
    }),
    signer: hexOut,
    channelId: hexOut.nullable(),
    remainingWei: wei.openapi({ description: "What it may still spend; what is reserved is not in it" }),
    reservedWei: wei.openapi({
      description: "What answers under way on its channel may cost at most: all but their fees comes back",
    }),
    createdAtMs: z.number(),
  })
  .openapi("Key");

export const usageOut = z
  .object({
    requests: z.number(),
    chargedWei: wei,
    promptTokens: z.number(),
    completionTokens: z.number(),
  })
  .openapi("Usage");

export function channelJson(
  channel: Channel,
  { domain }: Pick<Payments, "domain">,
): z.input<typeof channelOut> {
  return {
    channelId: channel.channelId,
    payer: channel.payer,
    payee: channel.payee,
    signer: channel.signer,
    signerLimitWei: channel.signerLimit.toString(),
    depositWei: channel.deposit.toString(),
    collectedWei: channel.collected.toString(),
    chargedWei: channel.charged.toString(),
    reservedWei: channel.reserved.toString(),
    voucherAboveWei: channel.published.toString(),
    closesAtSec: channel.closesAtSec,
    state: channelState(channel),
    signing: { chainId: domain.chainId, verifyingContract: domain.verifyingContract },
  };
}

const channelState = ({ closed, closesAtSec }: Channel) =>
  closed ? "closed" : closesAtSec === 0 ? "open" : "closing";

function keyState({ revokedAtMs, channel }: KeyStatus): z.input<typeof keyOut>["state"] {
  if (revokedAtMs !== null) return "revoked";
  if (channel === null) return "waiting";
  const state = channelState(channel);
  return state === "open" ? "active" : state;
}

export function keyJson(key: KeyStatus): z.input<typeof keyOut> {
  const { keyId, label, signer, channelId, remainingWei, channel, createdAtMs } = key;
  const state = keyState(key);
  const reservedWei = (channel?.reserved ?? 0n).toString();
  return {
    ...{ keyId, label, state, signer, channelId },
    ...{ remainingWei: remainingWei.toString(), reservedWei, createdAtMs },
  };
}

export function usageJson(usage: Usage): z.input<typeof usageOut> {
  return { ...usage, chargedWei: usage.chargedWei.toString() };
}
