/** The first look: shown once, skipped for good, begun again from the account. Where it stands is kept in this browser. */
import { useSyncExternalStore } from "react";
import { readPlace, type TourPlace, type TourStep, tourSteps } from "./steps.ts";

const key = "openledger.tour";
const listeners = new Set<() => void>();
let place: TourPlace = kept();

function kept(): TourPlace {
  try {
    return readPlace(localStorage.getItem(key));
  } catch {
    return "done"; // a browser that keeps nothing would show it at every visit
  }
}

/** Goes to a step; past the last one it is over. */
export function goTo(next: number | "done"): void {
  place = typeof next === "number" && next >= 0 && next < tourSteps.length ? next : "done";
  try {
    localStorage.setItem(key, String(place));
  } catch {
    // It is not kept: this visit knows it.
  }
  for (const listener of listeners) listener();
}

/** From the beginning. */
export const startTour = (): void => goTo(0);

/** Where one is in it. */
export const useTour = (): TourPlace =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );

/** The step one is at, if one is at any. */
const stepAt = (at: TourPlace): TourStep | undefined => (typeof at === "number" ? tourSteps[at] : undefined);

/** The screen that the first look speaks of now: its way there is marked. */
export function useTourScreen(): TourStep["to"] | undefined {
  const step = stepAt(useTour());
  return step?.name === "key" ? undefined : step?.to;
}

/** What a control wears while the first look points at it; nothing otherwise. */
export function useTourMark(name: TourStep["name"]): string {
  return stepAt(useTour())?.name === name ? "tour-mark" : "";
}
