/** Long lists: what is out of sight is not in the document. `openledger bench web` scrolls through ten thousand rows and times it. */
import assert from "node:assert/strict";
import { scrollThrough } from "../jank.ts";
import { inBrowser } from "../populated.ts";
import { publishRows } from "../world.ts";

inBrowser("a viewer of a thousand rows holds a hundred at most", async ({ world, visit }) => {
  const page = await visit(`/datanets/${await publishRows(world, 1_000)}`);
  await page.setViewportSize({ width: 1440, height: 2160 });
  const { rowsMost } = await scrollThrough(page, /^Rows of version/);
  assert.ok(rowsMost > 10 && rowsMost <= 100, `${rowsMost} rows are in the document`);
  await page.getByRole("button", { name: "Open row 999" }).waitFor();
});
