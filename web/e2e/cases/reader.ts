/** Who wants to read what is not open to all: by a token that they hold, or by the owner's leave. */
import type { Page } from "playwright-core";
import { inBrowser, operator } from "../populated.ts";
import { assertState } from "../screens.ts";
import { publishRows } from "../world.ts";

const open = 10n ** 18n;

/** Asks to be let in, as a Datanet's page has it. */
const ask = (page: Page) => page.getByRole("button", { name: "Accept the terms and ask" }).click();

inBrowser(
  "a token opens a Datanet to who holds enough of it, and to nobody else",
  async ({ world, person, visit }) => {
    const { contracts, writer } = world.node.network;
    const datanetId = await publishRows(world, 12);
    const owner = await visit(`/datanets/${datanetId}?tab=settings`, operator);
    await owner.getByLabel("Texts may be read by").selectOption("token");
    await owner.getByLabel("Token", { exact: true }).fill(operator.address);
    await owner.getByLabel("How much of it").fill(String(open));
    await owner.getByLabel("Terms that readers accept by signature").fill("For your own use.");
    await owner.getByRole("button", { name: "Save who may read" }).click();
    await owner.getByText("is no token here").waitFor();
    await owner.getByLabel("Token", { exact: true }).fill(contracts.WOPEN.address);
    await owner.getByText("This is 1 WOPEN.").waitFor();
    await owner.getByRole("button", { name: "Save who may read" }).click();
    await owner.getByText("The terms hold; passes that were out have ended.", { exact: true }).waitFor();

    const holder = await person("bearer", 3);
    const page = await visit(`/datanets/${datanetId}`, holder);
    await page.getByText("For your own use.").waitFor();
    await page.getByText("1 WOPEN", { exact: true }).waitFor();
    await ask(page);
    await page.getByText("You are not let in").waitFor();
    await assertState(page, "datanet-token-lacking");
    await writer(holder).write({ ...contracts.WOPEN, functionName: "deposit", args: [], value: open });
    await ask(page);
    await page.getByRole("button", { name: "Open row 0" }).waitFor();

    // A pass is this page's alone, and its holder's to let go.
    await page.getByRole("banner").getByTitle(holder.address.toLowerCase()).click();
    await page.getByRole("tab", { name: "Passes" }).click();
    await page.getByRole("table", { name: "Passes" }).getByRole("link", { name: "12 rows" }).waitFor();
    await assertState(page, "account-passes");
    await page.getByRole("button", { name: "Let it go" }).click();
    await page.getByText("This page holds no pass").waitFor();
    await page.goBack();
    await page.getByRole("button", { name: "Accept the terms and ask" }).waitFor();

    await owner.reload();
    await owner
      .getByRole("table", { name: "What was read" })
      .getByTitle(holder.address.toLowerCase())
      .first()
      .waitFor();
  },
  { refused: [400, 403] },
);

inBrowser(
  "who asks to read hears from the owner, a refusal with its reason and a leave alike",
  async ({ world, person, visit }) => {
    const datanetId = await publishRows(world, 13);
    const owner = await visit(`/datanets/${datanetId}?tab=settings`, operator);
    await owner.getByLabel("Texts may be read by").selectOption("request");
    await owner.getByLabel("Terms that readers accept by signature").fill("Not to be copied.");
    await owner.getByRole("button", { name: "Save who may read" }).click();
    await owner.getByText("The terms hold; passes that were out have ended.", { exact: true }).waitFor();

    const reader = await person("reader", 1);
    const page = await visit(`/datanets/${datanetId}?tab=access`, reader);
    await page.getByText("Not to be copied.").waitFor();
    await page.getByLabel("What you want to read it for").fill("To teach my own model.");
    await ask(page);
    await page.getByText("The owner has your request.").waitFor();

    await owner.reload();
    const asked = owner.getByRole("table", { name: "Readers" }).getByRole("row", {
      name: /To teach my own model\./,
    });
    await asked.getByText("waits", { exact: true }).waitFor();
    await asked.getByRole("button", { name: /^Refuse/ }).click();
    await owner.getByLabel("Why, for the reader").fill("Say which model.");
    await owner.getByRole("dialog").getByRole("button", { name: "Refuse" }).click();
    await owner.getByRole("dialog").waitFor({ state: "detached" });
    await asked.getByText("refused", { exact: true }).waitFor();
    await ask(page);
    await page.getByText("You are not let in: Say which model.").waitFor();

    await asked.getByRole("button", { name: /^Admit/ }).click();
    await asked.getByText("admitted", { exact: true }).waitFor();
    await ask(page);
    await page.getByText("You are let in for an hour.").waitFor();
    await page.getByRole("tab", { name: "Rows" }).click();
    await page.getByRole("button", { name: "Open row 0" }).waitFor();

    // A report tells strangers what became of rows; who gave them opens the rest with a signature.
    const [given] = await world.node.datanets.contributions(BigInt(datanetId), { limit: 1 });
    const report = `/datanets/${datanetId}/contributions/${given?.contributionId}`;
    const stranger = await visit(report);
    await stranger.getByRole("heading", { name: "Where rows came from, and what was found" }).waitFor();
    await assertState(stranger, "contribution-gated");
    const giver = await visit(report, world.node.network.keys.account("writer"));
    await giver.getByRole("button", { name: "Open the rows that I gave" }).click();
    await giver.getByText("Your rows are open for an hour.", { exact: true }).waitFor();
    await giver.getByRole("button", { name: "Open row 2" }).click();
    await giver.getByRole("dialog").getByText("Digest", { exact: true }).waitFor();
  },
);
