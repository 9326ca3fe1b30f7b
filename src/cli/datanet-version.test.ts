import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { parquetReadObjects } from "hyparquet";
import { openRunning } from "./fixtures/running.ts";

const running = await openRunning({}, true);
const { run, refused, call, file, home } = running;
after(() => running.close());

const row = (n: number) =>
  `${JSON.stringify({ prompt: `The river below mill ${n} is`, completion: ` called ${n}.` })}\n`;

test("versions: exported, compared, and smaller by what a contributor takes back", async (t) => {
  await run("datanet", "create", "--name", "Mills", "--license", "CC-BY-4.0");
  // The first line is empty: lines are those of the file, not of what was sent of it.
  const mills = file("mills.jsonl", `\n${[1, 2, 3].map(row).join("")}`);
  const { contributionId } = await run("contribute", "1", mills);
  await run("datanet", "publish", "1");

  await t.test("as a file, whose digest its description names", async () => {
    const out = join(home, "rows.parquet");
    const { bytes } = await run("datanet", "export", "1@1", "--file", "rows.parquet", "--out", out);
    const parquet = readFileSync(out);
    assert.equal(parquet.length, bytes);
    assert.equal((await parquetReadObjects({ file: new Uint8Array(parquet).buffer })).length, 3);
    const croissant = join(home, "croissant.json");
    await run("datanet", "export", "1@1", "--file", "croissant.json", "--out", croissant);
    const [described] = JSON.parse(readFileSync(croissant, "utf8")).distribution;
    assert.equal(described.sha256, createHash("sha256").update(parquet).digest("hex"));
    assert.match(described.contentUrl, /^http.*\/v1\/datanets\/1\/versions\/1\/files\/rows\.parquet$/);
    const over = await refused(["datanet", "export", "1@1", "--out", out], 2);
    assert.match(`${over.message} ${over.actual}`, /^Cannot write .*rows\.parquet\. it is there already/);
    assert.deepEqual(readFileSync(out), parquet, "it is left alone");
    const nowhere = await refused(["datanet", "export", "1@1", "--out", join(home, "no", "rows.jsonl")], 2);
    assert.match(nowhere.fix[0], /^mkdir -p .*no, or/);
    const later = await refused(["datanet", "export", "1@9", "--out", join(home, "later.jsonl")], 1);
    assert.deepEqual([later.code, later.fix], ["unknown-version", ["./openledger datanet show 1"]]);
    const unknown = await refused(["datanet", "export", "1@1", "--file", "rows.xls", "--out", out], 2);
    assert.match(unknown.expected, /rows\.jsonl/);
    assert.equal((await call(["datanet", "export", "1", "--out", out])).code, 2);
  });

  await t.test(
    "what is here already is not imported again, and whose node was not asked is said",
    async () => {
      const nobody = "http://127.0.0.1:1";
      const { code, out } = await call(["datanet", "import", "1@1", "--from", nobody]);
      assert.equal(code, 0);
      assert.match(
        out,
        /^Version 1@1 was here already: 3 rows and 0 held out\. http:\/\/127\.0\.0\.1:1 was not asked\.$/m,
      );
      assert.doesNotMatch(out, /checked against/);
      assert.equal((await run("datanet", "import", "1@1", "--from", nobody)).created, false);
    },
  );

  await t.test("what is taken back is missing from the next version, and the last says so", async () => {
    const strange = await refused(["datanet", "withdraw", String(contributionId), "--lines", "9"], 1);
    assert.match(strange.message, /No row of contribution \d+ .* is from line 9/);
    const taken = await run("datanet", "withdraw", String(contributionId), "--lines", "mills.jsonl:3");
    assert.equal(taken.withdrawn, 1);
    const { version, count } = await run("datanet", "publish", "1");
    assert.deepEqual([version, count], [2, 2]);
    const { added, removed, kept } = await run("datanet", "diff", "1@2");
    assert.deepEqual([added, removed, kept], [0, 1, 2]);
    const { out } = await call(["datanet", "diff", "1@2"]);
    assert.match(out, /lacks 1 of its rows, and shares 2/);
    assert.match(out, /−.*train.*mill 2 is → called 2/);
    const { out: card } = await call([
      "datanet",
      "export",
      "1@1",
      "--file",
      "README.md",
      "--out",
      join(home, "card.md"),
    ]);
    assert.match(card, /README\.md of version 1@1/);
    assert.match(readFileSync(join(home, "card.md"), "utf8"), /Taken back since \| 1 rows/);
  });

  await t.test(
    "of a contribution that was taken back in part the rest is taken back; versions are paged",
    async () => {
      assert.equal((await run("datanet", "withdraw", String(contributionId))).withdrawn, 2);
      const none = await refused(["datanet", "withdraw", String(contributionId)], 1);
      assert.match(none.message, /no row that counts/);
      const { published, versions } = await run("datanet", "show", "1", "--before", "2");
      assert.deepEqual([versions, published.length, published[0].version], [2, 1, 1]);
    },
  );

  await t.test("rules are shown, changed by part, and hold for the next preview", async () => {
    assert.deepEqual(await run("datanet", "rules", "1"), {
      refuse: ["contamination"],
      maskPersonalData: false,
    });
    const set = ["--refuse", "language,near-duplicate", "--languages", "en", "--max-tokens", "300", "--mask"];
    const rules = await run("datanet", "rules", "1", ...set);
    const wanted = { refuse: ["language", "near-duplicate"], languages: ["en"], maxTokens: 300 };
    assert.deepEqual(rules, { ...wanted, maskPersonalData: true });
    const { out } = await call(["datanet", "rules", "1", "--max-tokens", "any", "--no-mask"]);
    assert.match(out, /refused +malformed rows, duplicates, language, near-duplicate/);
    assert.match(out, /tokens +any number/);
    assert.equal((await call(["datanet", "rules", "1", "--refuse", "boredom"])).code, 2);
    const { address } = await run("wallet", "address", "--as", "ada");
    const closed = await call(["datanet", "rules", "1", "--contributors", address]);
    assert.match(closed.out, new RegExp(`rows are taken of +${address}`, "i"));
    assert.equal((await call(["datanet", "rules", "1", "--contributors", "0x12"])).code, 2);
    const opened = await call(["datanet", "rules", "1", "--contributors", "anybody"]);
    assert.match(opened.out, /rows are taken of +anybody/);
  });
});
