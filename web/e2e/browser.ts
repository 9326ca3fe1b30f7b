/** Chromium for the tests that look at pages, and what they look for. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, chromium, type Page } from "playwright-core";

const places = [
  process.env.OPENLEDGER_CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Where a Chromium is on this machine. */
export const chromiumPath = (): string | undefined =>
  places.find((path) => path !== undefined && existsSync(path));

/**
 * Why a test in the browser cannot run, or false. Continuous integration sets OPENLEDGER_BROWSER=required: a browser that is missing
 * there is a failure, not a reason.
 */
export const withoutBrowser: string | false =
  chromiumPath() === undefined && process.env.OPENLEDGER_BROWSER !== "required"
    ? "No Chromium is on this machine; OPENLEDGER_CHROMIUM names one that is elsewhere."
    : false;

/** Root's Chromium, as in a container, has no sandbox of its own; what it opens is this test's own node. */
export const sandbox: readonly string[] = process.getuid?.() === 0 ? ["--no-sandbox"] : [];

export async function launch(): Promise<Browser> {
  const executablePath = chromiumPath();
  assert.ok(executablePath, "OPENLEDGER_BROWSER=required, and no Chromium is on this machine");
  return chromium.launch({ executablePath, args: [...sandbox] });
}

/** What a page complained about while it was looked at: errors thrown, refused by the policy, or written to its console. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on("pageerror", (error) => found.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (message.type() === "error") found.push(message.text());
  });
  return found;
}

/** Violations of WCAG 2.2 A and AA that axe finds, one line each. */
export async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return violations.map(({ id, help, nodes }) => {
    const [first] = nodes;
    return `${id}: ${help}; ${nodes.length} times, first\n  ${first?.html.slice(0, 300)}\n  ${first?.failureSummary}`;
  });
}

/** Waits until the screen has its title and nothing on it says that it is loading. */
export async function settled(page: Page): Promise<void> {
  await page.locator("main h1").first().waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: "detached" });
}

/** Of keys that are made on this device. */
export const password = "correct horse battery";

type KeyFile = {
  readonly version: number;
  readonly address: string;
  readonly crypto: {
    readonly ciphertext: string;
    readonly mac: string;
    readonly kdfparams: { readonly salt: string };
  };
};

/** The key file that this device keeps. */
export const keyFile = async (page: Page): Promise<KeyFile> =>
  JSON.parse((await page.evaluate<string | null>("localStorage.getItem('openledger.key')")) ?? "{}");

/** Opens the device's key again, after a page was loaded anew. */
export async function unlock(page: Page): Promise<void> {
  await page.getByRole("banner").getByRole("button", { name: "Unlock" }).click();
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** Makes a key on this device and signs in with it. @returns the key's address */
export async function signIn(page: Page): Promise<`0x${string}`> {
  await page.getByRole("banner").getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByLabel("Password again").fill(password);
  await page.getByRole("button", { name: "Create the key" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  return `0x${(await keyFile(page)).address}`;
}

/** Pays on this page with a key that was made elsewhere. */
export async function bringKey(page: Page, secret: string): Promise<void> {
  await page.getByRole("button", { name: "Pay for answers" }).click();
  await page.getByRole("button", { name: "I have an API key already" }).click();
  await page.getByLabel("API key").fill(secret);
  await page.getByRole("button", { name: "Use this key" }).click();
}
