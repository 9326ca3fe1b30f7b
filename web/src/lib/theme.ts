import { useSyncExternalStore } from "react";

/** The chosen look; `theme.js` puts it on the page before the first paint. */
export type Theme = "light" | "dark";

const listeners = new Set<() => void>();
const place = "openledger.theme";

function show(theme: Theme): void {
  document.documentElement.classList.toggle("dark", theme === "dark");
  for (const listener of listeners) listener();
}

// Whoever has chosen nothing gets what the system has, also when that changes.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
  if (localStorage.getItem(place) === null) show(matches ? "dark" : "light");
});

const current = (): Theme => (document.documentElement.classList.contains("dark") ? "dark" : "light");

/** The look in force, and the way to change it; the choice is kept on this device. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
  const choose = (next: Theme) => {
    localStorage.setItem(place, next);
    show(next);
  };
  return [theme, choose];
}
