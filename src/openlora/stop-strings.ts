/** Finds the first stop string in a text that comes in parts. */

export type StopStrings = {
  /** Takes a part of the text, returns what may be shown: nothing that could still turn out to begin a stop string. */
  push(part: string): { text: string; stopped: boolean };
  /** What was held back, once it is certain that no more comes. */
  flush(): string;
};

export function createStopStrings(stops: readonly string[]): StopStrings {
  let held = "";
  return {
    push(part) {
      const text = held + part;
      const found = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
      if (found.length > 0) {
        held = "";
        return { text: text.slice(0, Math.min(...found)), stopped: true };
      }
      const keep = Math.max(0, ...stops.map((stop) => overlap(text, stop)));
      held = text.slice(text.length - keep);
      return { text: text.slice(0, text.length - keep), stopped: false };
    },
    flush() {
      const text = held;
      held = "";
      return text;
    },
  };
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
