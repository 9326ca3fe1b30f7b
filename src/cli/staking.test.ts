import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { privateKeyToAccount } from "viem/accounts";
import { type Address, type Digest, zeroAddress, zeroDigest } from "../protocol/index.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({ settlementWindowSeconds: 3 }, true);
const { run, refused, call } = running;
after(() => running.close());

const { AgentRegistry } = running.node.network.contracts;

const writerOf = async (name: string) => {
  const { privateKey } = await run("wallet", "export", "--show-private-key", "--as", name);
  return running.node.network.writer(privateKeyToAccount(privateKey));
};

/** An order of the agent under new terms, accepted. @returns its number */
async function order(terms: Partial<Terms>): Promise<bigint> {
  const agent = await writerOf("aoife");
  const none = {
    evaluationDigest: zeroDigest,
    evaluator: zeroAddress,
    thresholdMillionths: 0,
    deadlineSeconds: 1,
    slashBps: 0,
  };
  await agent.write({ ...AgentRegistry, functionName: "publishTerms", args: [1n, { ...none, ...terms }] });
  const version = await agent.public.readContract({
    ...AgentRegistry,
    functionName: "termsCount",
    args: [1n],
  });
  const client = await writerOf("dana");
  const task = `0x${"aa".repeat(32)}` as const;
  await client.write({
    ...AgentRegistry,
    functionName: "offer",
    args: [1n, Number(version), task],
    value: open,
  });
  const orderId = await agent.public.readContract({ ...AgentRegistry, functionName: "orderCount" });
  await agent.write({ ...AgentRegistry, functionName: "accept", args: [orderId] });
  return orderId;
}

type Terms = {
  evaluationDigest: Digest;
  evaluator: Address;
  thresholdMillionths: number;
  deadlineSeconds: number;
  slashBps: number;
};

before(async () => {
  for (const name of ["aoife", "judge"]) await run("wallet", "faucet", "200", "--as", name);
  const owner = await writerOf("aoife");
  await owner.write({ ...AgentRegistry, functionName: "register", args: [], value: open });
});

