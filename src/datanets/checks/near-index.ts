/**
 * The representatives of a Datanet's near duplicates, to be asked which one a text repeats. In memory, made again from the texts after a restart:
 * what was decided stands in the rows' table, so there is nothing here to lose.
 *
 * A text is the set of its word pairs, kept as the 64 least of their hashes (bottom-k, Cohen and Kaplan 2007; the whole set where it is smaller).
 * Candidates share one of the bands of MinHashes, and each is verified: only who is alike directly is a near duplicate, so nothing is chained.
 */
import { type Bands, bandKeys, createBands, createMinHash, runsOf } from "../../protocol/index.ts";

export type NearSettings = {
  /** Words to a run. */
  readonly words: number;
  readonly bands: number;
  readonly hashesPerBand: number;
  /** Least Jaccard index, in percent, of a near duplicate. */
  readonly alikePctMin: number;
  /** Texts with fewer different runs are not compared: a change of one word makes another of them. */
  readonly runsMin: number;
};

/** Chosen by measuring, docs/datanets.md: two texts that share a quarter of their word pairs are found with 44 %, half with 98 %. */
export const nearSettings: NearSettings = {
  words: 2,
  bands: 32,
  hashesPerBand: 3,
  alikePctMin: 26,
  runsMin: 8,
};

const leastKept = 64;
const unlikeAfter = 16;
const firstSegment = 4_096;
const segmentMax = 1 << 19;

/** What of a text is compared. */
export type NearText = { readonly least: Uint32Array; readonly keys: Uint32Array };

export type NearMatch = { readonly place: number; readonly alikePct: number };

export type NearIndex = {
  /** How many representatives there are; they are numbered in the order they were added. */
  readonly size: number;
  /** The earliest representative that is alike. */
  find(text: NearText): NearMatch | undefined;
  add(text: NearText): void;
};

/** Makes of word hashes what is compared; undefined of a text that is too short. */
export function createNearText(settings: NearSettings = nearSettings) {
  const minHash = createMinHash(settings.bands * settings.hashesPerBand);
  return (words: Uint32Array): NearText | undefined => {
    const runs = runsOf(words, settings.words);
    if (runs.length < settings.runsMin) return undefined;
    return {
      least: runs.slice(0, leastKept),
      keys: bandKeys(minHash(runs), settings.bands, settings.hashesPerBand),
    };
  };
}

type Segment = {
  readonly first: number;
  readonly capacity: number;
  readonly bands: Bands;
  readonly sets: SetPool;
};

/** Grows by segments, each as large as all before it up to half a million, so that adding never moves what is there. */
export function createNearIndex(settings: NearSettings = nearSettings): NearIndex {
  const segments: Segment[] = [];
  let size = 0;
  return {
    get size() {
      return size;
    },
    find({ least, keys }) {
      for (const { first, bands, sets } of segments) {
        let found: NearMatch | undefined;
        bands.candidates(keys, (thing) => {
          if (found !== undefined && found.place <= first + thing) return;
          const alikePct = alike(least, sets, thing);
          if (alikePct >= settings.alikePctMin) found = { place: first + thing, alikePct };
        });
        if (found !== undefined) return found;
      }
      return undefined;
    },
    add({ least, keys }) {
      let last = segments.at(-1);
      if (last === undefined || size - last.first === last.capacity) {
        const capacity = Math.min(segmentMax, Math.max(firstSegment, size));
        last = {
          first: size,
          capacity,
          bands: createBands(capacity, settings.bands),
          sets: createSetPool(capacity),
        };
        segments.push(last);
      }
      last.bands.add(size - last.first, keys);
      last.sets.add(least);
      size++;
    },
  };
}

/** Sets of numbers, one after the other in one array: a million of them are no million objects. */
type SetPool = { add(set: Uint32Array): void; start(thing: number): number; readonly data: Uint32Array };

function createSetPool(things: number): SetPool {
  const ends = new Uint32Array(things);
  let data = new Uint32Array(8 * things);
  let count = 0;
  let used = 0;
  return {
    get data() {
      return data;
    },
    start: (thing) => (thing === 0 ? 0 : (ends[thing - 1] as number)),
    add(set) {
      if (used + set.length > data.length) {
        const larger = new Uint32Array(Math.min(leastKept * things, 2 * data.length));
        larger.set(data.subarray(0, used));
        data = larger;
      }
      data.set(set, used);
      used += set.length;
      ends[count++] = used;
    },
  };
}

/**
 * Jaccard index in percent, rounded down, by the least hashes of the union: those of them that are in both (Broder 1997). Exact where both sets are
 * kept whole.
 */
function alike(a: Uint32Array, sets: SetPool, thing: number): number {
  const { data } = sets;
  let [i, j, both, seen] = [0, sets.start(thing), 0, 0];
  const end = sets.start(thing + 1);
  while (seen < leastKept && (i < a.length || j < end)) {
    const x = i < a.length ? (a[i] as number) : Number.POSITIVE_INFINITY;
    const y = j < end ? (data[j] as number) : Number.POSITIVE_INFINITY;
    if (x === y) both++;
    if (x <= y) i++;
    if (y <= x) j++;
    seen++;
    // Most candidates only share a place in a table. Of pairs that are just near enough, one in 120 ends here too (0.74¹⁶).
    if (seen === unlikeAfter && both === 0) return 0;
  }
  return Math.floor((100 * both) / seen);
}
