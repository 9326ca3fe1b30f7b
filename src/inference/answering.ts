/** From a request to a written answer: reserve → generate. Nothing is charged here; what ends without an answer is released. */
import type { Attribution } from "../attribution/index.ts";
import type { OpenLora, TokenLogprob } from "../openlora/index.ts";
import type { Credentials, Payments } from "../payments/index.ts";
import type { Database } from "../store/index.ts";
import { InferenceError } from "./errors.ts";
import { type AnswerPiece, generateChoices } from "./generating.ts";
import type { Meter } from "./metrics.ts";
import type { Models, Target } from "./models.ts";
import { giveUp, newRequests, repeated, reserve, sameQuestion, write } from "./paid-request.ts";
import type { MaySell, Releases, ServedRelease } from "./ports.ts";
import type { Step } from "./receipt-steps.ts";
import type { Receipting } from "./receipting.ts";
import type { FinishReason, NewRequest, RequestRecord, WrittenAnswer } from "./record.ts";
import type { Ask } from "./request.ts";

/** A request with what came along with it. */
export type Question = {
  readonly ask: Ask;
  /** As received: its digest is in the receipts. */
  readonly body: Uint8Array;
  readonly credentials: Credentials;
  /** The same key again gives the same answer. */
  readonly idempotencyKey: string | null;
  /** Aborted when the asker leaves. */
  readonly signal: AbortSignal;
};

/** What is known when generation begins. */
export type Opening = {
  /** Of the first choice; the others' end in -1, -2, … Null for a free answer: nothing of it is kept. */
  readonly requestId: string | null;
  readonly release: ServedRelease | null;
  readonly createdAtMs: number;
  readonly replayed: boolean;
};

/** One of the answers that were asked for. */
export type Choice = {
  readonly requestId: string | null;
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[] | null;
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** What it costs; 0 for free answers. */
  readonly feeWei: bigint;
  /** "pending" until the receipt is there; null where none will be, because the answer is free. */
  readonly receipt: string | null;
  readonly seed: number;
  readonly fingerprint: string;
};

export type Answer = Opening & { readonly choices: readonly Choice[] };

export type Listener = {
  /** Hears that the request is accepted, before any piece. */
  onOpening?(opening: Opening): void;
  /** Hears every piece of every choice, by the choice's number. */
  onPiece?(choice: number, piece: AnswerPiece): void;
};

export type AnsweringParts = {
  readonly database: Database;
  readonly openlora: OpenLora;
  readonly attribution: Pick<Attribution, "prepare">;
  readonly payments: Pick<Payments, "authenticate" | "reserve" | "release">;
  readonly releases: Pick<Releases, "find">;
  readonly models: Pick<Models, "find">;
  readonly maySell: MaySell;
  readonly receipting: Receipting;
  readonly meter: Meter;
  readonly now: () => number;
  readonly afterStep: (step: Step, requestId: string, signal: AbortSignal) => Promise<void>;
  readonly log: (message: string) => void;
  /** Longest time an answer may take; it ends with what there is of it. */
  readonly answerMsMax: number;
};

/** Whose turn it is when several people ask the base model for nothing: they share one. */
const freeTenant = "free";

/** @throws InferenceError, OpenLoraError, PaymentRequiredError */
export async function answer(
  parts: AnsweringParts,
  question: Question,
  listener: Listener = {},
): Promise<Answer> {
  const target = await parts.models.find(question.ask.model);
  const { release } = target;
  if (release === null) return answerFree(parts, question, target, listener);
  const { promptWeiPerToken, completionWeiPerToken } = release.manifest.price;
  const isFree = BigInt(promptWeiPerToken) === 0n && BigInt(completionWeiPerToken) === 0n;
  return isFree
    ? answerFree(parts, question, target, listener)
    : answerPaid(parts, question, release, listener);
}

/** Tells of the opening with the first piece. */
function hearing(opening: Opening, listener: Listener) {
  let opened = false;
  return (choice: number, piece: AnswerPiece) => {
    if (!opened) listener.onOpening?.(opening);
    opened = true;
    if (piece.text !== "" || piece.logprobs?.length) listener.onPiece?.(choice, piece);
  };
}

async function answerFree(
  parts: AnsweringParts,
  { ask, signal }: Question,
  { release, adapter }: Target,
  listener: Listener,
): Promise<Answer> {
  const opening: Opening = { requestId: null, release, createdAtMs: parts.now(), replayed: false };
  const run = { adapter, tenant: freeTenant, signal };
  const { written } = await generateChoices(parts, ask, run, hearing(opening, listener));
  for (const _ of written) parts.meter.answered("free");
  return { ...opening, choices: written.map((one) => choiceOf(null, one, 0n, null)) };
}

