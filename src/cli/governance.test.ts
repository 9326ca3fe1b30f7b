import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { privateKeyToAccount } from "viem/accounts";
import { delegationData } from "../node/index.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({}, true);
const { run, refused, call } = running;
after(() => running.close());

test("OPEN is wrapped and unwrapped, to the wei", async () => {
  await run("wallet", "faucet", "10", "--as", "alma");
  await run("token", "wrap", "3", "--as", "alma");
  const to = (await run("wallet", "address", "--as", "bero")).address;
  assert.equal((await call(["token", "transfer", `0x${"0".repeat(40)}`, "1", "--as", "alma"])).code, 2);
  const checksummed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"; // of EIP-55
  assert.equal((await call(["gov", "votes", checksummed])).code, 0);
  assert.equal((await call(["gov", "votes", `0x${checksummed.slice(2).toUpperCase()}`])).code, 0);
  assert.match((await call(["gov", "votes", checksummed.replace("aA", "AA")])).err, /EIP-55/);
  await run("token", "transfer", to, "1.25", "--as", "alma");
  const tooMuch = await refused(["token", "unwrap", "2", "--as", "alma"], 1);
  assert.deepEqual(
    [tooMuch.code, tooMuch.expected, tooMuch.actual],
    ["erc20-insufficient-balance", "2", "1.75"],
  );
  await run("token", "unwrap", "1.75", "--as", "alma");
  await run("wallet", "faucet", "1", "--as", "bero");
  await run("token", "unwrap", "1.25", "--as", "bero");
  const { accounts } = await run("wallet", "list");
  const of = (name: string) => BigInt(accounts.find((one: Json) => one.name === name).balanceWei);
  assert.ok(of("bero") > (22n * open) / 10n && of("bero") < (225n * open) / 100n);
  assert.equal((await refused(["token", "wrap", "100", "--as", "bero"], 1)).code, "insufficient-funds");
});

