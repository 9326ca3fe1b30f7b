/** One answer being written: from chosen tokens to pieces of text, and to its end. */
import type { Choice, Tokenizer } from "../engine/index.ts";
import { createDetokenizer } from "./detokenizer.ts";
import type { FinishReason, Piece, TokenChance, TokenLogprob } from "./request.ts";
import { createStopStrings } from "./stop-strings.ts";

export type AnswerEnd = { readonly finishReason: FinishReason; readonly endedByEos: boolean };

export type Answer = {
  readonly outputIds: readonly number[];
  /** One for each of `outputIds`, where the sampler reports them. */
  readonly logprobs: readonly TokenLogprob[];
  readonly text: string;
  /** Takes the next chosen token. @returns how the answer ended, if this token ended it */
  push(choice: Choice): AnswerEnd | undefined;
  /** Ends the answer early. Text that was held back for a stop string comes out. */
  cancel(): AnswerEnd;
};

export function createAnswer(
  tokenizer: Pick<Tokenizer, "decode" | "eosIds" | "vocabulary">,
  { stop, maxTokens }: { readonly stop: readonly string[]; readonly maxTokens: number },
  emit: (piece: Piece) => void,
): Answer {
  const detokenizer = createDetokenizer(tokenizer);
  const stops = createStopStrings(stop);
  const outputIds: number[] = [];
  const logprobs: TokenLogprob[] = [];
  let text = "";
  const hand = (part: string) => {
    text += part;
    if (part !== "") emit({ text: part, ids: [] });
  };
  const chance = (id: number, logprob: number): TokenChance => {
    const { bytes, name } = tokenizer.vocabulary;
    return { id, token: name(id), bytes: [...bytes(id)], logprob };
  };
  const handToken = (part: string, { id, chances }: Choice) => {
    text += part;
    if (chances === undefined) {
      emit({ text: part, ids: [id] });
      return;
    }
    const top = chances.top.map((other) => chance(other.id, other.logprob));
    logprobs.push({ ...chance(id, chances.logprob), top });
    emit({ text: part, ids: [id], logprobs: logprobs.slice(-1) });
  };
  return {
    outputIds,
    logprobs,
    get text() {
      return text;
    },
    push(choice) {
      const { id } = choice;
      if (tokenizer.eosIds.includes(id)) {
        hand(stops.flush());
        return { finishReason: "stop", endedByEos: true };
      }
      outputIds.push(id);
      const { text: part, stopped } = stops.push(detokenizer.push(id));
      const full = outputIds.length >= maxTokens;
      handToken(full && !stopped ? part + stops.flush() : part, choice);
      if (stopped) return { finishReason: "stop", endedByEos: false };
      return full ? { finishReason: "length", endedByEos: false } : undefined;
    },
    cancel() {
      hand(stops.flush());
      return { finishReason: "cancelled", endedByEos: false };
    },
  };
}
