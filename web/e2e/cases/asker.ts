/** Who asks: pays, sees whose data an answer came from, and stops one that takes too long. */
import assert from "node:assert/strict";
import { bringKey, settled, signIn, violations } from "../browser.ts";
import { inBrowser } from "../populated.ts";
import { assertState } from "../screens.ts";

const open = 10n ** 18n;

inBrowser(
  "an answer is paid for, traced, divided and final before the asker's eyes, and the rest comes back",
  async ({ world, known, visit, get }) => {
    const page = await visit("/playground?model=valley");
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
    // What one screen knows of the account's money is not what another asks for.
    await page.getByRole("link", { name: "Earnings" }).click();
    await page.getByText("Claimable now").waitFor();
    await page.getByRole("link", { name: "Playground" }).click();
    await page.getByRole("heading", { name: "Playground" }).waitFor();

    // What pays is its payer's: more into it, no key any more, and the rest comes back.
    await page.getByRole("banner").getByTitle(address).click();
    await page.getByRole("tab", { name: "Channels and keys" }).click();
    const channel = page.getByRole("article", { name: /^Channel 0x/ });
    await channel.getByText("in use here").waitFor();
    await channel.getByRole("button", { name: "Top up" }).click();
    await page.getByLabel("To put in, OPEN").fill("0.5");
    await page.getByRole("dialog").getByRole("button", { name: "Top up" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await channel.getByText("left of a limit of 1.5").waitFor();
    await assertState(page, "account-channels");
    await channel.getByRole("button", { name: "Spending limit" }).click();
    await page.getByRole("dialog").getByText("Limit in all, OPEN").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("dialog").getByRole("button", { name: "Revoke the key" }).click();
    await channel.getByText("your wallet alone can spend from it").waitFor();
    await channel.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Ask to close it" }).click();
    await channel.getByRole("button", { name: /^Close, and get 1\.\d+/ }).click();
    await page.getByText("A channel is closed").waitFor();
    await page.getByRole("tab", { name: "Passes" }).click();
    await page.getByText("This page holds no pass").waitFor();

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
  },
);

inBrowser(
  "a key that its payer revokes buys nothing from the next question on",
  async ({ known, person, visit }) => {
    const page = await visit("/account", await person("sponsor", 3));
    await page.getByRole("tab", { name: "Channels and keys" }).click();
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("What it is for").fill("a friend");
    await page.getByLabel("Deposit, OPEN").fill("1");
    await page.getByRole("button", { name: "Make the key and deposit" }).click();
    const secret = await page.getByRole("figure").filter({ hasText: "Secret" }).locator("pre").textContent();
    await page.getByRole("button", { name: "I have kept it" }).click();

    const friend = await visit("/playground?model=valley");
    await bringKey(friend, secret ?? "");
    await friend.getByLabel("Your question").fill(known.question);
    await friend.getByRole("button", { name: "Ask" }).click();
    await friend.getByText("Who is paid").waitFor();

    const channel = page.getByRole("article", { name: /^Channel 0x/ });
    await channel.getByRole("button", { name: "Spending limit" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke the key" }).click();
    await channel.getByText("your wallet alone can spend from it").waitFor();
    await friend.getByLabel("Your question").fill("And who else?");
    await friend.getByRole("button", { name: "Ask" }).click();
    await friend.getByText("This API key was revoked: it buys nothing more.").waitFor();
    await assertState(friend, "playground-revoked");
  },
  { refused: [402] },
);

inBrowser("who stops an answer pays for what was written of it", async ({ world, known, visit, get }) => {
  const page = await visit("/playground?model=valley");
  await bringKey(page, known.secret);
  await page.getByText("Settings").click();
  const tokensMost = 400;
  await page.getByLabel("Longest answer, tokens").fill(String(tokensMost));
  await page.getByLabel("Temperature").fill("2");
  await page.getByLabel("Seed").fill("3");

  // A dozen others ask at the same time: alone, the small model has written its 400 tokens before a hand has moved.
  const others = Array.from({ length: 12 }, (_, seed) =>
    fetch(`${world.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...{ model: "openledger-tiny", prompt: "The valley", max_tokens: tokensMost, temperature: 2, seed },
      }),
    }).then((answer) => answer.text()),
  );
  await page.getByLabel("Your question").fill("Tell me everything about everyone in the valley.");
  await page.keyboard.press("Enter");
  const answer = page.getByRole("article").locator('[aria-live="polite"] p').filter({ hasText: /\S/ });
  await answer.first().waitFor();
  // By keyboard: a pointer would have to aim at what an answer that grows moves.
  await page.getByRole("button", { name: "Stop", exact: true }).press("Enter");
  await page.getByRole("article").getByText("stopped", { exact: true }).waitFor();
  await page.getByText("Who is paid").waitFor();
  const { receipts } = await get<{ receipts: { receiptId: string }[] }>("/v1/receipts?limit=1");
  const { bundle } = await get<{ bundle: { receipt: { completionTokens: number } } }>(
    `/v1/receipts/${receipts[0]?.receiptId}`,
  );
  const { completionTokens } = bundle.receipt;
  assert.ok(completionTokens < tokensMost, `${completionTokens} tokens were written`);
  await Promise.all(others);
  // The next question is asked at once.
  await page.getByLabel("Your question").fill(known.question);
  assert.ok(await page.getByRole("button", { name: "Ask" }).isEnabled());
});
