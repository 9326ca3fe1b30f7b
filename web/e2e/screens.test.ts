/**
 * Every screen, in both looks and two widths: it opens without a complaint, breaks no rule of accessibility, and is not wider than the
 * window. Pictures are kept under web/dist-screens/ for people to look at.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { complaints, launch, settled, violations, withoutBrowser } from "./browser.ts";
import { openWorld, populate, type World } from "./world.ts";

const pictures = join(import.meta.dirname, "..", "dist-screens");
const looks = ["light", "dark"] as const;
const widths = [375, 1280] as const;

let world: World;
let browser: Browser;
let known: Awaited<ReturnType<typeof populate>>;

const screens: readonly (readonly [name: string, path: () => string])[] = [
  ["home", () => "/"],
  ["datanets", () => "/datanets"],
  ["models", () => "/models"],
  ["explorer", () => "/explorer"],
  ["block", () => "/explorer/blocks/1"],
  ["account", () => `/explorer/accounts/${known.contributor}`],
  ["receipt", () => `/explorer/receipts/${known.receiptId}`],
  ["batch", () => "/explorer/batches/1"],
  ["nowhere", () => "/no/such/page"],
];

if (!withoutBrowser) {
  before(async () => {
    mkdirSync(pictures, { recursive: true });
    world = await openWorld();
    known = await populate(world);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await world?.close();
  });
}

for (const [name, path] of screens)
  test(`${name}: no complaint, no violation, nothing sticks out`, { skip: withoutBrowser }, async () => {
    for (const look of looks)
      for (const width of widths) {
        const context = await browser.newContext({ colorScheme: look, viewport: { width, height: 900 } });
        const page = await context.newPage();
        const found = complaints(page);
        await page.goto(`${world.url}${path()}`);
        await settled(page);
        await page.screenshot({ path: join(pictures, `${name}-${look}-${width}.png`), fullPage: true });
        assert.deepEqual(found, [], `${look}, ${width} px`);
        assert.deepEqual(await violations(page), [], `${look}, ${width} px`);
        const sticking = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        assert.ok(sticking <= 0, `${name} is ${sticking} px wider than a window of ${width} px`);
        await context.close();
      }
  });
