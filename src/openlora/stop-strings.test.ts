import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createStopStrings } from "./stop-strings.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 6 });
const stops = fc.array(
  letters.filter((s) => s.length > 0),
  { maxLength: 3 },
);

/** Where the first stop string is completed decides; of those completed there, the one that begins first. */
function reference(
  parts: readonly string[],
  stopStrings: readonly string[],
): { text: string; stopped: boolean } {
  let text = "";
  for (const part of parts) {
    text += part;
    const at = stopStrings.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
    if (at.length > 0) return { text: text.slice(0, Math.min(...at)), stopped: true };
  }
  return { text, stopped: false };
}

test("however a text is cut into parts, it ends before the first stop string and nothing else is lost", () => {
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 12 }), stops, (parts, stopStrings) => {
      const matcher = createStopStrings(stopStrings);
      let text = "";
      let stopped = false;
      for (const part of parts) {
        const shown = matcher.push(part);
        text += shown.text;
        for (const stop of stopStrings) assert.ok(!text.includes(stop), "a stop string was shown");
        if (shown.stopped) {
          stopped = true;
          break;
        }
      }
      if (!stopped) text += matcher.flush();
      assert.deepEqual({ text, stopped }, reference(parts, stopStrings));
    }),
    { numRuns: 1_000 },
  );
});

test("only what may begin a stop string is held back", () => {
  const matcher = createStopStrings(["END", "\n\n"]);
  assert.deepEqual(matcher.push("some text"), { text: "some text", stopped: false });
  assert.deepEqual(matcher.push(" E"), { text: " ", stopped: false });
  assert.deepEqual(matcher.push("NE"), { text: "EN", stopped: false });
  assert.deepEqual(matcher.push("ND and more"), { text: "", stopped: true });
});

test("what was held back comes out when no more text comes", () => {
  const matcher = createStopStrings(["END"]);
  assert.equal(matcher.push("EN").text, "");
  assert.equal(matcher.flush(), "EN");
  assert.equal(matcher.flush(), "");
});
