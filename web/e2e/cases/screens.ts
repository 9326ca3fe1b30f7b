/**
 * Every screen, in both looks and two widths: it opens without a complaint, nothing on it jumps while it loads, it breaks no rule of
 * accessibility, and neither it nor a table on it is wider than its place. Pictures are kept under web/dist-screens/ for people to look at.
 */
import assert from "node:assert/strict";
import { shiftMax } from "../jank.ts";
import { inBrowser } from "../populated.ts";
import { assertSights, lookAt, screens } from "../screens.ts";

for (const [name, path] of Object.entries(screens))
  inBrowser(
    `${name}: no complaint, no violation, nothing jumps or sticks out`,
    async ({ browser, world, known }) => {
      const url = `${world.url}${path(known)}`;
      for (const { width, complaints, shift, sights } of await lookAt(browser, name, url, "crossed")) {
        assert.deepEqual(complaints, []);
        assert.ok(shift.score < shiftMax, `${width} px: jumped by ${shift.score}: ${shift.moved.join("; ")}`);
        assertSights(sights);
      }
    },
  );
