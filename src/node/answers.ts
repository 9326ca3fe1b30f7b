/** What every question about a paid answer has in common: who may ask, which answer it is, and how a refusal reads. */
import { z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { AnswerEvidence, Inference } from "../inference/index.ts";
import type { Release } from "../modelfactory/index.ts";
import { PaymentError, PaymentRequiredError, type Payments } from "../payments/index.ts";
import { type Digest, digestSchema, type ReceiptBundle } from "../protocol/index.ts";

export type AnswerServices = {
  readonly payments: Pick<Payments, "authenticate">;
  readonly inference: Pick<Inference, "evidence">;
  /** Undefined for a receipt that is not here. */
  readonly receipt: (id: Digest) => Promise<Pick<ReceiptBundle, "receipt" | "query" | "scores"> | undefined>;
  /** Undefined for a release that is not here. */
  readonly release: (id: Digest) => Promise<Pick<Release, "id" | "manifest" | "contributors"> | undefined>;
};

/** A paid answer with its receipt and the release that gave it. */
export type PaidAnswer = {
  readonly id: Digest;
  readonly bundle: Pick<ReceiptBundle, "receipt" | "query" | "scores">;
  readonly evidence: AnswerEvidence;
  readonly release: Pick<Release, "id" | "manifest" | "contributors">;
  /** Who asks about it: who paid has not accepted the terms of the data behind it. */
  readonly asker: "payer" | "operator";
};

/** The question cannot be answered; nothing is wrong with who asks. */
export class AnswerError extends Error {
  override name = "AnswerError";
  readonly status: 404 | 503;
  readonly code: string;

  constructor(status: 404 | 503, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});

/** A query parameter: a whole number from 1 to `most`, of at most three digits. */
export const limitText = (most: number, example: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,2}$/, `expected a whole number from 1 to ${most}`)
    .transform(Number)
    .refine((value) => value <= most, `expected a whole number from 1 to ${most}`)
    .optional()
    .openapi({ type: "string", example });

export const answerParams = z.object({ receipt: digestSchema });

export const answerFailures = {
  401: json(errorOut, "Neither the operator nor who paid"),
  404: json(errorOut, "There is no such receipt here, not its answer, or not what is asked about it"),
  503: json(errorOut, "Not yet; Retry-After says when to come back"),
};

const retryAfterSeconds = "5";

/**
 * Answers for the API key that paid and for the operator: both may see the answer's text.
 *
 * @param ask may throw AnswerError
 */
export async function answered<T>(
  services: AnswerServices,
  guard: MiddlewareHandler,
  context: Context,
  id: Digest,
  ask: (answer: PaidAnswer) => Promise<T>,
): Promise<T | Response> {
  try {
    const bundle = await services.receipt(id);
    const paid =
      bundle !== undefined && (await hasPaid(services, context.req.header("authorization"), bundle.receipt));
    // Who may not see the answer is not told either whether there is one.
    if (!paid) {
      const refused = await guard(context, async () => {});
      if (refused instanceof Response) return refused.status === 401 ? context.json(notForYou, 401) : refused; // a key is told what it lacks
    }
    if (bundle === undefined) throw missing(`The receipt ${id}`);
    const evidence = await services.inference.evidence(id);
    if (evidence === undefined) throw missing(`The answer of receipt ${id}`);
    const { releaseId } = bundle.receipt;
    const release = await services.release(releaseId);
    if (release === undefined) throw missing(`The release ${releaseId}`);
    return await ask({ id, bundle, evidence, release, asker: paid ? "payer" : "operator" });
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    const { code, message, status } = error;
    return context.json(
      { error: { code, message } },
      status,
      status === 503 ? { "retry-after": retryAfterSeconds } : {},
    );
  }
}

const notForYou = {
  error: {
    code: "operator-only",
    message:
      "This is for who paid for the answer, by the API key that paid, and for the operator. There is no such receipt here, or another key paid for it.",
  },
};

const missing = (what: string) => new AnswerError(404, "unknown-receipt", `${what} is not here.`);

/** Whether this API key belongs to the channel that paid. */
export async function hasPaid(
  { payments }: { readonly payments: Pick<Payments, "authenticate"> },
  authorization: string | undefined,
  { channelId }: { readonly channelId: Digest },
): Promise<boolean> {
  if (authorization === undefined) return false;
  try {
    return (await payments.authenticate({ authorization })).channelId === channelId;
  } catch (error) {
    // Whatever does not pay here did not pay for that answer; anything else is not about the payer.
    if (error instanceof PaymentRequiredError || error instanceof PaymentError) return false;
    throw error;
  }
}
