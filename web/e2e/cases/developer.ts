/** Who makes a model: from the choice of its data to a question to base and model side by side. */
import assert from "node:assert/strict";
import { bringKey } from "../browser.ts";
import { inBrowser, operator } from "../populated.ts";
import { assertState } from "../screens.ts";
import { publishRows } from "../world.ts";

/** Longer than what computes may take on a machine that does something else, too. */
const slowMs = 120_000;

inBrowser(
  "a model is planned, trained before its maker's eyes, released and held against its base",
  async ({ known, visit }) => {
    const page = await visit("/factory", operator);
    await page.getByRole("link", { name: "New model" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("trial");
    await page.getByRole("checkbox", { name: /^The valley/ }).click();
    await page.getByLabel("Version of The valley").selectOption("1");
    await page.getByRole("radio", { name: /^quick/i }).check();
    await page.getByText("Fields", { exact: true }).click();
    await page.getByLabel("Epochs at most").fill("3");
    // The first estimate measures this machine.
    await page.getByText("in all", { exact: true }).waitFor({ timeout: slowMs });
    await page.getByText("Pay index", { exact: true }).waitFor();

    await page.getByRole("button", { name: "Start training" }).click();
    await page.getByRole("heading", { name: "trial" }).waitFor();
    await page.getByText("training", { exact: true }).first().waitFor();
    await page.getByRole("img", { name: "Training and held-out loss by step" }).waitFor();
    await page.getByText("succeeded", { exact: true }).waitFor({ timeout: slowMs });
    await page.getByRole("heading", { name: "Base against tuned" }).waitFor();
    await page.getByRole("heading", { name: "Released" }).waitFor();
    await page.locator('main a[href^="/models/0x"]').click();
    await page.getByRole("tab", { name: "Lineage" }).waitFor();
    await page.getByRole("tab", { name: "Evaluation" }).click();
    await page.getByRole("heading", { name: "Base against tuned" }).waitFor();

    await page.getByRole("link", { name: "Ask it" }).click();
    await bringKey(page, known.secret);
    await page.getByRole("link", { name: "ModelFactory" }).click();
    await page.getByRole("link", { name: "Arena" }).click();
    await page.getByLabel("The other").selectOption("trial");
    await page.getByLabel("Question to both").fill(known.question);
    await page.getByRole("button", { name: "Ask both" }).click();
    await page.getByRole("region", { name: "trial" }).getByText(/^cost/).waitFor();
    await page
      .getByRole("region", { name: "openledger-tiny" })
      .getByText(/tokens$/)
      .waitFor();

    await page.getByRole("link", { name: "ModelFactory" }).first().click();
    for (const model of ["valley", "trial"])
      await page
        .getByRole("row")
        .filter({ has: page.getByRole("link", { name: model, exact: true }) })
        .getByRole("checkbox")
        .click();
    await page.getByRole("button", { name: "Compare 2 runs" }).click();
    await page.getByRole("table", { name: "Results" }).waitFor();
    await assertState(page, "factory-compared");
  },
);

inBrowser(
  "a model whose estimate is refused cannot be started, and the button says where the reason stands",
  async ({ world, visit }) => {
    const datanetId = await publishRows(world, 12); // none of them held out
    const page = await visit("/factory/new", operator);
    await page.getByLabel("Name", { exact: true }).fill("lacking");
    const start = page.getByRole("button", { name: "Start training" });
    assert.ok(await start.isDisabled());
    await page.getByText("It can start once what is asked for above is there.").waitFor();
    await page.getByRole("checkbox", { name: `12 rows · ${datanetId}` }).click();
    await page.getByText("It cannot start like this").waitFor({ timeout: slowMs });
    await page.getByRole("alert").getByText(/held/).waitFor();
    assert.ok(await start.isDisabled());
    await assertState(page, "factory-new-refused");

    // What can be estimated can start, with a warning where one is due.
    await page.getByRole("checkbox", { name: `12 rows · ${datanetId}` }).click();
    await page.getByRole("checkbox", { name: /^The valley/ }).click();
    await page.getByText("Fields", { exact: true }).click();
    await page.getByRole("checkbox", { name: "Stop at the held-out optimum" }).click();
    await page.getByText(/^It trains on past the point/).waitFor({ timeout: slowMs });
    assert.ok(await start.isEnabled());
    const details = page.getByText(/rank correlation with real retrainings/);
    assert.ok(await details.isHidden());
    await page.getByText("Details: runs hot").click();
    await details.waitFor();
    await assertState(page, "factory-new-warned");
  },
  { refused: [400] },
);
