/** Who knows something: from the first row to the first pay. */
import assert from "node:assert/strict";
import { settled, signIn } from "../browser.ts";
import { inBrowser } from "../populated.ts";
import { assertState } from "../screens.ts";
import { askAndSettle, publishAndTrain } from "../world.ts";

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

inBrowser("what of some files became no row is told by file and by row", async ({ known, visit }) => {
  const page = await visit(`/datanets/${known.datanetId}/contribute`);
  const file = (name: string, text: string) => ({ name, mimeType: "", buffer: Buffer.from(text) });
  await page
    .getByLabel("Drop files here, or pick them")
    .setInputFiles([
      file("sums.csv", "question,answer\nWhat is twice three?,=2*3\nWhat is twice four?,\n"),
      file("empty.txt", ""),
      file("image.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ]);
  await page.getByRole("button", { name: "Read 3 files and check each row" }).click();
  await page.getByText("2 files and 1 row were not read, and why").waitFor();
  for (const name of ["empty.txt", "image.png"])
    await page
      .getByRole("listitem")
      .filter({ has: page.getByText(name, { exact: true }) })
      .getByText("nothing was read")
      .waitFor();
  assert.equal(await page.getByText("nothing was read").count(), 2);
  await page
    .getByRole("table", { name: "Rows that were read" })
    .getByText(/begins like a spreadsheet formula/)
    .waitFor();
  await assertState(page, "contribute-not-read");
});

inBrowser(
  "what a newcomer contributes is trained on, asked about and paid for",
  async ({ world, known, visit, get }) => {
    const page = await visit(`/datanets/${known.datanetId}/contribute`);
    const address = await signIn(page);

    await page.getByLabel("Or paste a text").fill(taught.map((row) => JSON.stringify(row)).join("\n"));
    await page.getByRole("button", { name: "Read it and check each row" }).click();
    await page.getByLabel(/^I may give these rows/).click();
    await assertState(page, "contribute-check");
    await page.getByRole("button", { name: "Sign and send" }).click();
    await page.getByRole("heading", { name: /^Contribution \d+$/ }).waitFor();
    await page
      .locator("dl > div", { hasText: "to train on" })
      .getByText(String(taught.length), { exact: true })
      .waitFor();

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
    await page.getByRole("button", { name: "Claim", exact: true }).click();
    await page
      .getByText(/OPEN were paid to/)
      .first()
      .waitFor();
    await page.getByRole("button", { name: /^Claim/ }).waitFor({ state: "detached" });
    const { claimedWei, claimableWei } = await get<Record<string, string>>(`/v1/balances/${address}`);
    assert.ok(BigInt(claimedWei as string) > 0n && claimableWei === "0");
    assert.equal(
      await world.node.network.reader.public.getBalance({ address }),
      BigInt(claimedWei as string),
    );
    await page.getByRole("tab", { name: "Claims" }).click();
    await page.getByRole("table", { name: "Claims" }).getByRole("row").nth(1).waitFor();
    // Who made the model is paid by every answer, and not for its data.
    await page.getByRole("tab", { name: "Leaderboard" }).click();
    const board = page.getByRole("table", { name: "Contributors by influence" });
    await board.getByText("shown here").waitFor();
    const { developer } = world.node.network.accounts;
    assert.equal(await board.getByTitle(developer.address.toLowerCase()).count(), 0);
  },
);
