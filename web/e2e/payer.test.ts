/** Who pays: for runs whose money a contract holds, and for answers; and what comes back with time, on a node whose clock is moved on. */
import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { violations } from "./browser.ts";
import { assertState } from "./screens.ts";
import { setting } from "./setting.ts";
import { giveValley, type World } from "./world.ts";

const open = 10n ** 18n;
const hour = 3_600;
/** Longer than what computes may take on a machine that does something else, too. */
const slowMs = 300_000;
/** As the local network's parameters say. */
const refundDelaySeconds = 30 * 24 * hour;

const developer = privateKeyToAccount(generatePrivateKey());
const inBrowser = setting(
  {
    operators: [developer.address],
    fineTuneWeiPerToken: "1000000000000",
    fineTuneDeadlineSeconds: hour,
    closeTimeoutSeconds: hour,
  },
  giveValley,
);

/** Orders a run that takes longer than any test, as another program would. */
async function order({ url, node }: World, known: Awaited<ReturnType<typeof giveValley>>, id: string) {
  const { datanetId, version } = known;
  const ordered = await fetch(`${url}/v1/fine-tunes`, {
    method: "POST",
    headers: { authorization: `Bearer ${node.operatorToken}`, "content-type": "application/json" },
    body: JSON.stringify({
      ...{ id, model: id, datanets: [{ datanetId, version: version.version }] },
      recipe: { ...{ threads: 1, epochs: 900, stopAtOptimum: false }, calibration: { retrainings: 0 } },
    }),
  });
  assert.equal(ordered.status, 402);
}

inBrowser(
  "a run that waits is paid into escrow by whoever opens its page, cancelled by them, and divided to the wei",
  async ({ world, known, person, visit, get }) => {
    await order(world, known, "ordered");
    const payer = world.node.network.keys.account("payer");
    const page = await visit("/factory/ordered", payer);
    await page.getByText("too little for the price and the gas").waitFor();
    await person("payer", 10);
    await page.getByRole("button", { name: "Look again" }).click();
    const pay = page.getByRole("button", { name: /^Pay \d\.\d+ OPEN and start$/ });
    await page.getByText("too little for the price and the gas").waitFor({ state: "detached" });
    await assertState(page, "factory-run-unpaid");
    await pay.click();
    await page.getByText("are in escrow while it runs").waitFor();
    await page.getByText(/^Training: step/).waitFor();
    await assertState(page, "factory-run-held");
    await page.getByRole("button", { name: "Cancel the run" }).click();
    await page.getByRole("dialog").getByText("To the operator, about").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("dialog").getByRole("button", { name: "Cancel it" }).click();
    await page.getByText(/steps were done: .* went to the operator/).waitFor({ timeout: slowMs });
    await assertState(page, "factory-run-stopped");
    const { payment } = await get<{ payment: Record<string, string> }>("/v1/fine-tunes/ordered");
    assert.deepEqual([payment.state, payment.payer], ["stopped", payer.address.toLowerCase()]);
    assert.equal(
      BigInt(payment.operatorWei as string) + BigInt(payment.payerWei as string),
      BigInt(payment.amountWei as string),
    );
  },
);

inBrowser(
  "a run that nothing has come of by its deadline is paid back to its payer, who asks for it",
  async ({ world, known, person, visit, get, later }) => {
    await order(world, known, "late");
    const payer = await person("patient", 10);
    const page = await visit("/factory/late", payer);
    await page.getByRole("button", { name: /^Pay \d\.\d+ OPEN and start$/ }).click();
    await page.getByText("are in escrow while it runs").waitFor();
    await world.node.modelFactory.pause("late");
    await page.getByText("It is set aside; what it has trained is kept.").waitFor();
    const { public: chain } = world.node.network.reader;
    const before = await chain.getBalance({ address: payer.address });
    await later(hour + 1);
    await page.getByText("The deadline is over.").waitFor();
    await assertState(page, "factory-run-late");
    await page.getByRole("button", { name: /^Send \d\.\d+ OPEN back to you$/ }).click();
    await page.getByText(/^Nothing came by the deadline: .* came back to the payer/).waitFor();
    const { payment } = await get<{ payment: Record<string, string> }>("/v1/fine-tunes/late");
    assert.deepEqual(
      [payment.state, payment.operatorWei, payment.payerWei],
      ["refunded", "0", payment.amountWei],
    );
    const gas = before + BigInt(payment.amountWei as string) - (await chain.getBalance(payer));
    assert.ok(gas > 0n && gas < open / 100n, `${gas} wei were missing`);
  },
);

