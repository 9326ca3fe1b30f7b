import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { textDigest } from "../protocol/index.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const running = await openRunning({}, true);
const { run, refused, call, file, home } = running;
after(() => running.close());

const row = (n: number) =>
  `${JSON.stringify({ prompt: `The tax of mill ${n} is`, completion: ` ${n} sacks.` })}\n`;

test("rows are committed to, wait for a curator, and count when it takes them", async (t) => {
  await run("datanet", "create", "--name", "Taxes", "--license", "CC-BY-4.0");
  assert.equal((await run("datanet", "review", "1", "--overlap", "1")).overlap, 1);
  const given = await run("contribute", "1", file("taxes.jsonl", [1, 2, 3].map(row).join("")), "--as", "ada");
  assert.deepEqual([given.accepted, given.pending], [0, 3]);
  const mail = { prompt: "The miller's address is", completion: " ada@example.org." };
  const mails = file("mails.jsonl", `${row(1)}${JSON.stringify(mail)}\n`);
  const { out: previewed } = await call(["contribute", "1", mails, "--preview", "--mask"]);
  assert.match(previewed, /mails\.jsonl:2 +waits +.*\[email\].* Personal data was masked\./);
  assert.doesNotMatch(previewed, /ada@example/);
  assert.match(previewed, /same example as row 1 of contribution 1 by/);
  assert.match(previewed, /None of 2 rows would count at once; 1 would wait for curators\./);
  const early = await refused(["datanet", "publish", "1"], 1);
  assert.equal(early.code, "nothing-to-publish");
  assert.match(early.message, /3 rows wait for curators/);
  assert.deepEqual(early.fix, ["./openledger datanet queue 1 --as <curator>"]);
  const { out: preview } = await call(["datanet", "publish", "1", "--preview"]);
  assert.match(
    preview,
    /no training row is accepted yet, and 3 rows wait for curators\.\n→ .*datanet queue 1 --as/,
  );

  await t.test("options that contradict each other are refused by name, and nothing is done", async () => {
    const { address } = await run("wallet", "address", "--as", "cora");
    for (const [args, message] of [
      [["readers", "1", "--admit", address, "--refuse", address], /'--admit <.*'--refuse </],
      [["readers", "1", "--reason", "why"], /--reason goes with --admit or --refuse/],
      [["rules", "1", "--file", "rules.json", "--mask"], /'--file <.*'--mask'/],
      [["curator", "1", "--remove"], /--remove needs an address/],
    ] as const) {
      const { code, out, err } = await call(["datanet", ...args]);
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, message);
    }
  });
  await t.test("its own contributor and a stranger judge nothing", async () => {
    assert.equal((await refused(["datanet", "queue", "1", "--as", "ada"], 1)).code, "not-curator");
  });
  await t.test("whom the owner names takes the queue and judges", async () => {
    const { address } = await run("wallet", "address", "--as", "cora");
    await run("datanet", "curator", "1", address);
    const { out } = await call(["datanet", "queue", "1", "--as", "cora"]);
    assert.match(out, /The tax of mill 1 is → 1 sacks/);
    const { rows } = await run("datanet", "queue", "1", "--as", "cora");
    const [first, second, third] = rows.map((one: { row: number }) => one.row);
    const silent = await refused(["datanet", "judge", "1", "--reject", String(third), "--as", "cora"], 2);
    assert.deepEqual([silent.code, /its contributor sees it/.test(silent.message)], ["reason-needed", true]);
    assert.match((await refused(["datanet", "judge", "1", "--as", "cora"], 2)).message, /Nothing is decided/);
    const judged = await run(
      ...["datanet", "judge", "1", "--as", "cora", "--accept", `${first}-${second}`],
      ...["--edit", `${third}=${file("better.json", row(30))}`, "--reason", "It is mill 30."],
    );
    assert.deepEqual([judged.recorded, judged.accepted, judged.rejected], [3, 2, 1]);
    assert.equal((await refused(["datanet", "publish", "1", "--as", "ada"], 1)).code, "not-curator");
    assert.equal((await run("datanet", "publish", "1", "--as", "cora")).count, 2);
    const { out: standing } = await call(["datanet", "review", "1"]);
    assert.match(standing, /accepted, rejected +2, 1/);
  });
  await t.test("a contribution's report can be looked at again: what was turned down first", async () => {
    const report = ["datanet", "report", String(given.contributionId)];
    const { out } = await call(report);
    assert.match(out, /: 2 rows accepted, 0 duplicates\.\nGiven by 0x/);
    assert.match(out, /Since then: 1 row turned down by curators, another text proposed for 1 row\./);
    assert.match(
      out,
      /row 3, taxes\.jsonl:3: turned down by curators\n {2}A curator turned down this row: It is mill 30\./,
    );
    assert.doesNotMatch(out, /row 1,/);
    assert.match(
      out,
      /→ \.\/openledger datanet report 1 --all shows the other rows, too\n→ \.\/openledger datanet edits 1/,
    );
    const all = await call([...report, "--all", "--limit", "2"]);
    assert.match(all.out, /row 1, taxes\.jsonl:1: accepted\n[\s\S]*row 2, /);
    assert.match(all.out, /→ \.\/openledger datanet report 1 --all --offset 2 shows the next of 3/);
    assert.deepEqual((await run(...report, "--offset", "1")).rows, []);
    assert.equal((await refused(["datanet", "report", "99"], 1)).code, "unknown-contribution");
  });
  await t.test("contributions are listed, a Datanet's or one's own, and lead to their reports", async () => {
    const { out } = await call(["datanet", "contributions", "1", "--limit", "1"]);
    assert.match(out, /^contribution +Datanet +contributor +used to +rows +count +wait +edits$/im);
    assert.match(out, / 1 Taxes +0x.* train +3 +2 +0 +1\n/);
    assert.match(out, /→ \.\/openledger datanet report 1 /);
    assert.match(out, /→ \.\/openledger datanet contributions 1 --before 1 lists/);
    const own = await run("datanet", "contributions", "--as", "ada");
    assert.deepEqual(
      own.contributions.map(({ contributionId }: Json) => contributionId),
      [given.contributionId],
    );
    assert.match(
      (await call(["datanet", "contributions", "--as", "cora"])).out,
      /There is no contribution\./,
    );
    assert.match(
      (await call(["datanet", "contributions", "1", "--before", "1"])).out,
      /There is none before 1\./,
    );
    assert.equal((await refused(["datanet", "contributions", "9"], 1)).code, "unknown-datanet");
  });
  await t.test("the contributor takes a curator's text with one signature", async () => {
    const { out } = await call(["datanet", "edits", String(given.contributionId)]);
    assert.match(out, /3 +The tax of mill 30 is → 30 sacks\. +It is mill 30\./);
    const edits = ["datanet", "edits", String(given.contributionId), "--accept"];
    assert.equal((await refused([...edits, "1", "--as", "ada"], 1)).code, "no-proposal");
    assert.equal((await run(...edits, "all", "--as", "ada")).accepted, 1);
    assert.deepEqual((await run("datanet", "edits", String(given.contributionId))).edits, []);
    assert.equal((await run("datanet", "publish", "1")).count, 3);
  });
});

