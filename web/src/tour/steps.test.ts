import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readPlace, tourSteps } from "./steps.ts";

test("a place that was kept is found again; whatever else is kept is a newcomer's", () => {
  for (const [at] of tourSteps.entries()) assert.equal(readPlace(String(at)), at);
  assert.equal(readPlace("done"), "done");
  assert.equal(readPlace(null), "new");
  fc.assert(
    fc.property(fc.string(), (kept) => {
      const place = readPlace(kept);
      assert.ok(place === "new" || String(place) === kept);
    }),
  );
  assert.equal(readPlace("6"), "new", "there is no such step");
});