inBrowser(
  "a model is planned and paid for in its wizard, and delivered; what it earned and never settled comes back to who asked it",
  async ({ world, visit, get, later }) => {
    const { reader, contracts, faucet } = world.node.network;
    await faucet(developer.address, 10n * open);
    const page = await visit("/factory/new", developer);
    await page.getByLabel("Name", { exact: true }).fill("paid-for");
    await page.getByRole("checkbox", { name: /^The valley/ }).click();
    await page.getByRole("radio", { name: /^quick/i }).check();
    await page.getByText("Fields", { exact: true }).click();
    await page.getByLabel("Epochs at most").fill("3");
    const start = page.getByRole("button", { name: /^Pay \d\.\d+ OPEN and start$/ });
    // The first estimate measures this machine.
    await start.waitFor({ timeout: slowMs });
    await assertState(page, "factory-new-priced");
    const price = /^Pay (\S+) OPEN/.exec((await start.textContent()) ?? "")?.[1];
    await start.click();
    await page.getByRole("heading", { name: "paid-for" }).waitFor();
    await page
      .getByText(`It was delivered: ${price} OPEN went to the operator.`)
      .waitFor({ timeout: slowMs });
    const id = new URL(page.url()).pathname.split("/").at(-1);
    const { payment, releaseId } = await get<{ payment: Record<string, string>; releaseId: string }>(
      `/v1/fine-tunes/${id}`,
    );
    assert.deepEqual(
      [payment.state, payment.payer, payment.evidence],
      ["succeeded", developer.address.toLowerCase(), releaseId],
    );

    await page.getByRole("link", { name: "Ask it" }).click();
    await page.getByRole("button", { name: "Pay for answers" }).click();
    await page.getByLabel("Deposit, OPEN").fill("1");
    await page.getByRole("dialog").locator('button[type="submit"]').click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByLabel("Your question").fill("Who lives in the valley?");
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText("Who is paid").waitFor({ timeout: slowMs });

    // Nothing is settled on this node: what closing has collected stays in escrow.
    await page.getByRole("banner").getByTitle(developer.address.toLowerCase()).click();
    await page.getByRole("tab", { name: "Channels and keys" }).click();
    const channel = page.getByRole("article", { name: /^Channel 0x/ });
    await channel.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Ask to close it" }).click();
    const unsettled = channel.getByText("collected and not settled yet");
    await unsettled.waitFor();
    await later(hour);
    await channel.getByRole("button", { name: /^Close, and get \d/ }).click();
    await page.getByText("A channel is closed").click();
    await unsettled.click();
    await channel.getByRole("button", { name: "Ask for it back" }).click();
    await channel.getByText(/^It comes back from/).waitFor();
    await assertState(page, "account-channel-unsettled");
    const channelId = (await channel.getAttribute("aria-label"))?.split(" ")[1] as `0x${string}`;
    const escrowed = () =>
      reader.public.readContract({
        ...contracts.AttributionLedger,
        functionName: "channelState",
        args: [channelId],
      });
    const [{ settled }, before] = [
      (await escrowed())[0],
      await reader.public.getBalance({ address: developer.address }),
    ];
    await later(refundDelaySeconds);
    await channel.getByRole("button", { name: /^Take .* back$/ }).click();
    await unsettled.waitFor({ state: "detached" });
    const back = (await escrowed())[0].settled - settled;
    assert.ok(back > 0n, "something was paid for the answer");
    const gas = before + back - (await reader.public.getBalance({ address: developer.address }));
    assert.ok(gas > 0n && gas < open / 100n, `${gas} wei were missing`);
  },
  { refused: [402] },
);
