import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Json, openRunning } from "./fixtures/running.ts";
import { main } from "./program.ts";

const open = 10n ** 18n;
const running = await openRunning();
const { node, home, settings, openledger, run, refused, file } = running;
const folder = dirname(home);
after(() => running.close());

const words = ["abe", "bad", "cab", "dab", "fed", "gem", "hug", "ink"];
const rows = (tag: string, count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ prompt: `${tag}${words[i % 8]}${i}=`, completion: ` ${words[(i * 5 + 3) % 8]}.` }),
  ).join("\n");
const recipe = file(
  "recipe.json",
  JSON.stringify({ rank: 2, alpha: 4, epochs: 2, batch: 8, threads: 1, seed: 5 }),
);

test("the whole circle, from a faucet to a claim", async (t) => {
  let secret = "";
  let answer: Json;

  await t.test("the faucet fills an account of the user's own wallet", async () => {
    const given = await run("wallet", "faucet", "50");
    const [{ address }, { balanceWei }] = await Promise.all([run("wallet", "address"), run("balance")]);
    assert.deepEqual(given, { address, amountWei: (50n * open).toString() });
    assert.equal(balanceWei, (50n * open).toString());
    assert.equal(statSync(join(home, "wallet.json")).mode & 0o777, 0o600);
  });

  await t.test("OPEN is sent with a signature made here", async () => {
    const to = `0x${"12".repeat(20)}`;
    const sent = await run("wallet", "send", to, "0.000000000000000007");
    assert.equal(sent.amountWei, "7");
    assert.equal((await run("balance", to)).balanceWei, "7");
  });

  await t.test("a Datanet is created once, and filled by its contributors", async () => {
    const card = ["--name", "Words", "--license", "CC0-1.0", "--domain", "test"];
    const { datanetId } = await run("datanet", "create", ...card);
    assert.equal(datanetId, "1");
    const mine = file("a.jsonl", rows("a", 12));
    const preview = await run("contribute", "1", mine, "--preview");
    assert.equal(preview.exampleCount, 12);
    const [report, , , same] = await Promise.all([
      run("contribute", "1", mine),
      run("contribute", "1", file("b.jsonl", rows("b", 8)), "--as", "bo"),
      run("contribute", "1", file("h.jsonl", rows("h", 24)), "--heldout", "--as", "cy"),
      run("datanet", "create", ...card),
    ]);
    assert.deepEqual([report.accepted, report.duplicates, report.rows.length], [12, 0, 12]);
    assert.equal(same.datanetId, "1");
    const again = await run("contribute", "1", mine, "--as", "bo");
    assert.deepEqual([again.accepted, again.rows[11].duplicateOf.line], [0, 12]);
  });

  await t.test("a version is published and shown", async () => {
    const version = await run("datanet", "publish", "1");
    assert.deepEqual([version.version, version.count, version.heldoutCount], [1, 20, 24]);
    const [shown, { datanets }] = await Promise.all([run("datanet", "show", "1"), run("datanet", "list")]);
    assert.equal(shown.published[0].root, version.root);
    assert.equal(datanets[0].versions, 1);
  });

  await t.test("a fine-tune is watched to its release", async () => {
    const job = await run(
      ...["finetune", "--datanet", "1@1", "--model", "words", "--recipe", recipe],
      ...["--evaluation", join(folder, "h.jsonl"), "--id", "first", "--watch"],
    );
    assert.deepEqual([job.id, job.state, job.evaluated.examples], ["first", "succeeded", 24]);
    const [{ models }, watched] = await Promise.all([run("models"), run("finetune", "--job", "first")]);
    const released = models.find(({ id }: Json) => id === "words");
    assert.equal(released.openledger.release, job.releaseId);
    assert.equal(watched.releaseId, job.releaseId);
  });

  await t.test("a key opens its channel on chain and spends from it", async () => {
    const key = await run("key", "create", "--deposit", "10", "--limit", "5", "--label", "test");
    assert.deepEqual([key.state, key.remainingWei], ["active", (5n * open).toString()]);
    secret = key.secret;
    const { balanceWei } = await run("balance");
    assert.ok(BigInt(balanceWei) < 40n * open && BigInt(balanceWei) > 39n * open);
  });

  await t.test("an answer has a receipt, and its fee is divided to the wei", async () => {
    answer = await run("chat", "words", "aabe0=", "--key", secret, "--max-tokens", "8", "--seed", "7");
    const { receipt, usage, feeWei } = answer;
    assert.equal(
      BigInt(feeWei),
      BigInt(usage.prompt_tokens) * 10n ** 12n + BigInt(usage.completion_tokens) * 10n ** 13n,
    );
    const paid = receipt.bundle.payments.reduce((sum: bigint, { amount }: Json) => sum + BigInt(amount), 0n);
    assert.equal(paid, BigInt(feeWei));
    assert.notEqual(receipt.bundle.query, "0x");
    const used = await run("key", "show", "--key", secret);
    assert.deepEqual([used.usage.requests, used.usage.chargedWei], [1, feeWei]);
  });

  await t.test("people see the answer as text, then its price and who is paid", async () => {
    const { code, out } = await openledger(["chat", "words", "aabe0=", "--max-tokens", "8", "--seed", "7"], {
      OPENLEDGER_API_KEY: secret,
    });
    assert.equal(code, 0);
    assert.ok(
      out.startsWith(answer.answer),
      `${JSON.stringify(out)} begins with ${JSON.stringify(answer.answer)}`,
    );
    assert.match(out, /tokens read, \d+ written: 0\.\d+ OPEN\.\n/);
    assert.match(out, /\noperator +0x[0-9a-f]{40} +0\.\d+ +15\.00 %\n/);
  });

  await t.test("a receipt is read, checked, settled, and becomes final", async () => {
    const { receiptId } = answer.receipt;
    const [before, checked] = await Promise.all([run("receipt", receiptId), run("verify", receiptId)]);
    assert.deepEqual([before.state, checked.verified], ["scored", true]);
    const audit = join(folder, "audit.json");
    await run("verify", receiptId, "--save", audit);
    const offline = await run("verify", audit);
    assert.deepEqual([offline.verified, offline.scores], [true, before.scores]);
    assert.deepEqual(
      offline.standing.map(({ by, fact }: Json) => [by, fact]),
      before.standing.map(({ by, fact }: Json) => [by, fact]),
    );
    assert.ok(before.standing.some(({ check }: Json) => check.startsWith("validators have not attested it")));
    assert.equal(offline.calibration.label, before.calibration.label);
    const people = await openledger(["verify", audit]);
    assert.match(people.out, /\nproven +scores, threshold, .*\nattested +q is the gradient/);
    const shares =
      people.out.match(/^ {2}0x[0-9a-f]{40}: [\d.]+ %(?: \([\d.]+ to [\d.]+\)|, error not measured)/gm) ?? [];
    assert.equal(shares.length > 0, before.scores.length > 0, "no share without its error bar");
    const forged = JSON.parse(readFileSync(audit, "utf8"));
    forged.bundle.payments[0].amount = String(BigInt(forged.bundle.payments[0].amount) + 1n);
    writeFileSync(audit, JSON.stringify(forged));
    const failed = await openledger(["verify", audit, "--json"]);
    assert.equal(failed.code, 1, "a receipt that does not hold ends with 1");
    assert.equal(JSON.parse(failed.out).verified, false);
    assert.deepEqual(JSON.parse(failed.out).standing, [], "nothing is proven of it");
    assert.match(failed.err, /failed: .*split-digest/);
    const { batches } = await run("settle");
    assert.deepEqual([batches.length, batches[0].receipts.count], [1, 2]);
    await pause(1_100);
    const [{ receipts }, settled, again] = await Promise.all([
      run("receipts"),
      run("receipt", receiptId),
      run("settle"),
    ]);
    assert.deepEqual([settled.proof.count, again.batches], [2, []]);
    const settledInTime = await refused(["dispute", "late", receiptId], 1);
    assert.equal(settledInTime.code, "not-late");
    const [batch] = (await run("dispute", "list")).batches;
    const check = await run("dispute", "check", batch.attester, String(batch.number));
    assert.deepEqual([check.honest, check.lies, check.unscored], [true, [], 0]);
    assert.deepEqual(
      receipts.map(({ state }: Json) => state),
      ["final", "final"],
    );
  });

  await t.test("whoever earned is paid once, whoever asks", async () => {
    const { developer } = answer.receipt.bundle.terms.payees;
    const before = await run("balance", developer);
    const claim = await run("claim", developer);
    assert.equal(claim.claimedWei, before.claimableWei);
    assert.ok(BigInt(claim.claimedWei) > 0n);
    const [afterwards, again, { receipts: paid }] = await Promise.all([
      run("balance", developer),
      run("claim", developer),
      run("receipts", "--payee", developer),
    ]);
    assert.equal(again.claimedWei, "0");
    assert.equal(BigInt(afterwards.balanceWei) - BigInt(before.balanceWei), BigInt(claim.claimedWei));
    assert.equal(afterwards.claims[0].transactionHash, claim.transactionHash);
    assert.equal(
      paid.reduce((sum: bigint, { paidWei }: Json) => sum + BigInt(paidWei), 0n),
      BigInt(claim.claimedWei),
    );
  });

  await t.test("stakers are told what waits in the ledger for them, and how it comes", async () => {
    const { unclaimedWei } = await run("stake", "rewards");
    assert.ok(BigInt(unclaimedWei) > 0n);
    const nothing = await refused(["stake", "withdraw-rewards"], 1);
    assert.equal(nothing.code, "nothing-to-claim");
    const command: string = nothing.fix.find((line: string) => line.startsWith("./openledger claim 0x"));
    assert.equal((await run(...command.split(" ").slice(1))).claimedWei, unclaimedWei);
    assert.equal((await run("stake", "rewards")).unclaimedWei, "0");
  });

  await t.test("a contributor's balance is told by name, and claiming nothing is no error", async () => {
    const { claimableWei } = await run("balance", "--as", "bo");
    assert.equal((await run("claim", "--as", "bo")).claimedWei, claimableWei);
  });

  await t.test(
    "a vote divides the next settlement otherwise, and what was answered before stays",
    async () => {
      const as = ["--as", "voter"];
      await run("wallet", "faucet", "17000000", ...as);
      await run("gov", "lock", "16000000", ...as);
      await run("gov", "delegate", ...as);
      await run("gov", "propose", "fee-split", "operator=10%", "data=55%", ...as);
      for (const step of [
        ["vote", "1", "for", "--reason", "Data is scarce"],
        ["queue", "1"],
        ["execute", "1"],
      ])
        await run("gov", ...step, "--wait", ...as);
      // A receipt's time may lie two seconds back.
      await pause(4_000);
      const later = await run("chat", "words", "aabe0=", "--key", secret, "--max-tokens", "8", "--seed", "7");
      const operatorBps = ({ receipt, feeWei }: Json) =>
        (BigInt(receipt.bundle.payments[0].amount) * 10_000n) / BigInt(feeWei);
      assert.deepEqual([operatorBps(answer), operatorBps(later)], [1_500n, 1_000n]);
      await run("settle");
      const { batches } = await run("dispute", "list");
      const [newest] = batches;
      const checked = await run("dispute", "check", newest.attester, String(newest.number));
      assert.deepEqual([newest.number, checked.honest, checked.lies], [1, true, []]);
    },
  );

  await t.test("not a wei is missing, and the node's status tells it all", async () => {
    const [supply, status] = await Promise.all([run("token", "supply"), run("status")]);
    assert.equal(supply.conserved, true);
    assert.deepEqual([status.datanets.length, status.models.length, status.batches.length], [1, 1, 2]);
    const shown = [["status"], ["models"], ["receipts"], ["datanet", "list"], ["balance"]];
    await Promise.all(
      shown.map(async (command) => {
        const { code, out } = await openledger(command);
        assert.equal(code, 0);
        assert.doesNotMatch(out, /undefined|NaN|\[object/, command.join(" "));
      }),
    );
  });

  await t.test("a revoked key pays nothing any more", async () => {
    assert.equal((await run("key", "revoke", "--key", secret)).state, "revoked");
    const error = await refused(["chat", "words", "x", "--key", secret], 1);
    assert.equal(error.code, "revoked_key");
  });
});

test("what fits no row is left out and listed with its place, and nothing but that is an error", async () => {
  const bad = file("bad.jsonl", `${rows("z", 2)}\n{"prompt":"x","completion":7}\n`);
  await run("datanet", "create", "--name", "Words", "--license", "CC0-1.0", "--domain", "test");
  const preview = await run("contribute", "1", bad, "--preview");
  assert.deepEqual([preview.exampleCount, preview.unreadRows, preview.unread[0].source.line], [2, 1, 3]);
  assert.match(preview.unread[0].refused.message, /completion: .*expected string/);
  const { err } = await openledger(["contribute", "1", file("half.jsonl", '{"prompt":')]);
  assert.match(
    err,
    /^openledger: Nothing in [\s\S]*half\.jsonl:1: Character 11 of the row: [\s\S]*\n {2}→ Write one JSON object a line/,
  );
  const empty = await refused(["contribute", "1", file("empty.csv", "")], 1);
  assert.deepEqual([empty.code, /has rows or text in it/.test(empty.fix[0])], ["empty-file", true]);
  const error = await refused(["contribute", "1", file("strange.csv", "Frage,Antwort\nWer?,Ich.\n")], 1);
  assert.deepEqual(
    [error.code, /The file has: Frage, Antwort/.test(error.actual)],
    ["unknown-columns", true],
  );
  const maps = ["--map", "prompt=Frage", "--map", "completion=Antwort", "--preview"];
  const mapped = await run("contribute", "1", file("strange.csv", "Frage,Antwort\nWer?,Ich.\n"), ...maps);
  assert.deepEqual([mapped.exampleCount, mapped.files[0].shape.shape], [1, "mapping"]);
});

test("what is not there is said, with exit code 1", async () => {
  const missing: [string[], string][] = [
    [["chat", "nobody", "x"], "model_not_found"],
    [["datanet", "show", "99"], "unknown-datanet"],
    [["receipt", `0x${"ab".repeat(32)}`], "unknown-receipt"],
    [["receipt", "show", `0x${"ab".repeat(32)}`], "unknown-receipt"],
    [["verify", `0x${"ab".repeat(32)}`], "unknown-receipt"],
    [["verify", `0x${"ab".repeat(32)}`, "--retrain"], "unknown-release"],
    [["verify", `0x${"ab".repeat(32)}`, "--index"], "unknown-release"],
    [["finetune", "--job", "none"], "unknown-job"],
    [["key", "show", "--key", "sk-ol-forged"], "unknown-key"],
  ];
  await Promise.all(
    missing.map(async ([args, code]) => assert.equal((await refused(args, 1)).code, code, args.join(" "))),
  );
});

test("a recipe's mistakes are told in a line, each with its place", async () => {
  const wrong = file("wrong.json", '{"epochs":0,"learningRte":1,"calibration":{"retrainings":2}}');
  const { message } = await refused(["finetune", "--datanet", "1@1", "--model", "x", "--recipe", wrong], 2);
  assert.match(message, /wrong\.json: .* epochs: .*; calibration\.retrainings: none, or.*; .*"learningRte"/);
});

test("a forged key pays for nothing, and the advice is to get one", async () => {
  const forged = await refused(["chat", "words", "x", "--key", `sk-ol-${"A".repeat(43)}`], 1);
  assert.equal(forged.code, "unknown_key");
  assert.match(forged.fix.join(), /key create/);
});

test("wrong usage ends with exit code 2 before anything is asked", async (t) => {
  // In this process, because there are many: only what is printed is kept away from the test's own output.
  const printed = t.mock.method(process.stderr, "write", () => true);
  const { OPENLEDGER_HOME, OPENLEDGER_URL, OPENLEDGER_API_KEY } = process.env;
  Object.assign(process.env, { ...settings, OPENLEDGER_URL: "http://127.0.0.1:1" });
  try {
    for (const args of [
      ["wallet", "send", "0x12", "1"],
      ["wallet", "send", `0x${"12".repeat(20)}`, "1e3"],
      ["wallet", "address", "--as", "Me!"],
      ["key", "create", "--deposit", "1", "--limit", "2"],
      ["key", "create", "--deposit", "0"],
      ["key", "show"],
      ["validator", "--threads", "x"],
      ["validator", "--every", "x"],
      ["verify", "audit.json", "--replay", "--threads", "0"],
      ["verify", "release.json", "--retrain", "--replay"],
      ["finetune", "--model", "x"],
      ["finetune", "--datanet", "1", "--model", "x"],
      ["finetune", "--datanet", "1@1", "--model", "x", "--evaluation", recipe],
      ["contribute", "1", join(folder, "none.jsonl")],
      ["contribute", "one", recipe],
      ["datanet", "nothing"],
      ["receipt", "0x12"],
      ["chat", "words"],
    ])
      assert.equal(await main(args), 2, `${args.join(" ")}: ${printed.mock.calls.at(-1)?.arguments[0]}`);
  } finally {
    const before = { OPENLEDGER_HOME, OPENLEDGER_URL, OPENLEDGER_API_KEY };
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    delete process.env.OPENLEDGER_PORT;
  }
});

test("no node, another program and another chain are told apart, with exit code 3", async () => {
  const none = await refused(["status"], 3, { OPENLEDGER_URL: "http://127.0.0.1:1" });
  assert.equal(none.code, "no-node");
  assert.equal(none.fix[0], "./openledger up");
  const other = await refused(["status"], 3, { OPENLEDGER_URL: `${node.url}/healthz` });
  assert.match(other.message, /is not an OpenLedger node/);

  const elsewhere = join(folder, "elsewhere");
  mkdirSync(elsewhere);
  cpSync(join(home, "operator-token"), join(elsewhere, "operator-token"));
  writeFileSync(join(elsewhere, "config.json"), '{"chainId": 5}');
  const signing = [
    ["wallet", "send", `0x${"12".repeat(20)}`, "1"],
    ["contribute", "1", file("c.jsonl", rows("c", 1))],
    ["key", "create", "--deposit", "1"],
  ];
  await Promise.all(
    signing.map(async (args) => {
      const error = await refused(args, 3, { OPENLEDGER_HOME: elsewhere });
      assert.deepEqual(
        [error.code, error.expected, error.actual],
        ["wrong-chain", "chain 5", "chain 161612"],
      );
    }),
  );
});

test("the operator's token is asked for where it is needed, and sent nowhere else", async () => {
  const stranger = { OPENLEDGER_HOME: join(folder, "stranger") };
  const error = await refused(["settle"], 3, stranger);
  assert.equal(error.expected, join(folder, "stranger", "operator-token"));
  const wrong = await refused(["settle"], 3, { OPENLEDGER_OPERATOR_TOKEN: "guessed" });
  assert.equal(wrong.code, "operator-only");
  const away = await refused(["settle"], 2, { OPENLEDGER_URL: "http://192.0.2.1:4000" });
  assert.match(away.expected, /OPENLEDGER_OPERATOR_TOKEN/);
  assert.ok(
    !JSON.stringify([error, wrong, away]).includes(readFileSync(join(home, "operator-token"), "utf8").trim()),
  );
});

test("an account without OPEN is told how much it needs", async () => {
  const error = await refused(["key", "create", "--deposit", "3", "--as", "poor"], 1);
  assert.deepEqual([error.code, error.actual], ["insufficient-funds", "0 OPEN"]);
  assert.match(error.expected, /^3\.001 OPEN/);
});
