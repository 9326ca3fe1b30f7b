/**
 * Suffix arrays in linear time by induced sorting: Nong, Zhang and Chan, "Linear Suffix Array Construction by Almost Pure Induced-Sorting",
 * DCC 2009 (SA-IS). Very repetitive text costs no more than any other.
 *
 * A suffix is S-type if it is smaller than the one that begins after it, else L-type; an S-type one whose predecessor is L-type is LMS. From
 * sorted LMS suffixes the order of all others follows in two passes; the LMS suffixes are sorted by naming the pieces between them, and
 * by the same procedure on the names where two pieces are equal.
 */

/**
 * @param s - `[n]`, symbols from 0 to `alphabet` − 1
 * @returns `[n]`, the beginnings of the suffixes in ascending order; a suffix that is the beginning of another comes first. Takes about
 * 24 bytes a symbol beside its argument while it runs.
 */
export function suffixArray(s: Int32Array, alphabet: number): Int32Array {
  const n = s.length;
  const order = new Int32Array(n);
  if (n < 2) return order;
  const isS = typesOf(s);
  const isLms = (i: number) => i > 0 && isS[i] === 1 && isS[i - 1] === 0;
  let count = 0;
  for (let i = 1; i < n; i++) if (isLms(i)) count++;
  const lms = new Int32Array(count);
  for (let i = 1, at = 0; i < n; i++) if (isLms(i)) lms[at++] = i;
  const bucketEnds = endsOf(s, alphabet);

  induce(s, isS, bucketEnds, lms, order);
  if (count > 1) {
    const { names, distinct } = nameLms(s, isS, lms, order);
    const sorted = distinct === count ? invert(names) : suffixArray(names, distinct);
    for (let i = 0; i < count; i++) sorted[i] = lms[sorted[i] as number] as number;
    induce(s, isS, bucketEnds, sorted, order);
  }
  return order;
}

/** `[n]`, 1 for S-type. The last suffix is L-type: what follows it is smaller than anything. */
function typesOf(s: Int32Array): Uint8Array {
  const isS = new Uint8Array(s.length);
  for (let i = s.length - 2; i >= 0; i--) {
    const here = s[i] as number;
    const next = s[i + 1] as number;
    isS[i] = here < next || (here === next && isS[i + 1] === 1) ? 1 : 0;
  }
  return isS;
}

/** `[alphabet]`, where in the order the suffixes that begin with each symbol end. */
function endsOf(s: Int32Array, alphabet: number): Int32Array {
  const ends = new Int32Array(alphabet);
  for (const symbol of s) ends[symbol] = (ends[symbol] as number) + 1;
  for (let c = 1; c < alphabet; c++) ends[c] = (ends[c] as number) + (ends[c - 1] as number);
  return ends;
}

/** Fills `order` from LMS suffixes in the order given: L-types from the left, then S-types from the right. */
function induce(
  s: Int32Array,
  isS: Uint8Array,
  bucketEnds: Int32Array,
  lms: Int32Array,
  order: Int32Array,
): void {
  const n = s.length;
  order.fill(-1);
  const place = bucketEnds.slice();
  for (let i = lms.length - 1; i >= 0; i--) {
    const at = lms[i] as number;
    const symbol = s[at] as number;
    const slot = (place[symbol] as number) - 1;
    order[slot] = at;
    place[symbol] = slot;
  }
  // Bucket starts are the ends of the bucket before.
  place[0] = 0;
  place.set(bucketEnds.subarray(0, bucketEnds.length - 1), 1);
  const last = s[n - 1] as number;
  order[place[last] as number] = n - 1;
  place[last] = (place[last] as number) + 1;
  for (let i = 0; i < n; i++) {
    const before = (order[i] as number) - 1;
    if (before < 0 || isS[before] === 1) continue;
    const symbol = s[before] as number;
    const at = place[symbol] as number;
    order[at] = before;
    place[symbol] = at + 1;
  }
  place.set(bucketEnds);
  for (let i = n - 1; i >= 0; i--) {
    const before = (order[i] as number) - 1;
    if (before < 0 || isS[before] === 0) continue;
    const symbol = s[before] as number;
    const at = (place[symbol] as number) - 1;
    order[at] = before;
    place[symbol] = at;
  }
}

/** Names the pieces between LMS positions by their rank, equal pieces alike. @returns names in the order of the text */
function nameLms(
  s: Int32Array,
  isS: Uint8Array,
  lms: Int32Array,
  order: Int32Array,
): { names: Int32Array; distinct: number } {
  // No two LMS positions are adjacent: half a position tells them apart.
  const numberOf = new Int32Array((s.length >> 1) + 1).fill(-1);
  for (let i = 0; i < lms.length; i++) numberOf[(lms[i] as number) >> 1] = i;
  const names = new Int32Array(lms.length);
  let distinct = 0;
  let previous = -1;
  for (const at of order) {
    if (at === 0 || isS[at] === 0 || isS[at - 1] === 1) continue;
    const number = numberOf[at >> 1] as number;
    if (previous !== -1 && !samePiece(s, lms, previous, number)) distinct++;
    names[number] = distinct;
    previous = number;
  }
  return { names, distinct: distinct + 1 };
}

/** Whether two pieces, each from an LMS position to the next, are equal. Equal symbols from end to end have equal types. */
function samePiece(s: Int32Array, lms: Int32Array, a: number, b: number): boolean {
  // The last piece ends with the text, as no other does.
  if (a + 1 >= lms.length || b + 1 >= lms.length) return false;
  const from = lms[a] as number;
  const other = lms[b] as number;
  const length = (lms[a + 1] as number) - from;
  if ((lms[b + 1] as number) - other !== length) return false;
  for (let i = 0; i <= length; i++) if (s[from + i] !== s[other + i]) return false;
  return true;
}

function invert(names: Int32Array): Int32Array {
  const sorted = new Int32Array(names.length);
  for (let i = 0; i < names.length; i++) sorted[names[i] as number] = i;
  return sorted;
}