test("texts are gated by terms that readers sign, and what is read is seen", async () => {
  const terms = file("terms.txt", "For research in the valley only.");
  await run("datanet", "access", "1", "--set", "request", "--terms", terms);
  const out = join(home, "rows.jsonl");
  const shut = await refused(["datanet", "export", "1@1", "--out", out], 1);
  assert.equal(shut.code, "access-needed");
  const unread = await refused(["datanet", "ask", "1", "--as", "rita"], 2);
  assert.match(unread.message, /For research in the valley only\./);
  const ask = ["datanet", "ask", "1", "--as", "rita", "--accept-terms"];
  assert.equal((await run(...ask, "--purpose", "a thesis")).state, "asked");
  const { readers } = await run("datanet", "readers", "1");
  assert.equal(readers[0].purpose, "a thesis");
  await run("datanet", "readers", "1", "--admit", readers[0].reader);
  const { pass } = await run(...ask);
  await run("datanet", "export", "1@1", "--out", out, "--pass", pass);
  assert.equal(readFileSync(out, "utf8").trimEnd().split("\n").length, 2);
  const { reads } = await run("datanet", "reads", "1");
  assert.deepEqual(
    reads.map(({ reader, what }: { reader: string; what: string }) => [reader, what]),
    [[readers[0].reader, "rows.jsonl"]],
  );
  assert.match(
    (await call(["datanet", "access", "1"])).out,
    /whom the owner admits[\s\S]*For research in the valley only/,
  );
  await refused(["datanet", "access", "1", "--set", "request"], 2);
  await refused(["datanet", "access", "1", "--terms", terms], 2);
  // What curators would have instead of rows is a text, too: its reader accepted the terms, who gave the rows needs to accept none.
  assert.equal((await refused(["datanet", "edits", "1", "--as", "rita"], 2)).code, "terms-not-accepted");
  assert.deepEqual(await run("datanet", "edits", "1", "--as", "rita", "--accept-terms"), { edits: [] });
  assert.deepEqual(await run("datanet", "edits", "1", "--as", "ada"), { edits: [] });
  const stranger = ["datanet", "edits", "1", "--as", "sam", "--accept-terms"];
  assert.equal((await refused(stranger, 1)).code, "access-needed");
  // Where her rows came from is told to who gave them: to others, what became of them.
  const report = ["datanet", "report", "1", "--all"];
  const outside = (await call(report)).out;
  assert.match(outside, /^row 1: accepted$/m);
  assert.match(outside, /→ \.\/openledger datanet report 1 --as <account> tells who gave these rows/);
  assert.match((await call([...report, "--as", "ada"])).out, /^row 1, taxes\.jsonl:1: accepted$/m);
  assert.match((await call([...report, "--pass", pass])).out, /^row 1, taxes\.jsonl:1: accepted$/m);
  // Curators are shown the terms, too, before they sign.
  const judging = [
    ["queue", "1"],
    ["judge", "1", "--accept", "1"],
    ["publish", "1"],
    ["publish", "1", "--preview"],
  ];
  for (const command of judging) {
    const shown = await refused(["datanet", ...command, "--as", "cora"], 2);
    assert.deepEqual(
      [shown.code, /For research in the valley only\./.test(shown.message)],
      ["terms-not-accepted", true],
    );
    assert.match(shown.fix[0], /^\.\/openledger datanet (queue|judge|publish) 1.* --as cora --accept-terms$/);
  }
  assert.deepEqual(await run("datanet", "queue", "1", "--as", "cora", "--accept-terms"), { rows: [] });
  // Rows are compared with what is there for who reads it.
  const again = file("again.jsonl", row(1));
  const blind = await call(["contribute", "1", again, "--preview"]);
  assert.match(blind.out, /texts of Datanet 1 are not open to you[\s\S]*datanet ask 1 gives a pass/);
  assert.doesNotMatch(blind.out, /same example/);
  assert.match(
    (await call(["contribute", "1", again, "--preview", "--pass", pass])).out,
    /same example as row 1 of contribution 1/,
  );
});

