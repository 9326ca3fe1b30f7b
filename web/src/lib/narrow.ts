import { useSyncExternalStore } from "react";

/** Where Tailwind's `sm` does not hold yet. */
const query = matchMedia("(width < 40rem)");

function watch(changed: () => void): () => void {
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}

/** Whether the window is as narrow as a telephone; for what styles alone cannot arrange. */
export const useNarrow = (): boolean => useSyncExternalStore(watch, () => query.matches === true);
