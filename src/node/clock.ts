/**
 * A clock that never goes back, for all that a node writes times into: the chain's blocks, receipts, settlements.
 *
 * A receipt states a time for which the chain's word is final. Were the machine's clock set back between a receipt and the next block, that
 * block could change what the receipt was issued under. So while the machine's clock is behind where it has been, time stands still here, for
 * all of them alike; the same lets a receipt of a clock that was ahead for a moment settle at once.
 *
 * @param read the machine's clock, epoch milliseconds
 */
export function forwardClock(read: () => number = Date.now): () => number {
  let latest = 0;
  return () => {
    latest = Math.max(latest, read());
    return latest;
  };
}