test("stake goes into a pool, earns, leaves and comes back on its date", async (t) => {
  let pool = "";
  let claimAtSec = 0;
  let executableAtSec = 0;

  await t.test("an account becomes a validator with the least stake or more", async () => {
    await run("wallet", "faucet", "1000", "--as", "vera");
    const few = await refused(["stake", "register", "99", "--as", "vera"], 2);
    assert.deepEqual([few.code, few.expected], ["below-minimum-stake", "100 OPEN at least"]);
    const made = await run("stake", "register", "200", "--commission", "10%", "--as", "vera");
    pool = made.pool;
    assert.equal(pool, (await run("wallet", "address", "--as", "vera")).address);
    assert.deepEqual(
      [made.state, made.bondedWei, made.ownStakeWei, made.commissionBps],
      ["active", (200n * open).toString(), (200n * open).toString(), 1_000],
    );
    assert.equal((await refused(["stake", "register", "200", "--as", "vera"], 1)).code, "pool-exists");
  });

  await t.test("others delegate to it; a pool that is not there is said", async () => {
    await run("wallet", "faucet", "1000", "--as", "dana");
    const part = await run("stake", "delegate", pool, "300", "--as", "dana");
    assert.equal(part.bondedWei, (300n * open).toString());
    const { pools } = await run("stake", "pools");
    assert.deepEqual(
      pools.map(({ pool: name, bondedWei }: Json) => [name, bondedWei]),
      [[pool, (500n * open).toString()]],
    );
    const nobody = await refused(["stake", "delegate", `0x${"12".repeat(20)}`, "1", "--as", "dana"], 1);
    assert.equal(nobody.code, "unknown-pool");
    assert.equal((await call(["stake", "delegate", "agent:x", "1"])).code, 2);
    await pause(1_100); // votes count from the next second on
    const votes = await run("gov", "votes", "--as", "dana");
    assert.equal(votes.stakedWei, (300n * open).toString(), "stake votes");
  });

  await t.test("a reward is divided by what earns, the commission first", async () => {
    await pause(5_100); // an epoch
    const { address } = running.node.network.contracts.OpenStaking;
    await run("wallet", "faucet", "20");
    await run("wallet", "send", address, "10");
    const { positions } = await run("stake", "rewards", "--as", "dana");
    // 10 OPEN less 10 % commission, 300 of 500 parts, rounded down.
    assert.equal(positions[0].rewardWei, ((54n * open) / 10n - 1n).toString());
    const paid = await run("stake", "withdraw-rewards", "--as", "dana");
    assert.equal(paid.amountWei, positions[0].rewardWei);
    assert.equal((await refused(["stake", "withdraw-rewards", "--as", "dana"], 1)).code, "nothing-to-claim");
    const operator = await run("stake", "withdraw-rewards", "--as", "vera");
    const lost = 10n * open - BigInt(paid.amountWei) - BigInt(operator.amountWei);
    assert.ok(lost >= 0n && lost <= 3n, `${lost} wei wait for the next reward`);
  });

  await t.test("what is taken out names its date, and is claimed then and not before", async () => {
    const tooMuch = await refused(["stake", "undelegate", pool, "301", "--as", "dana"], 1);
    assert.deepEqual([tooMuch.code, tooMuch.expected], ["beyond-stake", "at most 300 OPEN"]);
    const leaving = await run("stake", "undelegate", pool, "100", "--as", "dana");
    const { unbondings } = await run("stake", "unbonding", "--as", "dana");
    assert.deepEqual(
      unbondings.map(({ amountWei, claimAtSec }: Json) => [amountWei, claimAtSec]),
      [[(100n * open).toString(), leaving.claimAtSec]],
    );
    const early = await refused(["stake", "claim", "--as", "dana"], 1);
    assert.equal(early.code, "nothing-due");
    assert.match(early.actual, /^100 OPEN from .* \(in \d+ s\)$/);
    assert.equal((await refused(["stake", "claim", "0", "--as", "dana"], 1)).code, "too-early");
    assert.equal((await refused(["stake", "claim", "7", "--as", "dana"], 1)).code, "no-such-unbonding");
    claimAtSec = leaving.claimAtSec;
  });

  await t.test(
    "an agent that misses a deadline is slashed at once, for a reason that can be read",
    async () => {
      await run("stake", "register", "150", "--agent", "agent:1", "--as", "aoife");
      await order({ deadlineSeconds: 1, slashBps: 1_000 });
      await pause(2_100);
      const reporter = await writerOf("dana");
      await reporter.write({ ...AgentRegistry, functionName: "missed", args: [1n] });
      const { slashes } = await run("stake", "slashes", "--pool", "agent:1");
      assert.deepEqual(
        slashes.map(({ reason, state, amountWei }: Json) => [reason, state, amountWei]),
        [["missed the deadline of an order", "executed", (15n * open).toString()]],
      );
    },
  );

  await t.test("a judged slash waits for its appeal, and freezes the pool meanwhile", async () => {
    const judge = await writerOf("judge");
    const orderId = await order({
      evaluator: judge.account.address,
      evaluationDigest: `0x${"ee".repeat(32)}`,
      thresholdMillionths: 500_000,
      deadlineSeconds: 5,
      slashBps: 2_000,
    });
    const evidence = `0x${"dd".repeat(32)}` as const;
    const agent = await writerOf("aoife");
    await agent.write({ ...AgentRegistry, functionName: "deliver", args: [orderId, evidence] });
    await judge.write({ ...AgentRegistry, functionName: "judge", args: [orderId, 0n, evidence] });
    const slash = await run("stake", "appeal", "2");
    assert.deepEqual(
      [slash.reason, slash.state, slash.amountWei],
      ["delivered below the threshold of its terms", "under appeal", (27n * open).toString()],
    );
    assert.match((await call(["stake", "appeal", "2"])).out, /gov propose call OpenStaking overturn 2 /);
    assert.equal(
      (await refused(["stake", "delegate", "agent:1", "1", "--as", "dana"], 1)).code,
      "under-appeal",
    );
    assert.equal((await refused(["stake", "execute", "2", "--as", "dana"], 1)).code, "too-early");
    assert.equal((await refused(["stake", "appeal", "3"], 1)).code, "no-such-slash");
    assert.equal((await refused(["stake", "show", `0x${"12".repeat(20)}`], 1)).code, "unknown-pool");
    executableAtSec = slash.executableAtSec;
  });

  await t.test("what left is claimed on its date, and what was slashed is paid out on its", async () => {
    await pause(executableAtSec * 1_000 - Date.now() + 1_000);
    assert.equal((await run("stake", "execute", "2", "--as", "dana")).state, "executed");
    await pause(claimAtSec * 1_000 - Date.now() + 1_000);
    const claimed = await run("stake", "claim", "--as", "dana");
    assert.equal(claimed.amountWei, (100n * open).toString());
    assert.deepEqual((await run("stake", "unbonding", "--as", "dana")).unbondings, []);
  });

  await t.test("a commission changes by announcement, by its operator alone", async () => {
    const announced = await run("stake", "commission", "20%", "--as", "vera");
    assert.deepEqual([announced.commissionBps, announced.nextCommissionBps], [1_000, 2_000]);
    for (const part of ["51%", "200%"]) {
      const { code, expected, actual } = await refused(["stake", "commission", part, "--as", "vera"], 1);
      assert.deepEqual(
        [code, expected, actual],
        ["commission-too-high", "at most 50 %", part.replace("%", " %")],
      );
    }
  });

  await t.test("people read it", async () => {
    for (const shown of [
      ["stake", "pools"],
      ["stake", "show", pool, "--as", "dana"],
      ["stake", "show", "agent:1"],
      ["stake", "rewards", "--as", "dana"],
      ["stake", "unbonding"],
      ["stake", "slashes"],
      ["stake", "--help"],
    ]) {
      const { code, out } = await call(shown);
      assert.equal(code, 0);
      assert.doesNotMatch(out, /undefined|NaN|\[object/, shown.join(" "));
    }
  });
});