test("what is released over time is told by date, and released by whom it is for", async () => {
  const { vestings } = await run("token", "vesting");
  assert.deepEqual(
    vestings.map(({ name, votes }: Json) => [name, votes]),
    [
      ["community", false],
      ["ecosystem", false],
      ["investors", true],
      ["team", true],
    ],
  );
  for (const { totalWei, releasedWei, unreleasedWei, cliffEndsSec, startSec, endsSec } of vestings) {
    assert.equal(BigInt(totalWei), BigInt(releasedWei) + BigInt(unreleasedWei));
    assert.ok(startSec <= cliffEndsSec && cliffEndsSec < endsSec);
  }
  await run("wallet", "faucet", "1");
  assert.equal((await refused(["token", "vesting", "release", "team"], 1)).code, "not-beneficiary");
  assert.equal(
    (await refused(["token", "vesting", "delegate", "community", `0x${"12".repeat(20)}`], 1)).code,
    "not-beneficiary",
  );
  assert.equal((await call(["token", "vesting", "release", "friends"])).code, 2);
  assert.doesNotMatch((await call(["token", "vesting"])).out, /undefined|NaN|\[object/);
});

test("every parameter is listed with its bounds and its history", async () => {
  const { parameters, feeSplit } = await run("gov", "parameters");
  const settings = await running.node.network.reader.public.readContract({
    ...running.node.network.contracts.ProtocolParameters,
    functionName: "SETTINGS",
  });
  assert.equal(parameters.length, Number(settings), "every value there is");
  for (const { value, lowest, highest } of parameters)
    assert.ok(BigInt(lowest) <= BigInt(value) && BigInt(value) <= BigInt(highest));
  assert.equal(
    feeSplit
      .filter(({ head }: Json) => head !== "owners")
      .reduce((sum: number, { bps }: Json) => sum + bps, 0),
    10_000,
  );
  const { changes } = await run("gov", "parameters", "--history", "proverRewardBps");
  assert.deepEqual(
    changes.map(({ value }: Json) => value),
    ["3000"],
  );
  const { out } = await call(["gov", "parameters"]);
  assert.match(out, /^refundDelaySeconds +30 days \(2592000 s\)/m);
  assert.match(out, /^proposalThresholdWei +10000 OPEN/m);
});

test("a decision goes from OPEN to its effect", async (t) => {
  await t.test("OPEN becomes votes", async () => {
    for (let i = 0; i < 2; i++) await run("wallet", "faucet", "11000000", "--as", "voter");
    const before = await refused(["gov", "propose", "set", "proverRewardBps", "20%", "--as", "voter"], 1);
    assert.deepEqual(
      [before.code, before.actual, before.expected],
      ["governor-insufficient-proposer-votes", "0", "10000"],
    );
    await run("gov", "lock", "21000000", "--as", "voter");
    await run("gov", "delegate", "--as", "voter");
  });

  await t.test("what no vote can do is refused before it is proposed", async () => {
    const beyond = await refused(["gov", "propose", "set", "proverRewardBps", "31%", "--as", "voter"], 2);
    assert.deepEqual(
      [beyond.code, beyond.expected, beyond.actual],
      ["out-of-bounds", "from 0.01 % to 30 %", "31 %"],
    );
    const { parameters } = await run("gov", "parameters");
    const of = (name: string) => parameters.find((one: Json) => one.name === name);
    const longer = ["settlementWindowSeconds", of("unbondingSeconds").value] as const;
    const needs = await refused(["gov", "propose", "set", ...longer, "--as", "voter"], 1);
    assert.equal(needs.code, "unbonding-too-short");
    assert.match(needs.fix[0], /gov propose set unbondingSeconds \d+$/);
    const heads = ["gov", "propose", "fee-split", "operator=10%", "--as", "voter"];
    assert.match((await refused(heads, 2)).actual, /^95 %: operator 10 %/);
    for (const wrong of [
      ["gov", "propose", "set", "proverReward", "1"],
      ["gov", "propose", "set", "epochSeconds", "1fortnight"],
      ["gov", "propose", "set", "feeSplit", "1"],
      ["gov", "propose", "fee-split", "operator=x"],
      ["gov", "propose", "call", "OpenStaking", "overturn"],
      ["gov", "propose", "call", "OpenStaking", "overturn", "first"],
      ["gov", "propose", "call", "Nothing", "x"],
      ["gov", "vote", "1", "maybe"],
      ["gov", "show", "0"],
    ])
      assert.equal((await call(wrong)).code, 2, wrong.join(" "));
  });

  await t.test("it is proposed, and shown as what it does", async () => {
    const made = await run("gov", "propose", "fee-split", "operator=10%", "data=5500", "--as", "voter");
    assert.deepEqual([made.number, made.description], [1, "Divide fees otherwise: operator 10 %, data 55 %"]);
    assert.match(
      made.calls[0].text,
      /^divide fees: operator 10 %, treasury 5 %, .* data 55 %, owners 10 % of data$/,
    );
    const again = ["gov", "propose", "fee-split", "operator=10%", "data=5500", "--as", "voter"];
    assert.match((await refused(again, 1)).fix[0], /--description/);
    const shown = await run("gov", "show", "1");
    assert.ok(BigInt(shown.quorumWei) >= 10n ** 25n, "1 % of all OPEN at least");
    assert.equal((await run("gov", "show", shown.id)).number, 1);
    assert.equal(
      (await refused(["gov", "queue", "1", "--as", "voter"], 1)).code,
      "governor-unexpected-proposal-state",
    );
    assert.equal((await refused(["gov", "show", "2"], 1)).actual, "there are 1 to 1");
  });

  await t.test("it is voted on, queued and executed, each when its time has come", async () => {
    const early = await refused(["gov", "execute", "1", "--as", "voter"], 1);
    assert.match(early.expected, /queued/);
    const vote = await run(
      "gov",
      "vote",
      "1",
      "for",
      "--reason",
      "Data is scarce",
      "--wait",
      "--as",
      "voter",
    );
    assert.deepEqual([vote.weightWei, vote.proposal.state], [(21_000_000n * open).toString(), "active"]);
    const twice = await refused(["gov", "vote", "1", "against", "--as", "voter"], 1);
    assert.equal(twice.code, "governor-already-cast-vote");
    assert.equal((await refused(["gov", "vote", "1", "for"], 1)).code, "no-votes");
    const queued = await run("gov", "queue", "1", "--wait");
    assert.equal(queued.state, "queued");
    assert.ok(queued.executableAtSec > queued.voteEndsSec);
    const waited = await run("gov", "execute", "1", "--wait");
    assert.equal(waited.state, "executed");
    const late = await refused(["gov", "cancel", "1", "--as", "voter"], 1);
    assert.deepEqual([late.code, late.actual], ["too-late-to-cancel", "was executed"]);
    const over = await refused(["gov", "queue", "1", "--as", "voter"], 1);
    assert.deepEqual(
      [over.expected, over.actual, over.fix],
      ["a proposal that has succeeded", "was executed", ["./openledger gov list"]],
    );
    await pause(1_100); // in force from the next second on
    const { feeSplit } = await run("gov", "parameters");
    const of = (name: string) => feeSplit.find(({ head }: Json) => head === name).bps;
    assert.deepEqual([of("operator"), of("data"), of("developer")], [1_000, 5_500, 2_000]);
    const { changes } = await run("gov", "parameters", "--history", "feeSplit");
    assert.equal(changes.length, 2);
  });

  await t.test("a proposal is taken back by its proposer before the vote begins", async () => {
    const to = `0x${"56".repeat(20)}`;
    const { number } = await run(
      "gov",
      "propose",
      "send",
      to,
      "1",
      "--description",
      "A gift",
      "--as",
      "voter",
    );
    assert.equal((await refused(["gov", "cancel", String(number)], 1)).code, "governor-unable-to-cancel");
    assert.equal((await run("gov", "cancel", String(number), "--as", "voter")).state, "canceled");
    const { proposals } = await run("gov", "list");
    assert.deepEqual(
      proposals.map(({ state }: Json) => state),
      ["canceled", "executed"],
    );
  });

  await t.test("a delegation is signed here and sent by the node, with no OPEN for gas", async () => {
    const { address } = await run("wallet", "address", "--as", "thrifty");
    const { GOPEN } = running.node.network.contracts;
    const refusedEarly = await refused(["gov", "delegate", "--relay", "--as", "thrifty"], 1);
    assert.equal(refusedEarly.code, "too-little-gopen");
    const operator = running.node.network.writer(running.node.network.accounts.operator);
    await operator.write({ ...GOPEN, functionName: "depositTo", args: [address], value: 5n * open });
    const sent = await run("gov", "delegate", "--relay", "--as", "thrifty");
    assert.deepEqual([sent.delegatee, sent.amountWei], [address, (5n * open).toString()]);
    const { delegatedWei, delegatee } = await run("gov", "votes", "--as", "thrifty");
    assert.deepEqual([delegatedWei, delegatee], [(5n * open).toString(), address]);
    assert.equal((await run("wallet", "balance", "--as", "thrifty")).balanceWei, "0");
    assert.equal((await refused(["gov", "delegate", "--relay", "--as", "thrifty"], 1)).code, "same-delegate");

    // What was signed counts once, and for this chain alone.
    const { privateKey } = await run("wallet", "export", "--show-private-key", "--as", "thrifty");
    const post = async (chainId: number, nonce: bigint) => {
      const message = { delegatee: GOPEN.address, nonce, expiry: 2n ** 40n };
      const signature = await privateKeyToAccount(privateKey).signTypedData(
        delegationData(chainId, GOPEN.address, message),
      );
      const body = JSON.stringify({ ...message, nonce: `${nonce}`, expiry: `${message.expiry}`, signature });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${running.node.url}/v1/delegations`, { method: "POST", body, headers });
      return ((await answer.json()) as Json).error?.code;
    };
    assert.equal(await post(161_612, 0n), "wrong-nonce", "sent before");
    assert.equal(await post(1, 0n), "too-little-gopen", "another chain's signature is somebody else's here");
    assert.equal(await post(161_612, 1n), undefined);
  });

  await t.test("any function of any contract is proposed by its name", async () => {
    const calls = (await run("gov", "propose", "call", "OpenStaking", "overturn", "7", "--as", "voter"))
      .calls;
    assert.equal(calls[0].text, "OpenStaking.overturn(7)");
  });

  await t.test("votes are told by where they come from, and unlocked", async () => {
    const { address } = await run("wallet", "address", "--as", "alma");
    await run("gov", "delegate", address, "--as", "voter");
    await run("gov", "unlock", "20999999", "--as", "voter");
    const votes = await run("gov", "votes", "--as", "voter");
    assert.deepEqual([votes.lockedWei, votes.delegatedWei, votes.delegatee], [open.toString(), "0", address]);
    assert.equal((await run("gov", "votes", address)).delegatedWei, open.toString());
    for (const shown of [
      ["gov", "list"],
      ["gov", "show", "1"],
      ["gov", "votes", address],
      ["gov", "--help"],
      ["gov", "propose", "call", "--help"],
    ]) {
      const { code, out } = await call(shown);
      assert.equal(code, 0);
      assert.doesNotMatch(out, /undefined|NaN|\[object/, shown.join(" "));
    }
  });
});
