/**
 * Every screen, in both looks and two widths: it opens without a complaint, nothing on it jumps while it loads, it breaks no rule of
 * accessibility, and is not wider than the window. Pictures are kept under web/dist-screens/ for people to look at.
 */
import assert from "node:assert/strict";
import { shiftMax } from "../jank.ts";
import { inBrowser } from "../populated.ts";
import { assertSights, lookAt, screens } from "../screens.ts";

for (const [name, path] of Object.entries(screens))
  inBrowser(
    `${name}: no complaint, no violation, nothing jumps or sticks out`,
    async ({ browser, world, known }) => {
      const { complaints, shift, sights } = await lookAt(
        browser,
        name,
        `${world.url}${path(known)}`,
        "crossed",
      );
      assert.deepEqual(complaints, []);
      assert.ok(shift.score < shiftMax, `jumped by ${shift.score}: ${shift.moved.join("; ")}`);
      assertSights(sights);
    },
  );
