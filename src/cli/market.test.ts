import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Json, openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({}, true);
const { run, refused, call, node } = running;
after(() => running.close());

before(async () => {
  const developer = node.network.writer(node.network.accounts.developer);
  for (const name of ["valley", "harbor"])
    await developer.write({
      ...node.network.contracts.ModelRegistry,
      functionName: "register",
      args: [name],
      value: open,
    });
  await run("wallet", "import", "--node", "developer", "--as", "dev");
  await run("wallet", "faucet", "100", "--as", "ada");
  await run("wallet", "faucet", "100", "--as", "ben");
});

const addressOf = async (name: string) => (await run("wallet", "address", "--as", name)).address;
const balanceOf = async (name: string) =>
  BigInt((await run("wallet", "list")).accounts.find((one: Json) => one.name === name).balanceWei);

test("a model is sold at its price, and earns for its buyer from the next second on", async (t) => {
  let listingId = "";

  await t.test("its owner offers it, nobody else does", async () => {
    await pause(1_100); // owned since the next second
    assert.equal(
      (await refused(["market", "sell", "model", "valley", "25", "--as", "ada"], 1)).code,
      "not-owner",
    );
    const listing = await run("market", "sell", "model", "valley", "25", "--as", "dev");
    assert.deepEqual(
      [listing.what, listing.priceWei, listing.state],
      ["model 1, valley", (25n * open).toString(), "for sale"],
    );
    listingId = String(listing.listingId);
    assert.equal((await run("market", "list")).listings.length, 1);
    assert.equal((await refused(["market", "cancel", listingId, "--as", "ada"], 1)).code, "not-seller");
  });

  await t.test("it is bought once, for exactly its price", async () => {
    const before = await balanceOf("ada");
    const bought = await run("market", "buy", listingId, "--as", "ada");
    assert.equal(bought.state, "sold");
    const paid = before - (await balanceOf("ada"));
    assert.ok(paid > 25n * open && paid < (2501n * open) / 100n, `${paid}`);
    const again = await refused(["market", "buy", listingId, "--as", "ben"], 1);
    assert.deepEqual([again.code, again.actual], ["not-for-sale", "sold"]);
    const { owner, owners } = await run("market", "owner", "model", "valley");
    assert.equal(owner, await addressOf("ada"));
    assert.equal(owners.length, 2);
    const { amountWei } = await run("market", "withdraw", "--as", "dev");
    assert.equal(amountWei, (25n * open).toString());
    assert.equal((await refused(["market", "withdraw", "--as", "dev"], 1)).code, "nothing-to-withdraw");
  });

  await t.test("a listing ends with the ownership it was made in", async () => {
    await pause(1_100);
    const { listingId: next } = await run("market", "sell", "model", "1", "7", "--as", "ada");
    const given = await run("market", "transfer", "model", "1", await addressOf("ben"), "--as", "ada");
    assert.ok(given.sinceSec > 0);
    const state = (await run("market", "show", String(next))).state;
    assert.match(state, /changed hands/);
    assert.equal((await refused(["market", "buy", String(next), "--as", "dev"], 1)).code, "not-for-sale");
    assert.equal(
      (await refused(["market", "transfer", "model", "1", given.to, "--as", "ada"], 1)).code,
      "not-owner",
    );
  });
});

test("a token's income is divided by shares, and none of it moves with them", async (t) => {
  let shares = "";

  await t.test("its owner divides it, and holds all at first", async () => {
    const made = await run("market", "fraction", "model", "harbor", "100", "--as", "dev");
    shares = made.shares;
    assert.deepEqual(made.managed, ["publishRelease", "setDeprecated"]);
    assert.equal((await run("market", "owner", "model", "harbor")).owner, shares);
  });

  await t.test("income is owed by shares held when it came", async () => {
    await run("wallet", "send", shares, "10", "--as", "ben");
    await run("market", "send-shares", shares, await addressOf("ada"), "40", "--as", "dev");
    await run("wallet", "send", shares, "1", "--as", "ben");
    const { holders, receivedWei } = await run("market", "shares", shares);
    assert.equal(receivedWei, (11n * open).toString());
    const owed = Object.fromEntries(
      holders.map(({ account, shares: held, claimableWei }: Json) => [account, [held, claimableWei]]),
    );
    assert.deepEqual(owed[await addressOf("dev")], ["60", ((106n * open) / 10n).toString()]);
    assert.deepEqual(owed[await addressOf("ada")], ["40", ((4n * open) / 10n).toString()]);
    assert.equal(
      (await run("market", "claim", shares, "--as", "ada")).amountWei,
      ((4n * open) / 10n).toString(),
    );
    assert.equal((await refused(["market", "claim", shares, "--as", "ada"], 1)).code, "nothing-to-claim");
  });

  await t.test("a lot of shares is sold; who holds all gets the token out", async () => {
    const few = await refused(["market", "sell-shares", shares, "41", "3", "--as", "ada"], 1);
    assert.deepEqual([few.code, few.expected, few.actual], ["too-few-shares", "at most 40", "41"]);
    assert.equal((await refused(["market", "redeem", shares, "--as", "dev"], 1)).code, "not-whole");
    const tooMany = ["market", "send-shares", shares, await addressOf("dev"), "400", "--as", "ada"];
    assert.equal((await refused(tooMany, 1)).actual, "400");
    const { listingId, what } = await run("market", "sell-shares", shares, "40", "3", "--as", "ada");
    const own = await refused(["market", "buy", String(listingId), "--as", "ada"], 1);
    assert.deepEqual(
      [own.code, own.fix],
      ["own-listing", [`./openledger market cancel ${listingId} --as ada`]],
    );
    assert.equal(what, "40 shares of SHARE");
    await run("market", "buy", String(listingId), "--as", "dev");
    await run("market", "redeem", shares, "--as", "dev");
    assert.equal((await run("market", "owner", "model", "harbor")).owner, await addressOf("dev"));
  });
});

test("what is not there is said, and people read the rest", async () => {
  const missing: [string[], number, string | undefined][] = [
    [["market", "show", "99"], 1, "unknown-listing"],
    [["market", "owner", "model", "atlantis"], 1, "unknown-model"],
    [["market", "owner", "datanet", "99"], 1, "unknown-datanet"],
    [["market", "shares", `0x${"12".repeat(20)}`], 1, "unknown-shares"],
    [["market", "buy", "99", "--as", "ben"], 1, "unknown-listing"],
  ];
  for (const [args, exitCode, code] of missing)
    assert.equal((await refused(args, exitCode)).code, code, args.join(" "));
  for (const wrong of [
    ["market", "sell", "castle", "1", "1"],
    ["market", "sell", "model", "1", "0"],
    ["market", "sell", "model", "1", "1", "--days", "0"],
    ["market", "buy", "first"],
  ])
    assert.equal((await call(wrong)).code, 2, wrong.join(" "));
  for (const shown of [
    ["market", "list", "--all"],
    ["market", "show", "1"],
    ["market", "owner", "model", "valley"],
    ["market", "--help"],
  ]) {
    const { code, out } = await call(shown);
    assert.equal(code, 0);
    assert.doesNotMatch(out, /undefined|NaN|\[object/, shown.join(" "));
  }
});
