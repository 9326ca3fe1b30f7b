/**
 * The rows that are generated together, and the decoder that advances them. Rows whose prompt is still being taken in stand behind those
 * that are being answered: [answering … | filling …].
 */
import { areFinite, type Choice, type Decoder, type PackedAdapter, type Sampler } from "../engine/index.ts";
import type { Answer, AnswerEnd } from "./answer.ts";
import { OpenLoraError } from "./errors.ts";
import type { Constraint } from "./grammars.ts";
import type { PrefixCache, PrefixCacheMetrics } from "./prefix-cache.ts";

/** An answer that takes part in the batch. */
export type Participant = {
  readonly promptIds: readonly number[];
  /** Undefined for the base model. */
  readonly adapter: PackedAdapter | undefined;
  /** What it runs under, in errors and as part of what a prompt's beginning is kept by. */
  readonly model: string;
  readonly sampler: Sampler;
  /** What holds it to a format, if it asked for one. */
  readonly constraint: Constraint | undefined;
  readonly answer: Answer;
  /** It leaves at the next step. */
  cancelled(): boolean;
  /** Called once its row has a copy of the adapter. */
  joined(): void;
  /** Called once, when it has left: with how its answer ended, or with why it could not go on. */
  left(end: AnswerEnd | OpenLoraError): void;
};

export type BatchMetrics = PrefixCacheMetrics & {
  /** Prompt tokens computed; those that a kept beginning spared are not among them. */
  promptTokensTotal: number;
  prefillSecondsTotal: number;
  /** Steps that advanced the batch, and the rows advanced by all of them. */
  decodeStepsTotal: number;
  decodeRowsTotal: number;
  decodeSecondsTotal: number;
};

export type BatchDecoder = Pick<
  Decoder,
  "rows" | "open" | "feed" | "decode" | "swap" | "remove" | "readCache" | "writeCache"
>;

export type BatchOptions = {
  /** Prompt tokens computed between two steps of the answers under way. */
  readonly prefillTokens: number;
  /** Prompts are taken in alone, in pieces that end at multiples of this: what a deterministic decoder needs. */
  readonly prefillChunk: number | undefined;
  readonly prefixes: PrefixCache;
};

export type Batch = {
  readonly size: number;
  /** Takes in as much of prompts, those of `waiting` too, as one step may, then advances every answer by a token. */
  step(waiting: Participant[]): Promise<void>;
  /** Takes every row out for this reason; not to be called during a step. */
  clear(why: OpenLoraError): void;
  metrics(): BatchMetrics;
};

type Row = {
  /** Without its adapter: the row has a copy, and memory is for those that come next. */
  readonly participant: Omit<Participant, "adapter">;
  /** Prompt tokens taken in. */
  fed: number;
  /** The token chosen last. */
  token: number;
};

/** Rows fed together may be padded to the longest piece; at least this part of what is computed must be wanted. */
const leastWanted = 0.6;

const unfed = ({ participant, fed }: Row) => participant.promptIds.length - fed;