test("rows of a gated Datanet are taken back by their source, which a signature opens", async () => {
  const taken = await run("datanet", "withdraw", "1", "--lines", "taxes.jsonl:2", "--as", "ada");
  assert.equal(taken.withdrawn, 1);
});

test("terms that are not those a signature would be under are not signed", async () => {
  const asked: string[] = [];
  const between = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const answer = await fetch(`${running.node.url}${request.url}`);
    const text = await answer.text();
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(text.replace("For research in the valley only.", "For anything at all."));
  }).listen(0, "127.0.0.1");
  await once(between, "listening");
  try {
    const { port } = between.address() as AddressInfo;
    const ask = ["datanet", "ask", "1", "--as", "una", "--accept-terms"];
    const error = await refused(ask, 1, { OPENLEDGER_URL: `http://127.0.0.1:${port}` });
    assert.equal(error.code, "terms-mismatch");
    assert.equal(error.actual, textDigest("For research in the valley only."));
    assert.deepEqual(
      asked.filter((line) => !line.startsWith("GET ")),
      [],
    );
  } finally {
    between.close();
  }
});

test("a Datanet is created with who may read it", async () => {
  const create = ["datanet", "create", "--license", "CC-BY-4.0", "--name"];
  const terms = file("own-terms.txt", "Ask first.");
  const asked = await run(...create, "Asked", "--access", "request", "--terms", terms);
  assert.deepEqual(asked.access, { kind: "request", terms: "Ask first." });
  const { signing } = (await (await fetch(`${running.node.url}/v1/datanets`)).json()) as Json;
  const token = ["--access", "token", "--terms", terms, "--token", signing.verifyingContract];
  const held = await call([...create, "Held", ...token, "--least", "2"]);
  assert.match(
    held.out,
    /its texts are read by who holds at least 2 of 0x[0-9a-f]{40}, in its base units\.\n→ /,
  );
  assert.deepEqual((await run(...create, "Open")).access, { kind: "public" });
  for (const [options, message] of [
    [["--access", "secret"], /no access "secret"/],
    [["--access", "request"], /^--access request needs --terms <file> \(what readers accept\)\.$/],
    [["--access", "token"], /needs --token <address> \(which token opens it\) and --terms <file> /],
    [
      ["--access", "token", "--terms", terms],
      /^--access token needs --token <address> \(which token opens it\)\.$/,
    ],
    [["--access", "public", "--terms", terms], /asks for nothing/],
    [["--access", "request", "--terms", terms, "--least", "2"], /go with --access token/],
    [["--terms", terms], /only with --access/],
  ] as const)
    assert.match((await refused([...create, "Wrong", ...options], 2)).message, message);
  const { datanets } = await run("datanet", "list");
  assert.ok(datanets.every(({ name }: { name: string }) => name !== "Wrong"));
});
