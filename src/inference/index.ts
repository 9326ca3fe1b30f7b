/**
 * # inference: paid answers, and their receipts
 *
 * One durable pipeline per paid answer, one transaction per step:
 *
 *     reserve ─► generate ─► score ─► charge ─► receipt
 *     └ answering: while the asker waits ┘    └ receipting: a job, after the answer ┘
 *
 * - **reserve**: the price of the longest answer is set aside in the payer's channel. A crash, an error or an asker who leaves before
 *   anything was delivered gives it back: nothing is charged.
 * - **generate**: from the moment the answer is written with its fee, its receipt is certain: the job is promised in the same
 *   transaction. A stream that is broken off is an answer of the length it had.
 * - **score, charge, receipt**: the job goes on where it was, in this process or the next. Charges of one channel are receipted in the
 *   order of their intervals. The fee is the release's price for the tokens there are: the prompt's, and those generated without the
 *   end mark. An answer without a token, or one whose payer opted out, pays its influence part to the common pools.
 *
 * The **base model is free**: it costs nothing, needs no key, leaves no record and has no receipt; so does a release whose price is
 * zero. Free askers share one turn in OpenLoRA's queue, so they cannot crowd out those who pay.
 *
 * An **Idempotency-Key** belongs to a payer (API key or channel). The same key with the same body gives the stored answer and is paid
 * once; with another body it is an error; while the first request is being answered it is 409. A request that failed gives its key back.
 *
 * Several **choices** are answers of their own, each with its record, charge and receipt; they are reserved together, generated side by
 * side and written together, so that a key stands for all of them or none.
 *
 * An **adapter the operator loads** by name is free and not attributed, like the base.
 *
 * - `request`, `messages`, `parameters`, `tool-request`, `body`: OpenAI's parameters, read strictly; what would be ignored is refused
 * - `tool-format`, `tool-parser`: how models write tool calls, and how they are read
 * - `answering`, `receipting`: the two halves of the pipeline; `generating`: the choices; `paid-request`: reserve, write, give up;
 *   `receipt`: who is paid what, and the signature
 * - `models`, `loaded-adapters`: who answers under a name
 * - `record`, `tables`: what is kept; `metrics`: counts and the attribution lag
 * - `ports`: what the composition root plugs in: releases, the chain's terms, where finished receipts go
 * - `embeddings`: texts as vectors; `asked`: a request back to tokens, for whoever checks its answer
 * - `service`, `routes`, `answer-route`, `operator-routes`, `schemas`, `answer-json`, `event-stream`, `errors`: the room's functions, and the same over
 *   HTTP in OpenAI's shapes
 */

export { attributionHeader, replayHeader, requestIdHeader } from "./answer-route.ts";
export type { Answer, Choice, Listener, Opening, Question } from "./answering.ts";
export { type Asked, askedTokens } from "./asked.ts";
export { type ErrorBody, InferenceError } from "./errors.ts";
export { type LoadedAdapter, type LoadedAdapters, openLoadedAdapters } from "./loaded-adapters.ts";
export { type InferenceMetrics, percentile } from "./metrics.ts";
export type { Models } from "./models.ts";
export type { DeliverReceipt, MaySell, ReadTerms, ReceiptTerms, Releases, ServedRelease } from "./ports.ts";
export type { OperatorAccount, Step } from "./receipt-steps.ts";
export type { AnswerEvidence, RequestRecord, RequestState } from "./record.ts";
export { type Ask, chatRequestSchema, textRequestSchema } from "./request.ts";
export { type InferenceRoutesOptions, inferenceRoutes } from "./routes.ts";
export { createInference, type Inference, type InferenceDependencies } from "./service.ts";
