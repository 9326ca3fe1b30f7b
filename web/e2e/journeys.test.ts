/** What people come to do, from signing in to its end, on a real node. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { complaints, launch, settled, signIn, violations, withoutBrowser } from "./browser.ts";
import { type Known, openWorld, populate, type World } from "./world.ts";

const open = 10n ** 18n;
let world: World;
let known: Known;
let browser: Browser;

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

const get = async <T>(path: string) => (await (await fetch(`${world.url}${path}`)).json()) as T;

test("an answer is paid for, traced, divided and final before the asker's eyes", {
  skip: withoutBrowser,
}, async () => {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 1000 } })).newPage();
  const found = complaints(page);
  await page.goto(`${world.url}/playground?model=valley`);
  await settled(page);
  const address = await signIn(page);
  await world.node.network.faucet(address, 3n * open);

  await page.getByRole("button", { name: "Pay for answers" }).click();
  await page.getByLabel("Deposit, OPEN").fill("1");
  await page.getByRole("dialog").locator('button[type="submit"]').click();
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await page.getByLabel("Your question").fill(known.question);
  await page.getByRole("button", { name: "Ask" }).click();
  const turn = page
    .getByRole("article")
    .filter({ hasText: known.question })
    .or(page.getByLabel(`Question: ${known.question}`))
    .first();
  await turn.getByText(known.answer, { exact: false }).first().waitFor();
  await page.getByText("Whose data it came from").waitFor();
  await page.getByText("The examples themselves").waitFor();
  await page.getByText("Who is paid").waitFor();
  await settled(page);
  assert.deepEqual(await violations(page), []);

  await world.node.settlement.settle();
  await page.locator('[aria-current="step"]', { hasText: "Final" }).waitFor();
  await page.getByRole("button", { name: "Compute it again in this browser" }).click();
  await page.getByText("Everything that can be computed here holds.").waitFor();
  assert.deepEqual(found, []);

  const { receipts } = await get<{ receipts: { receiptId: string; state: string }[] }>(
    "/v1/receipts?limit=1",
  );
  const [newest] = receipts;
  assert.equal(newest?.state, "final");
  const { bundle, feeWei } = await get<{ bundle: { payments: { amount: string }[] }; feeWei: string }>(
    `/v1/receipts/${newest?.receiptId}`,
  );
  assert.equal(
    bundle.payments.reduce((total, { amount }) => total + BigInt(amount), 0n),
    BigInt(feeWei),
  );
  await page.context().close();
});
