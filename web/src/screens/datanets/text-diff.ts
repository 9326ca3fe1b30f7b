/** What changed from one text to another, word by word. No document is needed here. */

type Piece = { readonly change: "same" | "gone" | "new"; readonly text: string };

/** Words are compared with each other up to so many pairs; beyond, the middle is shown as exchanged whole. */
const pairsMax = 4_000_000;

const wordsOf = (text: string): string[] => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

/**
 * The pieces of both texts in order: those without what is new give the first text, those without what is gone the second. As much as can be
 * stays the same (longest common subsequence of words; Wagner and Fischer, 1974).
 */
export function textDiff(before: string, after: string): Piece[] {
  const [a, b] = [wordsOf(before), wordsOf(after)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const middle = changes(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const same = (words: string[]): Piece[] => words.map((text) => ({ change: "same", text }));
  return joined([...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))]);
}

function changes(a: readonly string[], b: readonly string[]): Piece[] {
  const exchanged: Piece[] = [
    { change: "gone", text: a.join("") },
    { change: "new", text: b.join("") },
  ];
  if (a.length * b.length > pairsMax) return exchanged;
  const width = b.length + 1;
  // At [i, j]: how many words what follows i in a and j in b have in common, in order.
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const pieces: Piece[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      pieces.push({ change: "same", text: a[i]! });
      i++;
      j++;
    } else if (j === b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!))
      pieces.push({ change: "gone", text: a[i++]! });
    else pieces.push({ change: "new", text: b[j++]! });
  }
  return pieces;
}

/** Neighbours of one kind become one piece; empty ones are left out. */
function joined(pieces: readonly Piece[]): Piece[] {
  const kept: { change: Piece["change"]; text: string }[] = [];
  for (const { change, text } of pieces) {
    const last = kept.at(-1);
    if (last?.change === change) last.text += text;
    else if (text !== "") kept.push({ change, text });
  }
  return kept;
}