/** A failure of the decoder ends every row with `engine-failed`; the batch goes on empty. */
export function createBatch(decoder: BatchDecoder, options: BatchOptions): Batch {
  const { prefixes, prefillTokens, prefillChunk } = options;
  /** By the decoder's row numbers. */
  const rows: Row[] = [];
  /** The first so many rows are being answered. */
  let answering = 0;
  const totals = {
    promptTokensTotal: 0,
    prefillSecondsTotal: 0,
    decodeStepsTotal: 0,
    decodeRowsTotal: 0,
    decodeSecondsTotal: 0,
  };

  function swap(a: number, b: number): void {
    decoder.swap(a, b);
    [rows[a], rows[b]] = [rows[b] as Row, rows[a] as Row];
  }

  function remove(number: number, end: AnswerEnd | OpenLoraError): void {
    const { participant } = rows[number] as Row;
    let at = number;
    if (number < answering) {
      answering--;
      if (answering < rows.length - 1) {
        swap(number, answering);
        at = answering;
      }
    }
    decoder.remove(at);
    const last = rows.pop() as Row;
    if (at < rows.length) rows[at] = last;
    participant.left(end);
  }

  /** @returns how the answer ends with the token that these logits choose, if it does */
  function chooseToken(row: Row, logits: Float32Array): AnswerEnd | OpenLoraError | undefined {
    const { participant } = row;
    if (participant.cancelled()) return participant.answer.cancel();
    if (!areFinite(logits)) {
      const tokens = participant.promptIds.length + participant.answer.outputIds.length;
      return new OpenLoraError(
        "engine-failed",
        `After ${tokens} tokens ${participant.model} gives values that are not numbers.`,
      );
    }
    const { constraint } = participant;
    let choice: Choice | undefined;
    try {
      choice = participant.sampler.choose(logits, constraint?.mask());
    } catch (error) {
      if (error instanceof OpenLoraError) return error;
      throw error;
    }
    if (choice === undefined)
      return new OpenLoraError("engine-failed", "No token may follow what the answer has so far.");
    row.token = choice.id;
    const end = participant.answer.push(choice);
    if (end === undefined) constraint?.accept(choice.id);
    return end;
  }

  /** Opens a row, with the beginning of its prompt if that is kept. */
  function join({ adapter, ...participant }: Participant): Row {
    const number = decoder.open(adapter);
    participant.joined();
    const row: Row = { participant, fed: 0, token: 0 };
    rows.push(row);
    const blocks = prefixes.find(participant.model, participant.promptIds);
    decoder.writeCache(number, blocks, prefixes.blockTokens);
    row.fed = blocks.length * prefixes.blockTokens;
    return row;
  }

  /** The pieces that the first filling rows take in together. */
  function choosePieces(budget: number): number[][] {
    const filling = rows.slice(answering);
    const piece = (row: Row, most: number) => row.participant.promptIds.slice(row.fed, row.fed + most);
    const [first] = filling as [Row];
    if (prefillChunk !== undefined) return [piece(first, prefillChunk - (first.fed % prefillChunk))];
    let chosen = [piece(first, budget)];
    for (let count = 2; count <= filling.length && count <= budget; count++) {
      const pieces = filling.slice(0, count).map((row) => piece(row, Math.floor(budget / count)));
      const wanted = pieces.reduce((sum, { length }) => sum + length, 0);
      if (wanted < leastWanted * count * Math.max(...pieces.map(({ length }) => length))) break;
      chosen = pieces;
    }
    return chosen;
  }

  /** Opens rows for those who wait, as far as one step's budget has work for. */
  function admit(waiting: Participant[], budget: number): void {
    let open = rows.slice(answering).reduce((sum, row) => sum + unfed(row), 0);
    while (open < budget) {
      const next = waiting.shift();
      if (next === undefined) return;
      open += unfed(join(next));
    }
  }

  async function fill(waiting: Participant[]): Promise<void> {
    for (let budget = prefillTokens; budget > 0; ) {
      admit(waiting, budget);
      if (answering === rows.length) return;
      const pieces = choosePieces(budget);
      const began = performance.now();
      const logits = await decoder.feed(answering, pieces);
      totals.prefillSecondsTotal += (performance.now() - began) / 1_000;
      const taken = pieces.reduce((sum, { length }) => sum + length, 0);
      totals.promptTokensTotal += taken;
      budget -= taken;
      const fed = pieces.map((piece, i) => {
        const row = rows[answering + i] as Row;
        row.fed += piece.length;
        return { row, logits: logits[i] as Float32Array };
      });
      for (const { row, logits: own } of fed) if (unfed(row) === 0) begin(row, own);
    }
  }

  /** A row whose prompt is in chooses its first token and joins those being answered. */
  function begin(row: Row, logits: Float32Array): void {
    const number = rows.indexOf(row);
    const { model, promptIds } = row.participant;
    if (areFinite(logits)) prefixes.keep(model, promptIds, (from, to) => decoder.readCache(number, from, to));
    const end = chooseToken(row, logits);
    if (end !== undefined) {
      remove(number, end);
      return;
    }
    if (number !== answering) swap(number, answering);
    answering++;
  }

  async function advance(): Promise<void> {
    const began = performance.now();
    const logits = await decoder.decode(rows.slice(0, answering).map(({ token }) => token));
    totals.decodeSecondsTotal += (performance.now() - began) / 1_000;
    totals.decodeStepsTotal++;
    totals.decodeRowsTotal += answering;
    // From the last to the first: a row that leaves is replaced by one that has been seen.
    for (let number = answering - 1; number >= 0; number--) {
      const end = chooseToken(rows[number] as Row, logits[number] as Float32Array);
      if (end !== undefined) remove(number, end);
    }
  }

  function clear(why: OpenLoraError): void {
    while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
    answering = 0;
    for (const { participant } of rows.splice(0)) participant.left(why);
  }

  return {
    clear,
    get size() {
      return rows.length;
    },
    async step(waiting) {
      try {
        for (let number = rows.length - 1; number >= 0; number--) {
          const { participant } = rows[number] as Row;
          if (participant.cancelled()) remove(number, participant.answer.cancel());
        }
        await fill(waiting);
        if (answering > 0) await advance();
      } catch (cause) {
        const message = `The engine failed: ${(cause as Error).message}`;
        clear(new OpenLoraError("engine-failed", message, {}, { cause }));
      }
    },
    metrics: () => ({ ...totals, ...prefixes.metrics() }),
  };
}
