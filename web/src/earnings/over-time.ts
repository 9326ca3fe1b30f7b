/** What an address has earned and claimed, summed up over time. No document is needed here. */

export type Step = { readonly ms: number; readonly wei: bigint };

/** Both sums at every moment that either changed: seconds since 1970, and OPEN as drawn (a picture needs no last wei). */
export function overTime(
  earned: readonly Step[],
  claimed: readonly Step[],
): { seconds: number[]; earned: number[]; claimed: number[] } {
  const moments = [...new Set([...earned, ...claimed].map(({ ms }) => Math.floor(ms / 1_000)))].sort(
    (a, b) => a - b,
  );
  const sums = (steps: readonly Step[]) => {
    const sorted = [...steps].sort((a, b) => a.ms - b.ms);
    let [at, sum] = [0, 0n];
    return moments.map((second) => {
      for (; at < sorted.length && Math.floor((sorted[at] as Step).ms / 1_000) <= second; at++)
        sum += (sorted[at] as Step).wei;
      return Number(sum) / 1e18;
    });
  };
  return { seconds: moments, earned: sums(earned), claimed: sums(claimed) };
}
