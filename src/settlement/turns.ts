import type { Ledger } from "./ledger.ts";

/**
 * Reads see what the chain said at its latest block; while a settlement is under way they do not wait for it and see what was
 * there before.
 */
export function followWhenChanged(
  ledger: Ledger,
  isBusy: () => boolean,
  follow: () => Promise<void>,
): () => Promise<void> {
  let seen = -1n;
  return async () => {
    if (isBusy()) return;
    const head = await ledger.blockNumber();
    if (head === seen || isBusy()) return;
    await follow();
    seen = head;
  };
}

/** Runs actions one after the other: two settlements at once would both take the same receipts. */
export function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  let underWay = 0;
  return {
    isBusy: () => underWay > 0,
    inTurn<T>(action: () => Promise<T>): Promise<T> {
      underWay++;
      const result = last.then(action).finally(() => {
        underWay--;
      });
      last = result.catch(() => {});
      return result;
    },
  };
}
