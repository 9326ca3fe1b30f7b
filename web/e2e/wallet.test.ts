/** Signing in: with a key of this device, with a wallet of the browser, and what a page of another site can do about it. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { complaints, launch, settled, signIn, violations, withoutBrowser } from "./browser.ts";
import { openWorld, type World } from "./world.ts";

const password = "correct horse battery";
let world: World;
let browser: Browser;

if (!withoutBrowser) {
  before(async () => {
    world = await openWorld();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await world?.close();
  });
}

async function open(path = "/"): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${world.url}${path}`);
  await settled(page);
  return page;
}

/** Everything that scripts of the page can find again after a reload. */
const stored = (page: Page) =>
  page.evaluate<string>("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie");

test("a newcomer makes a key, is signed in, and opens it again after a reload", {
  skip: withoutBrowser,
}, async () => {
  const page = await open();
  const found = complaints(page);
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
  const file = JSON.parse((await page.evaluate<string>("localStorage.getItem('openledger.key')")) ?? "{}");
  assert.deepEqual([file.version, `0x${file.address}`], [3, session.address]);

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
  assert.deepEqual(found, []);
  await page.context().close();
});

test("nothing that is kept in the browser is a secret, and no script reads the session", {
  skip: withoutBrowser,
}, async () => {
  const page = await open();
  await signIn(page);
  const text = await stored(page);
  const { crypto } = JSON.parse(
    (await page.evaluate<string>("localStorage.getItem('openledger.key')")) ?? "{}",
  );
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
  await page.context().close();
});

test("a wallet of the browser is found, told the network, and signs in", {
  skip: withoutBrowser,
}, async () => {
  const account = privateKeyToAccount(generatePrivateKey());
  const context = await browser.newContext();
  const asked: { method: string; params: unknown[] }[] = [];
  await context.exposeFunction("walletRequest", async (method: string, params: unknown[]) => {
    asked.push({ method, params });
    if (method === "eth_requestAccounts" || method === "eth_accounts") return [account.address];
    if (method === "personal_sign")
      return account.signMessage({ message: { raw: params[0] as `0x${string}` } });
    if (method === "eth_chainId") return "0x1";
    return null;
  });
  await context.addInitScript(`{
    const provider = { request: ({ method, params }) => walletRequest(method, params ?? []), on() {}, removeListener() {} };
    const detail = Object.freeze({ info: { uuid: "350670db-19fa-4704-a166-e52e178b59d2", name: "Test wallet", icon: "data:image/svg+xml,<svg/>", rdns: "test.wallet" }, provider });
    const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
    addEventListener("eip6963:requestProvider", announce);
    announce();
  }`);
  const page = await context.newPage();
  await page.goto(world.url);
  await settled(page);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Test wallet" }).click();
  await page.getByTitle(account.address.toLowerCase()).waitFor();
  const added = asked.find(({ method }) => method === "wallet_addEthereumChain")?.params[0] as Record<
    string,
    unknown
  >;
  assert.deepEqual([added.chainId, added.rpcUrls], [`0x${(161_612).toString(16)}`, [`${world.url}/rpc`]]);
  assert.ok(asked.some(({ method }) => method === "personal_sign"));
  await context.close();
});

test("no page of another site shows this one in a frame, or acts by its session", {
  skip: withoutBrowser,
}, async () => {
  const page = await open();
  await signIn(page);
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
  await page.context().close();
});
