import { mapSlowly } from "./each-row.ts";
import { createNearIndex, createNearText, type NearIndex, type NearText } from "./near-index.ts";
import type { CheckRow } from "./verdict.ts";

/** The row that represents a cluster: one that was accepted before, by its id, or an earlier row of the same upload, by its position. */
export type Earlier = { readonly id: number } | { readonly position: number };

export type Near = { readonly of: Earlier; readonly alikePct: number };

/** A Datanet's representatives and the ids of their rows. */
export type Representatives = { readonly index: NearIndex; readonly ids: number[] };

export const createRepresentatives = (): Representatives => ({ index: createNearIndex(), ids: [] });

const nearText = createNearText();

export function addRepresentative({ index, ids }: Representatives, id: number, text: NearText): void {
  index.add(text);
  ids.push(id);
}

export const nearTextOf = (words: Uint32Array): NearText | undefined => nearText(words);

/** What {@link findNear} found, and the rows that represent themselves, to be kept once they are stored. */
export type NearFindings = {
  readonly near: readonly (Near | undefined)[];
  readonly fresh: readonly { readonly position: number; readonly text: NearText }[];
};

/**
 * Of each row the representative that it repeats: the earliest that is alike, among those that are there and the rows before it. A row that repeats none
 * represents itself. Nothing is added to the representatives that are there.
 *
 * @param out rows that other checks keep out: they repeat and represent nobody
 */
export async function findNear(
  { index, ids }: Representatives,
  rows: readonly CheckRow[],
  out: readonly boolean[],
): Promise<NearFindings> {
  const own = createNearIndex();
  const fresh: { position: number; text: NearText }[] = [];
  const near = await mapSlowly(rows, ({ words }, position): Near | undefined => {
    if (out[position]) return undefined;
    const text = nearText(words);
    if (text === undefined) return undefined;
    const before = index.find(text);
    if (before !== undefined) return { of: { id: ids[before.place] as number }, alikePct: before.alikePct };
    const earlier = own.find(text);
    if (earlier !== undefined)
      return {
        of: { position: (fresh[earlier.place] as { position: number }).position },
        alikePct: earlier.alikePct,
      };
    own.add(text);
    fresh.push({ position, text });
    return undefined;
  });
  return { near, fresh };
}
