/**
 * Locality-sensitive hashing by bands (Indyk and Motwani 1998; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4): things that
 * share the key of any band are candidates. Chained in typed arrays, so that memory is stated: 4 · bands bytes a thing, and the heads.
 */
import { mixBits } from "./shingles.ts";

export type Bands = {
  /** Calls back once with each thing that shares a band's key. */
  candidates(keys: ArrayLike<number>, visit: (thing: number) => void): void;
  add(thing: number, keys: ArrayLike<number>): void;
};

/** @param things how many may be added, numbered from 0 */
export function createBands(things: number, bands: number): Bands {
  const slots = 1 << Math.min(24, Math.max(8, Math.ceil(Math.log2(Math.max(1, things * bands)))));
  const heads = new Int32Array(slots).fill(-1);
  const next = new Int32Array(things * bands);
  const visited = new Int32Array(things).fill(-1);
  let visit_ = 0;
  const slotOf = (key: number, band: number) => mixBits(key ^ Math.imul(band + 1, 0x9e3779b1)) & (slots - 1);
  return {
    candidates(keys, visit) {
      visit_++;
      for (let band = 0; band < bands; band++) {
        let entry = heads[slotOf(keys[band] as number, band)] as number;
        while (entry !== -1) {
          const thing = Math.floor(entry / bands);
          if (visited[thing] !== visit_) {
            visited[thing] = visit_;
            visit(thing);
          }
          entry = next[entry] as number;
        }
      }
    },
    add(thing, keys) {
      for (let band = 0; band < bands; band++) {
        const slot = slotOf(keys[band] as number, band);
        const entry = thing * bands + band;
        next[entry] = heads[slot] as number;
        heads[slot] = entry;
      }
    },
  };
}

/** Several MinHashes to a band's key. */
export const bandKeys = (signature: Uint32Array, bands: number, hashesPerBand: number): Uint32Array =>
  Uint32Array.from({ length: bands }, (_, band) => {
    let key = 0;
    for (let i = 0; i < hashesPerBand; i++)
      key = mixBits(Math.imul(key, 31) + (signature[band * hashesPerBand + i] as number));
    return key;
  });
