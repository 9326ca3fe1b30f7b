/** One answer being written: from chosen tokens to pieces of text, and to its end. */
import type { Tokenizer } from "../engine/index.ts";
import { createDetokenizer } from "./detokenizer.ts";
import type { FinishReason, Piece } from "./request.ts";
import { createStopStrings } from "./stop-strings.ts";

export type AnswerEnd = { readonly finishReason: FinishReason; readonly endedByEos: boolean };

export type Answer = {
  readonly outputIds: readonly number[];
  readonly text: string;
  /** Takes the next chosen token. @returns how the answer ended, if this token ended it */
  push(id: number): AnswerEnd | undefined;
  /** Ends the answer early. Text that was held back for a stop string comes out. */
  cancel(): AnswerEnd;
};

export function createAnswer(
  tokenizer: Pick<Tokenizer, "decode" | "eosId">,
  { stop, maxTokens }: { readonly stop: readonly string[]; readonly maxTokens: number },
  emit: (piece: Piece) => void,
): Answer {
  const detokenizer = createDetokenizer(tokenizer);
  const stops = createStopStrings(stop);
  const outputIds: number[] = [];
  let text = "";
  const hand = (part: string, ids: readonly number[]) => {
    text += part;
    if (part !== "" || ids.length > 0) emit({ text: part, ids });
  };
  return {
    outputIds,
    get text() {
      return text;
    },
    push(id) {
      if (id === tokenizer.eosId) {
        hand(stops.flush(), []);
        return { finishReason: "stop", endedByEos: true };
      }
      outputIds.push(id);
      const { text: part, stopped } = stops.push(detokenizer.push(id));
      const full = outputIds.length >= maxTokens;
      hand(full && !stopped ? part + stops.flush() : part, [id]);
      if (stopped) return { finishReason: "stop", endedByEos: false };
      return full ? { finishReason: "length", endedByEos: false } : undefined;
    },
    cancel() {
      hand(stops.flush(), []);
      return { finishReason: "cancelled", endedByEos: false };
    },
  };
}
