import { loadTokenizer, type Tokenizer } from "../engine/index.ts";

/** Counts a text's tokens as the base model does. Its tokenizer is read when something is counted first: rules that bound lengths are few. */
export function createTokenCount(baseModel: string): (text: string) => number {
  let tokenizer: Tokenizer | undefined;
  return (text) => {
    tokenizer ??= loadTokenizer(baseModel);
    return tokenizer.encode(text).length;
  };
}
