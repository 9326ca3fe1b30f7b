/** Tokens to text as they come, in whole characters. */
import type { Tokenizer } from "../engine/index.ts";

/** Stands at the end of a decoded text when its last bytes begin a character but do not finish it. */
const replacement = "\uFFFD";

/** Tokens after which a text that never reaches the end of a character is no longer decoded from the last such end. */
const maxWindow = 512;
/** Tokens kept then: more than any character has, so that one being written can still become whole. */
const keptTokens = 8;

export type Detokenizer = {
  /** Takes a token, returns the characters that are now whole. */
  push(id: number): string;
};

/**
 * What has been returned is never taken back: all parts joined are `decode(ids)` of all tokens, without a character left
 * unfinished at the end.
 *
 * A tokenizer's `decode` treats the start of a text specially (some drop a leading space), so new tokens are decoded
 * together with the part before them, and only what that adds is returned. One token's work does not grow with the text.
 */
export function createDetokenizer(tokenizer: Pick<Tokenizer, "decode">): Detokenizer {
  /** Tokens since the last but one place where a character ended. */
  let window: number[] = [];
  /** Number of tokens in the window up to the last such place. */
  let whole = 0;
  /** What of the window's text has been returned. */
  let sent = "";
  return {
    push(id) {
      window.push(id);
      const text = tokenizer.decode(window);
      const unfinished = text.endsWith(replacement);
      const ready = unfinished ? text.slice(0, -1) : text;
      const part = ready.slice(commonPrefix(sent, ready));
      if (unfinished) {
        if (sent.length < ready.length) sent = ready;
        if (window.length >= maxWindow) {
          window = window.slice(-keptTokens);
          whole = 0;
          sent = tokenizer.decode(window).slice(0, -1);
        }
        return part;
      }
      sent = ready;
      if (part !== "" || window.length >= maxWindow) {
        window = window.slice(whole);
        whole = window.length;
        sent = tokenizer.decode(window);
      }
      return part;
    },
  };
}

/** Length of what both begin with, in UTF-16 code units; never inside a surrogate pair. */
function commonPrefix(a: string, b: string): number {
  if (b.startsWith(a)) return a.length;
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length > 0 && /[\uD800-\uDBFF]/.test(b[length - 1] as string) ? length - 1 : length;
}
