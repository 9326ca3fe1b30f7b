/** Who decides: OPEN becomes votes, votes a decision, and the decision the division of the next fee. */
import assert from "node:assert/strict";
import { settled } from "../browser.ts";
import { inBrowser } from "../populated.ts";
import { askAndSettle } from "../world.ts";

/** More than the quorum: a hundredth of all OPEN at least, and 4 % of what circulates. */
const locked = 21_000_000;

inBrowser(
  "votes that were delegated change how a fee is divided, and the next receipt shows it",
  async ({ world, known, person, visit, get }) => {
    const voter = await person("voter", 2);
    const holder = await visit("/governance?tab=votes", await person("holder", locked + 1));
    await holder.getByLabel("OPEN to lock").fill(String(locked));
    await holder.getByRole("button", { name: "Lock", exact: true }).click();
    await holder.getByText("has no vote until it is delegated").waitFor();
    await holder.getByLabel("Who votes").fill(voter.address);
    await holder.getByLabel("Sign only, the node pays the gas").click();
    await holder.getByRole("button", { name: "Delegate", exact: true }).click();
    await holder.locator("main").getByTitle(voter.address.toLowerCase()).waitFor();

    const page = await visit("/governance/new?kind=split", voter);
    await page.getByLabel("Operator, per cent").fill("10");
    await page.getByLabel("Data, per cent").fill("55");
    await page.getByLabel("Why").fill("Data is scarce.");
    await page.getByRole("button", { name: "Propose" }).click();
    await page.getByText("Vote begins", { exact: true }).waitFor();
    await page.getByRole("radio", { name: "For" }).click();
    await page.getByLabel("Reason").fill("Whoever knows something should be paid for it.");
    await page.getByRole("button", { name: "Cast your vote" }).click();
    await page.getByText("You have voted").waitFor();
    await page
      .getByRole("table", { name: "Votes cast" })
      .getByText("Whoever knows something should be paid for it.")
      .waitFor();
    await holder.getByRole("tab", { name: "Voters" }).click();
    const row = holder
      .getByRole("table", { name: "Voters" })
      .getByRole("row", { name: /1 other\b.* 1 of \d/ });
    await row.getByTitle(voter.address.toLowerCase()).waitFor();
    await row.getByRole("link", { name: /^Delegate to this one/ }).click();
    assert.equal(await holder.getByLabel("Who votes").inputValue(), voter.address.toLowerCase());

    await page.getByRole("button", { name: "Queue it" }).click();
    await page.getByRole("button", { name: "Carry it out" }).click();
    await page.getByText("Carried out", { exact: true }).waitFor();
    // A parameter changes with a later block than the one that says so, and a receipt's time may lie two seconds back.
    await page.waitForTimeout(4_000);
    await page.goto(`${world.url}/governance/parameters`);
    await page
      .getByRole("table", { name: "Fee split" })
      .getByRole("row", { name: /^operator .*10\s%/ })
      .waitFor();

    await askAndSettle(world, "valley", known.question, known.secret);
    const { receipts } = await get<{ receipts: { receiptId: string }[] }>("/v1/receipts?limit=1");
    await page.goto(`${world.url}/explorer/receipts/${receipts[0]?.receiptId}`);
    await settled(page);
    await page
      .getByRole("table", { name: "Payments" })
      .getByRole("row", { name: /^operator .*\s10\s%/ })
      .waitFor();
  },
);
