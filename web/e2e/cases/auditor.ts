/** Who believes nobody: from a receipt's id to what it rests on. */
import { settled } from "../browser.ts";
import { inBrowser } from "../populated.ts";

inBrowser(
  "a receipt is found by its id, computed again, and followed to its batch and transaction",
  async ({ known, visit }) => {
    const page = await visit("/explorer");
    await page.getByLabel("Search the chain").fill(known.receiptId);
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("heading", { name: /^Receipt 0x/ }).waitFor();
    await page.locator('[aria-current="step"]', { hasText: "Final" }).waitFor();
    await page.getByRole("button", { name: "Compute it again in this browser" }).click();
    await page.getByText("Everything that can be computed here holds.").waitFor();

    await page.getByRole("link", { name: /^Batch \d/ }).click();
    await page.getByRole("heading", { name: /^Batch \d/ }).waitFor();
    await page.getByText("Receipts' root").waitFor();
    await settled(page);
    await page.locator('main a[href^="/explorer/transactions/"]').click();
    await page.getByRole("heading", { name: /^Transaction/ }).waitFor();
    await page.getByText(/^batch settled$/i).waitFor();
  },
);
