/** Answers as a model writes them, greedily, to be held against what its rows say. */
import {
  type Adapter,
  argmax,
  ChatError,
  type Checkpoint,
  createDecoder,
  type Example,
  promptTokens,
} from "../engine/index.ts";

/** Rows that an evaluation writes answers for: each takes a pass for every token. */
export const answersMax = 48;
/** Rows written at once; tokens of an answer at most. */
const rowsAtOnce = 8;
const answerTokensMax = 128;

const partsOf = (example: Example) => {
  if ("prompt" in example)
    return { prompt: { prompt: example.prompt }, reference: example.completion, ends: false };
  const last = example.messages.at(-1);
  return { prompt: { messages: example.messages.slice(0, -1) }, reference: last?.content ?? "", ends: true };
};

/** Passes that writing answers to examples takes: every batch writes until its longest is done. */
export function answerPasses(base: Checkpoint, examples: readonly Example[]): number {
  const most = examples.map((example) => {
    const { reference, ends } = partsOf(example);
    return tokensMax(base.tokenizer.encode(reference).length, ends);
  });
  let passes = 0;
  for (let at = 0; at < most.length; at += rowsAtOnce) passes += Math.max(...most.slice(at, at + rowsAtOnce));
  return passes;
}

/** A text to complete has no end of its own: as many tokens are written as the reference has. */
const tokensMax = (reference: number, ends: boolean): number =>
  Math.min(answerTokensMax, ends ? 2 * reference + 16 : reference);

/** What each of the examples that can be read says, and what the model writes in its place. */
export async function writeAnswers(
  base: Checkpoint,
  adapter: Adapter,
  examples: readonly Example[],
  maxLength: number,
  threads: number,
  onAnswers: (done: number) => void = () => {},
): Promise<{ answer: string; reference: string }[]> {
  const { tokenizer } = base;
  const asked = examples.flatMap((example) => {
    const { prompt, reference, ends } = partsOf(example);
    try {
      const most = tokensMax(tokenizer.encode(reference).length, ends);
      const ids = promptTokens(tokenizer, prompt).slice(-(maxLength - most));
      return ids.length === 0 || most === 0 ? [] : [{ ids, most, reference }];
    } catch (error) {
      if (error instanceof ChatError) return [];
      throw error;
    }
  });
  if (asked.length === 0) return [];
  const { rank, modules } = adapter.config;
  const decoder = await createDecoder(base, { rank, modules, maxRows: rowsAtOnce, maxLength, threads });
  const packed = decoder.pack(adapter);
  const written: { answer: string; reference: string }[] = [];
  for (let from = 0; from < asked.length; from += rowsAtOnce) {
    const part = asked.slice(from, from + rowsAtOnce);
    const tokens: number[][] = part.map(() => []);
    const over = part.map(() => false);
    let logits = await decoder.prefill(part.map(({ ids }) => ({ ids, adapter: packed })));
    for (;;) {
      const next = logits.map((row) => argmax(row));
      next.forEach((token, row) => {
        if (over[row]) return;
        if (tokenizer.eosIds.includes(token)) over[row] = true;
        else tokens[row]?.push(token);
        if ((tokens[row]?.length ?? 0) >= (part[row]?.most ?? 0)) over[row] = true;
      });
      const room = part.every((_, row) => decoder.length(row) < maxLength);
      if (over.every(Boolean) || !room) break;
      logits = await decoder.decode(next);
    }
    for (let row = part.length - 1; row >= 0; row--) decoder.remove(row);
    part.forEach(({ reference }, row) => {
      written.push({ answer: tokenizer.decode(tokens[row] as number[]), reference });
    });
    onAnswers(written.length);
  }
  return written;
}
