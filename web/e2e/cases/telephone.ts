/** Who has a telephone at hand: what is said in passing is read there, too. */
import assert from "node:assert/strict";
import { inBrowser, operator } from "../populated.ts";

inBrowser("the operator gets OPEN from the faucet, and reads it on a telephone", async ({ visit }) => {
  const page = await visit("/account", operator);
  await page.setViewportSize({ width: 375, height: 800 });
  await page.getByLabel("OPEN to get").fill("5");
  await page.getByRole("button", { name: "Get OPEN" }).click();
  const message = page.getByRole("listitem").filter({ hasText: "5 OPEN came from the faucet." });
  const box = await message.boundingBox();
  assert.ok(box !== null && box.x >= 0 && box.x + box.width <= 375, `it stands at ${JSON.stringify(box)}`);
});
