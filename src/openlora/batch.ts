/** The rows that are generated together, and the decoder that advances them. */
import { areFinite, type Decoder, type Sampler } from "../engine/index.ts";
import type { Answer, AnswerEnd } from "./answer.ts";
import { OpenLoraError } from "./errors.ts";

/** An answer that takes part in the batch. */
export type Participant = {
  readonly promptIds: readonly number[];
  /** Slot of its adapter; 0 is the base model. */
  readonly slot: number;
  /** What it runs under, in errors. */
  readonly model: string;
  readonly sampler: Sampler;
  readonly answer: Answer;
  /** It leaves at the next step. */
  cancelled(): boolean;
  /** Called once, when it has left: with how its answer ended, or with why it could not go on. */
  left(end: AnswerEnd | OpenLoraError): void;
};

export type BatchMetrics = {
  promptTokensTotal: number;
  prefillSecondsTotal: number;
  /** Steps that advanced the batch, and the rows advanced by all of them. */
  decodeStepsTotal: number;
  decodeRowsTotal: number;
  decodeSecondsTotal: number;
};

export type Batch = {
  readonly size: number;
  /** Takes the next of `waiting` in while their prompts fit into one step, then advances every row by a token. */
  step(waiting: Participant[]): Promise<void>;
  /** Takes every row out for this reason; not to be called during a step. */
  clear(why: OpenLoraError): void;
  metrics(): BatchMetrics;
};

type Row = { readonly participant: Participant; token: number };

/**
 * A failure of the decoder ends every row with `engine-failed`; the batch goes on empty.
 *
 * @param prefillTokens prompt tokens taken in before answers under way advance again; a longer prompt is taken in whole
 */
export function createBatch(
  decoder: Pick<Decoder, "prefill" | "decode" | "remove" | "rows">,
  prefillTokens: number,
): Batch {
  /** By the decoder's row numbers. */
  const rows: Row[] = [];
  const totals: BatchMetrics = {
    promptTokensTotal: 0,
    prefillSecondsTotal: 0,
    decodeStepsTotal: 0,
    decodeRowsTotal: 0,
    decodeSecondsTotal: 0,
  };

  function chooseToken(row: Row, logits: Float32Array | undefined): AnswerEnd | OpenLoraError | undefined {
    const { participant } = row;
    if (participant.cancelled()) return participant.answer.cancel();
    if (logits === undefined) return undefined;
    if (!areFinite(logits)) {
      const tokens = participant.promptIds.length + participant.answer.outputIds.length;
      return new OpenLoraError(
        "engine-failed",
        `After ${tokens} tokens ${participant.model} gives values that are not numbers.`,
      );
    }
    const choice = participant.sampler.choose(logits);
    if (choice === undefined)
      return new OpenLoraError("engine-failed", "No token may follow what the answer has so far.");
    row.token = choice.id;
    return participant.answer.push(choice);
  }

  /** Moves rows on by one token each; without logits only cancelled rows leave. The last row takes the number of one that left. */
  function settleRows(from: number, logits: readonly Float32Array[]): void {
    for (let number = rows.length - 1; number >= from; number--) {
      const row = rows[number] as Row;
      const end = chooseToken(row, logits[number - from]);
      if (end === undefined) continue;
      decoder.remove(number);
      const last = rows.pop() as Row;
      if (number < rows.length) rows[number] = last;
      row.participant.left(end);
    }
  }

  /** One prompt at a time: prompts of different lengths would be padded, and their logits would depend on each other's lengths. */
  async function join(participant: Participant): Promise<void> {
    rows.push({ participant, token: 0 });
    const began = performance.now();
    const logits = await decoder.prefill([{ ids: participant.promptIds, slot: participant.slot }]);
    totals.prefillSecondsTotal += (performance.now() - began) / 1_000;
    totals.promptTokensTotal += participant.promptIds.length;
    settleRows(rows.length - 1, logits);
  }

  async function advance(): Promise<void> {
    const began = performance.now();
    const logits = await decoder.decode(rows.map(({ token }) => token));
    totals.decodeSecondsTotal += (performance.now() - began) / 1_000;
    totals.decodeStepsTotal++;
    totals.decodeRowsTotal += rows.length;
    settleRows(0, logits);
  }

  function clear(why: OpenLoraError): void {
    while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
    for (const { participant } of rows.splice(0)) participant.left(why);
  }

  return {
    clear,
    get size() {
      return rows.length;
    },
    async step(waiting) {
      try {
        settleRows(0, []);
        let taken = 0;
        for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
          if (taken > 0 && taken + next.promptIds.length > prefillTokens) break;
          taken += next.promptIds.length;
          waiting.shift();
          await join(next);
        }
        if (rows.length > 0) await advance();
      } catch (cause) {
        const message = `The engine failed: ${(cause as Error).message}`;
        clear(new OpenLoraError("engine-failed", message, {}, { cause }));
      }
    },
    metrics: () => ({ ...totals }),
  };
}
