/** The screens, and looking at one. Pictures are kept under web/dist-screens/ for people to look at. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { complaints, settled, violations } from "./browser.ts";
import { type Shift, shiftOf, watchJank } from "./jank.ts";
import type { Known } from "./world.ts";

const looks = ["light", "dark"] as const;
/** Pixels: a telephone and a laptop. */
const widths = [375, 1280] as const;
/** Of every window, pixels. */
const height = 900;

/** Every screen by name, and where it is in a node where {@link Known} has happened. */
export const screens: Readonly<Record<string, (known: Known) => string>> = {
  home: () => "/",
  datanets: () => "/datanets",
  "datanet-new": () => "/datanets/new",
  datanet: ({ datanetId }) => `/datanets/${datanetId}`,
  "datanet-row": ({ datanetId }) => `/datanets/${datanetId}?row=3`,
  "datanet-found": ({ datanetId, contributor }) =>
    `/datanets/${datanetId}?tokens=0-&language=en&contributor=${contributor}`,
  "datanet-curators": ({ datanetId }) => `/datanets/${datanetId}?tab=curators`,
  "datanet-settings-shut": ({ datanetId }) => `/datanets/${datanetId}?tab=settings`,
  "datanet-versions": ({ datanetId }) => `/datanets/${datanetId}?tab=versions&from=0&to=1`,
  "datanet-contributors": ({ datanetId }) => `/datanets/${datanetId}?tab=contributors`,
  "datanet-uses": ({ datanetId }) => `/datanets/${datanetId}?tab=uses`,
  "datanet-access": ({ datanetId }) => `/datanets/${datanetId}?tab=access`,
  "datanet-about": ({ datanetId }) => `/datanets/${datanetId}?tab=about`,
  contribute: ({ datanetId }) => `/datanets/${datanetId}/contribute`,
  contribution: ({ datanetId }) => `/datanets/${datanetId}/contributions/1`,
  review: ({ datanetId }) => `/datanets/${datanetId}/review`,
  factory: () => "/factory",
  "factory-new": () => "/factory/new",
  "factory-run": ({ jobId }) => `/factory/${jobId}`,
  "factory-compare": ({ jobId }) => `/factory/compare?runs=${jobId}`,
  "factory-arena": () => "/factory/arena",
  models: () => "/models",
  release: ({ releaseId }) => `/models/${releaseId}`,
  "release-evaluation": ({ releaseId }) => `/models/${releaseId}?tab=evaluation`,
  "release-usage": ({ releaseId }) => `/models/${releaseId}?tab=usage`,
  "release-versions": ({ releaseId }) => `/models/${releaseId}?tab=versions`,
  "release-use": ({ releaseId }) => `/models/${releaseId}?tab=use`,
  playground: () => "/playground?model=valley",
  earnings: () => "/earnings",
  "earnings-of": ({ contributor }) => `/earnings?address=${contributor}`,
  "earnings-claims": ({ contributor }) => `/earnings?address=${contributor}&tab=claims`,
  stake: () => "/stake",
  "stake-rewards": () => "/stake?tab=rewards",
  "stake-slashes": () => "/stake?tab=slashes",
  pool: ({ pool }) => `/stake/${pool}`,
  governance: () => "/governance",
  "governance-voters": () => "/governance?tab=voters",
  "governance-votes": () => "/governance?tab=votes",
  "governance-treasury": () => "/governance?tab=treasury",
  proposal: () => "/governance/1",
  "governance-new": () => "/governance/new",
  parameters: () => "/governance/parameters",
  you: () => "/account",
  explorer: () => "/explorer",
  block: () => "/explorer/blocks/1",
  account: (known) => `/explorer/accounts/${known.contributor}`,
  transaction: ({ transactionHash }) => `/explorer/transactions/${transactionHash}`,
  receipt: (known) => `/explorer/receipts/${known.receiptId}`,
  batch: () => "/explorer/batches/1",
  challenges: () => "/explorer/challenges",
  nowhere: () => "/no/such/page",
};

