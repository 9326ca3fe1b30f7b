/** The screens, and looking at one. Pictures are kept under web/dist-screens/ for people to look at. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { complaints, settled, violations } from "./browser.ts";
import type { Known } from "./world.ts";

export const looks = ["light", "dark"] as const;
/** Pixels: a telephone and a laptop. */
export const widths = [375, 1280] as const;

/** Every screen by name, and where it is in a node where {@link Known} has happened. */
export const screens: Readonly<Record<string, (known: Known) => string>> = {
  home: () => "/",
  datanets: () => "/datanets",
  models: () => "/models",
  explorer: () => "/explorer",
  block: () => "/explorer/blocks/1",
  account: (known) => `/explorer/accounts/${known.contributor}`,
  receipt: (known) => `/explorer/receipts/${known.receiptId}`,
  batch: () => "/explorer/batches/1",
  nowhere: () => "/no/such/page",
};

const pictures = join(import.meta.dirname, "..", "dist-screens");

type Sight = { name: string; url: string; look: (typeof looks)[number]; width: number };

/** Opens a screen as a stranger would, and says what is wrong with it; a picture of it stays behind. */
export async function lookAt(browser: Browser, { name, url, look, width }: Sight) {
  mkdirSync(pictures, { recursive: true });
  const context = await browser.newContext({ colorScheme: look, viewport: { width, height: 900 } });
  try {
    const page = await context.newPage();
    const found = complaints(page);
    await page.goto(url);
    await settled(page);
    await page.screenshot({ path: join(pictures, `${name}-${look}-${width}.png`), fullPage: true });
    return {
      violations: await violations(page),
      sticksOut: await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth"),
      complaints: found,
    };
  } finally {
    await context.close();
  }
}
