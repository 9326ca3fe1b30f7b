/** Long lists: what is out of sight is not in the document, and no turn of the page keeps a reader waiting. `openledger bench web` has ten thousand rows. */
import assert from "node:assert/strict";
import { scrollThrough, taskMsMax, traced } from "../jank.ts";
import { inBrowser } from "../populated.ts";
import { publishRows } from "../world.ts";

inBrowser("a viewer of a thousand rows holds a hundred at most", async ({ world, browser, visit }) => {
  const page = await visit(`/datanets/${await publishRows(world, 1_000)}`);
  await page.setViewportSize({ width: 1440, height: 2160 });
  const { found, longestTaskCpuMs } = await traced(browser, page, () =>
    scrollThrough(page, /^Rows of version/),
  );
  const { rowsMost } = found;
  assert.ok(rowsMost > 10 && rowsMost <= 100, `${rowsMost} rows are in the document`);
  assert.ok(longestTaskCpuMs < taskMsMax, `a task takes ${longestTaskCpuMs} ms of processor time`);
  await page.getByRole("button", { name: "Open row 999" }).waitFor();
});
