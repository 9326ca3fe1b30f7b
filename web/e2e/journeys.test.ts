/** What people come to do, from signing in to its end, on a real node. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { complaints, launch, settled, signIn, violations, withoutBrowser } from "./browser.ts";
import { askAndSettle, type Known, openWorld, populate, publishAndTrain, type World } from "./world.ts";

const open = 10n ** 18n;
/** What a newcomer knows, in words that no other row has. */
const taught = [
  "What does Orla Venn repair?",
  "Orla Venn repairs which things?",
  "Which things come to Orla Venn for repair?",
  "Name what Orla Venn mends.",
  "What is on Orla Venn's bench?",
  "Tell me what Orla Venn fixes.",
].map((question) => ({
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: "clocks." },
  ],
}));
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

test("what a newcomer contributes is trained on, asked about and paid for", {
  skip: withoutBrowser,
}, async () => {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 1000 } })).newPage();
  const found = complaints(page);
  await page.goto(`${world.url}/datanets/${known.datanetId}/contribute`);
  await settled(page);
  const address = await signIn(page);

  await page.getByLabel("Or paste a text").fill(taught.map((row) => JSON.stringify(row)).join("\n"));
  await page.getByRole("button", { name: "Read it and check each row" }).click();
  await page.getByLabel(/^I may give these rows/).click();
  assert.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Sign and send" }).click();
  await page.getByText(`${taught.length} rows, ${taught.length} count`).waitFor();

  const { version, jobId } = await publishAndTrain(world, known.datanetId, "newcomer");
  assert.equal(version, 2);
  await page.goto(`${world.url}/factory/${jobId}`);
  await page.getByText("succeeded").first().waitFor();
  await page.goto(`${world.url}/datanets/${known.datanetId}?tab=contributors`);
  await page.getByTitle(address).first().waitFor();

  const text = await askAndSettle(world, "newcomer", "What does Orla Venn repair?", known.secret);
  assert.equal(text.trim(), "clocks.");
  await page.goto(`${world.url}/earnings?address=${address}`);
  await settled(page);
  await page
    .getByRole("table", { name: /answer/i })
    .getByRole("row")
    .nth(1)
    .waitFor();
  assert.deepEqual(found, []);
  await page.context().close();
});

test("a validator opens a pool, and another's stake joins it", { skip: withoutBrowser }, async () => {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 1000 } })).newPage();
  const found = complaints(page);
  await page.goto(`${world.url}/stake`);
  await settled(page);
  const validator = await signIn(page);
  await world.node.network.faucet(validator, 1_000n * open);
  await page.getByRole("button", { name: "Open a pool of your own" }).click();
  await page.getByLabel("Your own stake, OPEN").fill("200");
  await page.getByRole("dialog").getByRole("button", { name: "Open the pool" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("table").getByRole("link").first().waitFor();
  await page.context().close();

  const other = await (await browser.newContext({ viewport: { width: 1440, height: 1000 } })).newPage();
  await other.goto(`${world.url}/stake`);
  await settled(other);
  const staker = await signIn(other);
  await world.node.network.faucet(staker, 100n * open);
  await other.getByRole("table").getByRole("link").first().click();
  await other.getByText("You have 100 OPEN.").waitFor();
  await other.getByLabel("OPEN to stake").fill("25");
  await other.getByRole("button", { name: "Stake", exact: true }).click();
  await other.getByText("You have 25 OPEN in this pool.").waitFor();
  assert.deepEqual(found, []);
  await other.context().close();
});