/** A network with a way to go: milliseconds, and no limit of bytes. */
const slow = { offline: false, latency: 40, downloadThroughput: -1, uploadThroughput: -1 };

/** Each look and each width once: contrast hangs on the one, the size of targets on the other. */
const crossed = new Set(["light, 375 px", "dark, 1280 px"]);

const pictures = join(import.meta.dirname, "..", "dist-screens");

/** What one look at a screen found; `sideways` are tables of which a part is out of sight. */
export type Sight = { at: string; violations: string[]; sticksOut: number; sideways: string[] };

/** What one opening of a screen found. */
export type Opening = { width: number; complaints: string[]; shift: Shift; sights: Sight[] };

/**
 * Opens a screen as a stranger would, once in each width, and says what is wrong with it; pictures of it in every look stay behind.
 *
 * @param judged where rules of accessibility are checked: in every look and width, or in each of them once
 */
export async function lookAt(
  browser: Browser,
  name: string,
  url: string,
  judged: "all" | "crossed" = "all",
): Promise<Opening[]> {
  const openings: Opening[] = [];
  for (const width of widths) openings.push(await openAt(browser, width, name, url, judged));
  return openings;
}

async function openAt(
  browser: Browser,
  width: number,
  name: string,
  url: string,
  judged: "all" | "crossed",
): Promise<Opening> {
  const context = await browser.newContext({ viewport: { width, height } });
  try {
    // Pictures are of the screens; the first look has its own.
    await context.addInitScript("localStorage.setItem('openledger.tour', 'done')");
    await watchJank(context);
    const page = await context.newPage();
    const found = complaints(page);
    // Answers of this machine's own node come before anything is drawn; a reader's come later, and things must not jump then.
    const network = await context.newCDPSession(page);
    await network.send("Network.emulateNetworkConditions", slow);
    await page.goto(url);
    await settled(page);
    const shift = await shiftOf(page);
    return { width, complaints: found, shift, sights: await sightsOf(page, name, [width], judged) };
  } finally {
    await context.close();
  }
}

/** Captions of tables that are wider than their place. */
const sideways = `[...document.querySelectorAll("main section:has(> table), main [role=table], [role=dialog] section:has(> table)")]
  .filter((place) => place.scrollWidth > place.clientWidth)
  .map((place) => place.getAttribute("aria-label") + ": " + (place.scrollWidth - place.clientWidth) + " px out of sight")`;

/** What is wrong with a page as it stands, in every look; pictures stay behind. */
async function sightsOf(
  page: Page,
  name: string,
  among: readonly number[],
  judged: "all" | "crossed",
): Promise<Sight[]> {
  mkdirSync(pictures, { recursive: true });
  const sights: Sight[] = [];
  for (const width of among)
    for (const look of looks) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: look, reducedMotion: "reduce" });
      await page.locator(look === "dark" ? "html.dark" : "html:not(.dark)").waitFor();
      // Two frames: one in which the look changes, and one in which it is drawn.
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      await page.screenshot({ path: join(pictures, `${name}-${look}-${width}.png`), fullPage: true });
      const at = `${look}, ${width} px`;
      sights.push({
        at,
        violations: judged === "all" || crossed.has(at) ? await violations(page) : [],
        sticksOut: await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth"),
        sideways: await page.evaluate<string[]>(sideways),
      });
    }
  return sights;
}

/** @throws AssertionError where a sight is not as it should be */
export function assertSights(sights: readonly Sight[]): void {
  for (const { at, violations, sticksOut, sideways } of sights) {
    assert.deepEqual(violations, [], at);
    assert.deepEqual(sideways, [], at);
    assert.ok(sticksOut <= 0, `${at}: ${sticksOut} px wider than the window`);
  }
}

/** Looks at a state that a journey has come to, each look and width once, and leaves the page as wide and light as it was. */
export async function assertState(page: Page, name: string): Promise<void> {
  const size = page.viewportSize();
  assertSights(await sightsOf(page, name, widths, "crossed"));
  if (size) await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}
