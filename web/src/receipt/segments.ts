/** A piece of an answer: plain, or part of a span that stands in the training data. */
export type Segment = { readonly text: string; readonly start: number; readonly span: number | null };

type Span = { readonly at: readonly { readonly start: number; readonly end: number }[] };

/**
 * An answer cut where spans begin and end. Where spans overlap, the first in the list has the piece: the node lists the rarest first.
 * Places outside the answer are left out.
 */
export function segmentsOf(answer: string, spans: readonly Span[]): Segment[] {
  const owner = new Int32Array(answer.length).fill(-1);
  for (let span = spans.length - 1; span >= 0; span--)
    for (const { start, end } of spans[span]?.at ?? [])
      if (start >= 0 && end <= answer.length) owner.fill(span, start, end);
  const segments: Segment[] = [];
  for (let start = 0; start < answer.length; ) {
    let end = start + 1;
    while (end < answer.length && owner[end] === owner[start]) end++;
    const span = owner[start] as number;
    segments.push({ text: answer.slice(start, end), start, span: span < 0 ? null : span });
    start = end;
  }
  return segments;
}
