/** Who runs the node: keeps what other nodes publish, and believes the chain alone. */
import assert from "node:assert/strict";
import { openElsewhere } from "../elsewhere.ts";
import { inBrowser, operator } from "../populated.ts";
import { assertState } from "../screens.ts";

inBrowser(
  "a version of another node is kept only as the chain has it, row by row",
  async ({ world, visit, get }) => {
    await using elsewhere = await openElsewhere(world, "The wall", 4);
    const { datanetId } = elsewhere;
    const page = await visit("/datanets", operator);
    await page.getByRole("button", { name: "Import a version" }).click();
    await page.getByLabel("Datanet", { exact: true }).fill(datanetId);
    await page.getByLabel("Version", { exact: true }).fill("2");
    await page.getByLabel("Other node").fill(elsewhere.url);
    const bring = page.getByRole("button", { name: "Import", exact: true });
    await bring.click();
    const refused = page.getByRole("dialog").getByRole("alert");
    await refused.getByText(/The chain knows no version 2/).waitFor();

    await page.getByLabel("Version", { exact: true }).fill("1");
    const root = `0x${"ab".repeat(32)}`;
    elsewhere.tell((path, answer) => (path.endsWith("/manifest") ? { ...answer, root } : answer));
    await bring.click();
    await refused.getByText(new RegExp(`its root should be 0x[0-9a-f]{64}, and is ${root}`)).waitFor();
    await assertState(page, "datanet-import-refused");
    elsewhere.tell((path, answer) => {
      if (!path.endsWith("/rows")) return answer;
      const [first, second, ...others] = answer.rows as unknown[];
      return { ...answer, rows: [second, first, ...others] };
    });
    await bring.click();
    await refused.getByText(/is not example/).waitFor();
    const { datanets } = await get<{ datanets: { datanetId: string }[] }>("/v1/datanets?limit=100");
    assert.ok(!datanets.some((one) => one.datanetId === datanetId), "nothing of it is kept");

    elsewhere.tell((_, answer) => answer);
    await bring.click();
    await page.getByRole("heading", { name: "The wall" }).waitFor();
    await page
      .getByRole("table", { name: "Rows of version 1" })
      .getByText("Stone 3 of the wall is")
      .waitFor();
  },
  { refused: [404, 409] },
);
