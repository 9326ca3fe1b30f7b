import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Json, openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({}, true);
const { run, refused, call } = running;
after(() => running.close());

test("stake goes into a pool, earns, leaves and comes back on its date", async (t) => {
  let pool = "";

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
    await pause(leaving.claimAtSec * 1_000 - Date.now() + 1_000);
    const claimed = await run("stake", "claim", "--as", "dana");
    assert.equal(claimed.amountWei, (100n * open).toString());
    assert.deepEqual((await run("stake", "unbonding", "--as", "dana")).unbondings, []);
  });

  await t.test("a commission changes by announcement, by its operator alone", async () => {
    const announced = await run("stake", "commission", "20%", "--as", "vera");
    assert.deepEqual([announced.commissionBps, announced.nextCommissionBps], [1_000, 2_000]);
    assert.equal(
      (await refused(["stake", "commission", "51%", "--as", "vera"], 1)).code,
      "commission-too-high",
    );
  });

  await t.test("people read it", async () => {
    for (const shown of [
      ["stake", "pools"],
      ["stake", "show", pool, "--as", "dana"],
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
