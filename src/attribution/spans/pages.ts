/** A stretch of a file, read through pages of which only so many are kept. */
import { readSync } from "node:fs";

export type Pages = Readonly<{
  /** Bytes of a page, a power of two. */
  pageBytes: number;
  length: number;
  /** Where the kept pages lie; changes with every call of `at`. */
  memory: Uint8Array;
  /**
   * @param position - in the stretch
   * @param keep - an index into `memory` whose page must stay; −1 for none
   * @returns the byte's index in `memory`; its page is there whole
   * @throws RangeError outside of the stretch
   */
  at(position: number, keep?: number): number;
}>;

/**
 * @param length - bytes of the stretch, from `offset` in the file
 * @param budgetBytes - memory for pages; at least four pages are kept, and never more than the stretch has
 */
export function openPages(
  file: number,
  offset: number,
  length: number,
  pageBytes: number,
  budgetBytes: number,
): Pages {
  const shift = Math.log2(pageBytes);
  const pages = Math.ceil(length / pageBytes);
  const slots = Math.max(1, Math.min(pages, Math.max(4, Math.floor(budgetBytes / pageBytes))));
  const memory = new Uint8Array(slots * pageBytes);
  const slotOf = new Int32Array(pages).fill(-1);
  const pageIn = new Int32Array(slots).fill(-1);
  const used = new Uint8Array(slots);
  let hand = 0;

  /** A page goes when the clock's hand finds it unused since the last round. */
  function freeSlot(keep: number): number {
    for (;;) {
      const slot = hand;
      hand = hand + 1 === slots ? 0 : hand + 1;
      if (slot === keep) continue;
      if (used[slot] === 1) used[slot] = 0;
      else return slot;
    }
  }

  function load(page: number, keep: number): number {
    const slot = freeSlot(keep < 0 ? -1 : keep >> shift);
    const before = pageIn[slot] as number;
    if (before !== -1) slotOf[before] = -1;
    pageIn[slot] = -1;
    const from = page * pageBytes;
    readWhole(file, memory, slot * pageBytes, Math.min(pageBytes, length - from), offset + from);
    pageIn[slot] = page;
    slotOf[page] = slot;
    return slot;
  }

  return {
    pageBytes,
    length,
    memory,
    at(position, keep = -1) {
      if (!(position >= 0 && position < length))
        throw new RangeError(`Position ${position} lies outside of the ${length} bytes there are.`);
      const page = Math.floor(position / pageBytes);
      let slot = slotOf[page] as number;
      if (slot === -1) slot = load(page, keep);
      used[slot] = 1;
      return slot * pageBytes + (position & (pageBytes - 1));
    },
  };
}

/** Reads exactly so many bytes. @throws RangeError when the file is shorter */
export function readWhole(
  file: number,
  target: Uint8Array,
  at: number,
  length: number,
  position: number,
): void {
  for (let done = 0; done < length; ) {
    const read = readSync(file, target, at + done, length - done, position + done);
    if (read === 0)
      throw new RangeError(`The file ends at ${position + done}, expected ${length - done} bytes more.`);
    done += read;
  }
}