function choiceOf(
  requestId: string | null,
  written: WrittenAnswer,
  feeWei: bigint,
  receipt: string | null,
): Choice {
  const { promptIds, outputIds, text, logprobs, finishReason, seed, fingerprint } = written;
  return {
    requestId,
    text,
    logprobs,
    finishReason,
    promptTokens: promptIds.length,
    completionTokens: outputIds.length,
    feeWei,
    receipt,
    seed,
    fingerprint,
  };
}

async function answerPaid(
  parts: AnsweringParts,
  question: Question,
  release: ServedRelease,
  listener: Listener,
): Promise<Answer> {
  const { ask, signal } = question;
  const payer = await parts.payments.authenticate(question.credentials);
  const before = await repeated(parts, question, payer);
  if (before.length > 0) return replay(parts, before, listener);
  const requests = await newRequests(parts, question, release, payer);
  await requireSale(parts, release);
  if (ask.attribution) await requireIndex(parts, release);
  using _places = parts.receipting.admit(requests.length);
  const others = await reserve(parts, requests, payer, question.body);
  if (others.length > 0) return replay(parts, sameQuestion(others, question), listener);
  const ids = requests.map(({ id }) => id);
  try {
    for (const id of ids) await parts.afterStep("reserved", id, signal);
    const [{ id: requestId, createdAtMs }] = requests as [NewRequest];
    const opening: Opening = { requestId, release, createdAtMs, replayed: false };
    const run = { adapter: release.manifest.adapter.digest, tenant: payer.channelId, signal };
    const { written, cutShort } = await generateChoices(parts, ask, run, hearing(opening, listener));
    const feesWei = await write(parts, release, requests, written);
    if (cutShort) parts.meter.cutShort();
    for (const id of ids) await parts.afterStep("generated", id, signal);
    for (const _ of written) parts.meter.answered("paid");
    const choices = written.map((one, at) => {
      const feeWei = feesWei[at] as bigint;
      return choiceOf(ids[at] as string, one, feeWei, feeWei === 0n ? null : "pending");
    });
    return { ...opening, choices };
  } catch (error) {
    await giveUp(parts, ids, error);
    throw error;
  }
}

/** What cannot be settled is not sold: it would hold up what follows it in its channel. @throws InferenceError 503 */
async function requireSale({ maySell }: AnsweringParts, { id, model }: ServedRelease): Promise<void> {
  if (await maySell(id)) return;
  throw new InferenceError(
    503,
    "not_attested",
    `Validators have not attested '${model}' (release ${id}), which this network asks for before answers of it are sold. Nothing is charged; its developer has it judged with: openledger release judge ${id}`,
    { retryAfterMs: 60_000 },
  );
}

/** What cannot be attributed is not sold: afterwards would be too late. @throws InferenceError 503 */
async function requireIndex({ attribution, log }: AnsweringParts, release: ServedRelease): Promise<void> {
  try {
    await attribution.prepare(release.id);
  } catch (cause) {
    log(`Release ${release.id} cannot be scored: ${(cause as Error).message}`);
    throw new InferenceError(
      503,
      "attribution_unavailable",
      `Answers of '${release.model}' cannot be attributed now: the index of its release is missing or not what was committed. Nothing is charged; ask the operator, or opt out of attribution.`,
      { retryAfterMs: 30_000, cause },
    );
  }
}

async function replay(
  parts: AnsweringParts,
  records: readonly RequestRecord[],
  listener: Listener,
): Promise<Answer> {
  const [{ id: requestId, releaseId, createdAtMs }] = records as [RequestRecord];
  const release = (await parts.releases.find(releaseId)) ?? null;
  const opening: Opening = { requestId, release, createdAtMs, replayed: true };
  const hear = hearing(opening, listener);
  const choices = records.map(({ id, answer: written, feeWei, receiptId, state }, at) => {
    if (written === null) throw new Error(`Request ${id} has no answer to give again.`);
    const { text, logprobs } = written;
    hear(at, logprobs === null ? { text } : { text, logprobs });
    parts.meter.answered("replayed");
    return choiceOf(id, written, feeWei ?? 0n, receiptId ?? (state === "released" ? null : "pending"));
  });
  return { ...opening, choices };
}
