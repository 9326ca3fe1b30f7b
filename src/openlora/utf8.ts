/** Which tokens keep a text well-formed UTF-8 (RFC 3629): a grammar compiler may let half characters and overlong ones pass. */

/**
 * What may follow, by state: first and last byte, and the state behind them. State 0 is between characters; 1 to 3 want that many more
 * bytes of any kind; the others forbid overlong forms, surrogates and what lies behind the last code point.
 */
const follow: readonly (readonly (readonly [first: number, last: number, next: number])[])[] = [
  [
    [0x00, 0x7f, 0],
    [0xc2, 0xdf, 1],
    [0xe0, 0xe0, 4],
    [0xe1, 0xec, 2],
    [0xed, 0xed, 5],
    [0xee, 0xef, 2],
    [0xf0, 0xf0, 6],
    [0xf1, 0xf3, 3],
    [0xf4, 0xf4, 7],
  ],
  [[0x80, 0xbf, 0]],
  [[0x80, 0xbf, 1]],
  [[0x80, 0xbf, 2]],
  [[0xa0, 0xbf, 1]],
  [[0x80, 0x9f, 1]],
  [[0x90, 0xbf, 2]],
  [[0x80, 0x8f, 2]],
];

/** The state after more bytes, or undefined where they cannot follow. */
export function utf8After(state: number, bytes: Iterable<number>): number | undefined {
  let at: number | undefined = state;
  for (const byte of bytes) {
    at = follow[at]?.find(([first, last]) => byte >= first && byte <= last)?.[2];
    if (at === undefined) return undefined;
  }
  return at;
}

/** @returns for a state, the tokens that may follow it, as a bit mask; between characters also those without bytes */
export function utf8Masks(tokens: readonly Uint8Array[]): (state: number) => Int32Array {
  const masks: (Int32Array | undefined)[] = [];
  return (state) => {
    let mask = masks[state];
    if (mask === undefined) {
      mask = new Int32Array(Math.ceil(tokens.length / 32));
      for (const [id, bytes] of tokens.entries())
        if ((bytes.length > 0 || state === 0) && utf8After(state, bytes) !== undefined)
          mask[id >> 5] = (mask[id >> 5] as number) | (1 << (id & 31));
      masks[state] = mask;
    }
    return mask;
  };
}
