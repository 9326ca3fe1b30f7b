/** How far curators agree on rows that several of them judged. */

/** One row's decisions: how many accept, and how many reject. */
export type Judged = { readonly accept: number; readonly reject: number };

/**
 * Krippendorff's alpha for nominal data with missing values (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): 1 where all
 * agree, 0 where they agree as often as chance would have it, below 0 where less.
 *
 * @returns null where no row was judged by two, or everybody decided the same on all of them, which says nothing of agreement
 */
export function krippendorffAlpha(rows: readonly Judged[]): number | null {
  let [accepts, rejects, disagreeing] = [0, 0, 0];
  for (const { accept, reject } of rows) {
    const judges = accept + reject;
    if (judges < 2) continue;
    accepts += accept;
    rejects += reject;
    disagreeing += (2 * accept * reject) / (judges - 1);
  }
  const all = accepts + rejects;
  if (accepts === 0 || rejects === 0) return null;
  const observed = disagreeing / all;
  const expected = (2 * accepts * rejects) / (all * (all - 1));
  return 1 - observed / expected;
}

/** The lower end of the 95 % Wilson score interval (Wilson 1927) of a share: a reputation that two lucky rows do not make. */
export function wilsonLower(good: number, all: number): number {
  if (all === 0) return 0;
  const z = 1.96;
  const share = good / all;
  const middle = share + (z * z) / (2 * all);
  const spread = z * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  return Math.max(0, (middle - spread) / (1 + (z * z) / all));
}
