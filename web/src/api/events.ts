/** The node's one live stream: what happens makes what is shown about it be asked for again, at once. */
import { useSyncExternalStore } from "react";
import { queries } from "./queries.ts";

/** What is asked for again when a topic tells of something: the first parts of query keys. */
const touched: Readonly<Record<string, readonly string[]>> = {
  blocks: ["status", "explorer", "transactions", "balance of", "stake of", "chain"],
  answers: ["status", "receipts", "receipt", "answers that pay", "balance", "leaderboard", "channels of"],
  batches: ["status", "receipts", "receipt", "batches", "batch", "balance", "account"],
  datanets: ["status", "datanets", "datanet", "contribution"],
  jobs: ["jobs", "job"],
  models: ["status", "models", "release"],
  governance: ["proposals", "proposal", "votes of", "parameters", "treasury"],
  stake: ["staking", "pool", "stake", "stake of", "slashes", "rewards"],
};
/** A burst of events asks once. */
const togetherMs = 300;

let open = false;
const listeners = new Set<() => void>();

function become(now: boolean): void {
  if (now === open) return;
  open = now;
  for (const listener of listeners) listener();
}

/** Whether the stream is open: then what is shown is as new as the node's own tables. */
export const useIsLive = (): boolean =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => open,
  );

/**
 * Follows the stream for as long as the page is open. The browser reconnects by itself and says what it heard last, so that nothing is
 * missed; what is too long ago to be told makes everything be asked for again.
 */
export function followEvents(): void {
  const stream = new EventSource("/v1/events");
  const waiting = new Set<string>();
  const touch = (keys: readonly string[]) => {
    const first = waiting.size === 0;
    for (const key of keys) waiting.add(key);
    if (!first) return;
    setTimeout(() => {
      const asked = new Set(waiting);
      waiting.clear();
      void queries.invalidateQueries({ predicate: ({ queryKey }) => asked.has(String(queryKey[0])) });
    }, togetherMs);
  };
  stream.onopen = () => become(true);
  stream.onerror = () => become(false);
  stream.addEventListener("reset", () => void queries.invalidateQueries());
  for (const [topic, keys] of Object.entries(touched)) stream.addEventListener(topic, () => touch(keys));
}
