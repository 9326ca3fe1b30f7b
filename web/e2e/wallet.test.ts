/** A newcomer: the first look, signing in with a key or a wallet, and what a page of another site can do about it. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { tourSteps } from "../src/tour/steps.ts";
import { complaints, keyFile, password, settled, signIn, violations } from "./browser.ts";
import { shiftOf } from "./jank.ts";
import { assertState } from "./screens.ts";
import { setting } from "./setting.ts";
import { installWallet, signInByWallet } from "./wallet.ts";

const inBrowser = setting({}, async () => {});

/** Everything that scripts of the page can find again after a reload. */
const stored = (page: Page) =>
  page.evaluate<string>("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie");

inBrowser(
  "the first look is offered once, points at real controls, moves nothing, and begins again from the account",
  async ({ world, visitFirst }) => {
    const page = await visitFirst("/");
    const look = page.getByRole("region", { name: "First look" });
    await look.getByText("First time here?").waitFor();
    await look.getByRole("button", { name: "Look around" }).press("Enter");
    for (const [at, { title, to }] of tourSteps.entries()) {
      await look.getByText(title, { exact: true }).waitFor();
      assert.equal(new URL(page.url()).pathname, to);
      await page.locator(".tour-mark:visible").first().waitFor();
      if (at === 1) await assertState(page, "tour");
      // The focus stays where it was: one key leads through all of it.
      await page.keyboard.press("Enter");
    }
    await look.waitFor({ state: "detached" });
    await page.reload();
    await settled(page);
    assert.equal(await look.count(), 0, "never again");
    await page.goto(`${world.url}/account`);
    await page.getByRole("button", { name: "Show it again" }).click();
    await look.getByText(tourSteps[0]?.title as string, { exact: true }).waitFor();

    const other = await visitFirst("/datanets");
    assert.ok((await shiftOf(other)).score < 0.01);
    await other.getByRole("region", { name: "First look" }).getByRole("button", { name: "Skip" }).click();
    await other.reload();
    await settled(other);
    assert.equal(
      await other.getByRole("region", { name: "First look" }).count(),
      0,
      "never after it was skipped",
    );
  },
);

inBrowser(
  "a newcomer makes a key, nothing secret is kept beside it, and it opens again after a reload",
  async ({ visit }) => {
    const page = await visit("/");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByLabel("Password again").fill("another one");
    await page.getByRole("button", { name: "Create the key" }).click();
    await page.getByText("The two passwords are not the same.").waitFor();
    await page.keyboard.press("Escape");
    await signIn(page);

    const { session } = await page.evaluate<{ session: { address: string; operator: boolean } }>(
      "fetch('/v1/session').then((answer) => answer.json())",
    );
    assert.equal(session.operator, false);
    const text = await stored(page);
    const { version, address, crypto } = await keyFile(page);
    assert.deepEqual([version, `0x${address}`], [3, session.address]);
    // What is hex and as long as a key is the ciphertext, its salt or its MAC.
    const long = new Set(text.match(/[0-9a-f]{64}/g));
    for (const known of [crypto.ciphertext, crypto.kdfparams.salt, crypto.mac]) long.delete(known);
    assert.deepEqual([...long], []);
    assert.doesNotMatch(text, /sk-ol-|olk_|correct horse/);
    const [cookie] = await page.context().cookies();
    assert.deepEqual(
      [cookie?.name, cookie?.httpOnly, cookie?.sameSite],
      ["openledger-session", true, "Strict"],
    );

    await page.reload();
    await settled(page);
    await page.getByRole("button", { name: "Unlock" }).click();
    await page.getByLabel("Password", { exact: true }).fill("a wrong one");
    await page.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
    await page.getByText("The password does not open this key.").waitFor();
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByTitle(session.address).waitFor();
  },
);

inBrowser("a wallet of the browser is found, told the network, and signs in", async ({ browser, world }) => {
  const account = world.node.network.keys.account("surfer");
  const context = await browser.newContext();
  const asked = await installWallet(context, world, account);
  const page = await context.newPage();
  await page.goto(world.url);
  await settled(page);
  await signInByWallet(page, account);
  const added = asked.find(({ method }) => method === "wallet_addEthereumChain")?.params[0];
  assert.partialDeepStrictEqual(added, {
    chainId: `0x${(161_612).toString(16)}`,
    rpcUrls: [`${world.url}/rpc`],
  });
  assert.ok(asked.some(({ method }) => method === "personal_sign"));
  await context.close();
});

inBrowser(
  "no page of another site shows this one in a frame, or acts by its session",
  async ({ visit, world }) => {
    const page = await visit("/", world.node.network.keys.account("surfer"));
    const other = createServer((_, answer) => {
      answer.setHeader("content-type", "text/html");
      answer.end(`<!doctype html><title>Elsewhere</title><iframe src="${world.url}"></iframe>`);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const elsewhere = await page.context().newPage();
    const found = complaints(elsewhere);
    await elsewhere.goto(`http://localhost:${(other.address() as AddressInfo).port}`);
    await elsewhere.waitForTimeout(500);
    assert.match(found.join(), /frame-ancestors/);
    const outcome = await elsewhere.evaluate<string>(
      `fetch("${world.url}/v1/session", { method: "DELETE", credentials: "include", mode: "no-cors" }).then((answer) => answer.type, (error) => error.name)`,
    );
    assert.match(outcome, /opaque|TypeError/);
    const still = await page.evaluate<{ session: unknown }>(
      "fetch('/v1/session').then((answer) => answer.json())",
    );
    assert.notEqual(still.session, null);
    other.close();
  },
);
