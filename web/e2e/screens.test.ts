/**
 * Every screen, in both looks and two widths: it opens without a complaint, breaks no rule of accessibility, and is not wider than the
 * window. Pictures are kept under web/dist-screens/ for people to look at.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { launch, withoutBrowser } from "./browser.ts";
import { lookAt, screens } from "./screens.ts";
import { type Known, openWorld, populate, type World } from "./world.ts";

let world: World;
let browser: Browser;
let known: Known;

if (!withoutBrowser) {
  before(async () => {
    world = await openWorld();
    known = await populate(world);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await world?.close();
  });
}

for (const [name, path] of Object.entries(screens))
  test(`${name}: no complaint, no violation, nothing sticks out`, { skip: withoutBrowser }, async () => {
    const { complaints, sights } = await lookAt(browser, name, `${world.url}${path(known)}`, "crossed");
    assert.deepEqual(complaints, []);
    for (const { at, violations, sticksOut } of sights) {
      assert.deepEqual(violations, [], at);
      assert.ok(sticksOut <= 0, `${at}: ${sticksOut} px wider than the window`);
    }
  });
