/** Who gathers others' knowledge: a Datanet from its making to its contributors' vote. */
import assert from "node:assert/strict";
import { settled, signIn, unlock } from "../browser.ts";
import { inBrowser } from "../populated.ts";
import { assertState } from "../screens.ts";
import { admit } from "../world.ts";

inBrowser(
  "a Datanet is made, curated, edited, published and voted on by its people, each in a browser",
  async ({ world, visit }) => {
    const open = async (path: string) => {
      const page = await visit(path);
      return { page, address: await signIn(page) };
    };
    const owner = await open("/datanets/new");
    await owner.page.getByText(`./openledger operator admit ${owner.address}`).waitFor();
    assert.ok(await owner.page.getByRole("button", { name: "Create it" }).isDisabled());
    await assertState(owner.page, "datanet-new-not-admitted");
    // The page follows by itself.
    await admit(world, owner.address);
    await owner.page.getByLabel("Name", { exact: true }).fill("Mills");
    await owner.page.getByLabel("Domain").fill("Taxes");
    await owner.page.getByLabel("Each row is judged by").selectOption("1");
    await owner.page.getByText(/^The operator pays \S+ OPEN for the registration, and its gas/).waitFor();
    await owner.page.getByRole("button", { name: "Create it" }).click();
    await owner.page.getByRole("link", { name: "Open it" }).click();
    await owner.page.getByRole("tab", { name: "Settings" }).click();
    const path = new URL(owner.page.url()).pathname;

    const curator = await open(`${path}/review`);
    await owner.page.getByLabel("Name a curator").fill(curator.address);
    await owner.page.getByRole("button", { name: "Name on chain" }).click();
    await owner.page.getByRole("table").getByTitle(curator.address).waitFor();

    const giver = await open(`${path}/contribute`);
    const rows = [1, 2].map((n) => ({ prompt: `The tax of mill ${n} is`, completion: ` ${n} sacks.` }));
    await giver.page.getByLabel("Or paste a text").fill(rows.map((row) => JSON.stringify(row)).join("\n"));
    await giver.page.getByRole("button", { name: "Read it and check each row" }).click();
    await giver.page.getByLabel(/^I may give these rows/).click();
    await giver.page.getByRole("button", { name: "Sign and send" }).click();
    await giver.page.getByRole("heading", { name: "Contribution " }).waitFor();

    await curator.page.getByRole("button", { name: "Take rows to judge" }).click();
    const [first, second] = [
      curator.page.getByRole("article").nth(0),
      curator.page.getByRole("article").nth(1),
    ];
    await first.getByRole("button", { name: "Accept" }).click();
    await second.getByRole("button", { name: "Propose an edit" }).click();
    await second.getByLabel("Completion").fill(" 20 sacks.");
    await curator.page.getByRole("button", { name: "Send 2 of 2 judgements" }).click();
    await curator.page.getByText("Nothing waits for you").waitFor();
    await curator.page.getByText("1 to train on, 0 held out").waitFor();
    await curator.page.getByRole("button", { name: "Publish version 1" }).waitFor();
    await assertState(curator.page, "review-publish");

    // What waits for a contributor is found from its account.
    await giver.page.goto(`${world.url}/account?tab=contributions`);
    await settled(giver.page);
    await assertState(giver.page, "account-contributions");
    await giver.page
      .getByRole("link", { name: /^Contribution \d+\s*1 edit proposed$/ })
      .first()
      .click();
    await settled(giver.page);
    await unlock(giver.page);
    const edit = giver.page.getByRole("region", { name: "Edits proposed" });
    await edit.locator("ins", { hasText: "20" }).waitFor();
    await assertState(giver.page, "contribution-edits");
    await edit.getByRole("button", { name: "Sign and take 1" }).click();
    await edit.waitFor({ state: "detached" });

    const publish = owner.page.getByRole("button", { name: "Publish version 1" });
    await owner.page.reload();
    await publish.waitFor();
    await owner.page.getByText("2 to train on, 0 held out").waitFor();
    await owner.page.getByRole("tab", { name: "Versions" }).click();
    await owner.page.getByText("2 accepted rows are in no version yet.").waitFor();
    await assertState(owner.page, "datanet-versions-none");
    await owner.page.getByRole("link", { name: "Publish version 1" }).click();
    await assertState(owner.page, "datanet-settings");
    await publish.click();
    await owner.page.getByText("Version 1 is published: 2 rows").waitFor();
    await owner.page.getByRole("tab", { name: "Versions" }).click();
    await owner.page.getByRole("table", { name: "Versions" }).getByRole("row").nth(1).waitFor();
    assert.equal(await owner.page.getByText("in no version yet").count(), 0);
    await owner.page.getByRole("tab", { name: "Settings" }).click();
    await owner.page.getByRole("button", { name: "Open an election" }).click();
    await owner.page.getByRole("link", { name: "See the elections" }).click();
    await owner.page.getByText("0 of 2 votes are cast").waitFor();

    await giver.page.getByRole("link", { name: "Mills" }).click();
    await giver.page.getByRole("tab", { name: "Curators" }).click();
    await giver.page.getByLabel("Your candidate").fill(curator.address);
    await giver.page.getByText("Your 2 examples vote at once").waitFor();
    await assertState(giver.page, "datanet-election");
    await giver.page.getByRole("button", { name: "Sign the vote" }).click();
    await giver.page.getByText("elected by contributors").waitFor();
    await giver.page.getByRole("main").getByText("elected", { exact: true }).waitFor();

    await owner.page.reload();
    await owner.page.getByRole("tab", { name: "Settings" }).click();
    const end = owner.page.getByRole("button", { name: "End all elected terms" });
    await end.click();
    await end.waitFor({ state: "detached" });
    await giver.page.reload();
    await giver.page.getByText("ended by the owner", { exact: true }).waitFor();
    const curators = giver.page.getByRole("table", { name: "Curators" });
    await curators.getByText("named by the owner", { exact: true }).waitFor();
  },
);
