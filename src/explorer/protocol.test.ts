import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Address, keccak256, stringToHex } from "viem";
import type { ChainWriter } from "../chain/index.ts";
import { ann, ben, open, openWorld, type World } from "../payments/fixtures/world.ts";
import { type Explorer, openExplorer } from "./index.ts";

let world: World;
let explorer: Explorer;
let writer: ChainWriter;

before(async () => {
  world = await openWorld();
  writer = world.client(ann);
  const { chain, database } = world;
  explorer = await openExplorer({
    database,
    chain,
    contracts: world.contracts,
    genesis: chain.genesis,
    onBlock: (listener) => chain.onBlock(listener),
  });
});
after(async () => {
  await explorer.close();
  await world.close();
});

const indexed = () => explorer.reached(world.chain.status().blockNumber);
const eventsOf = async (contract: string) => {
  const { items } = await explorer.events({ contract }, { limit: 100 });
  return items.map(({ event }) => event);
};

test("everything the deployment did is in the contracts' own words", async () => {
  await indexed();
  const { items } = await explorer.contracts({ limit: 100 });
  for (const [name, { address }] of Object.entries(world.contracts)) {
    const contract = items.find((item) => item.address === address.toLowerCase());
    // A vesting contract's code may come later than its address: then it is no contract yet.
    if (contract !== undefined) assert.equal(contract.name, name);
  }
  assert.ok(items.some(({ name }) => name === "AttributionLedger"));
  const unread = (await explorer.events({}, { limit: 100 })).items.filter(({ event }) => event === null);
  assert.deepEqual(
    unread.map(({ address }) => address),
    [],
  );
});

test("a Datanet's common pool is known by the event of the registry, and money in it by its own event", async () => {
  const { DatanetRegistry } = world.contracts;
  await writer.write({
    ...DatanetRegistry,
    functionName: "create",
    args: [keccak256(stringToHex("card")), "CC0-1.0"],
  });
  await indexed();
  const [created] = (await explorer.events({ name: "DatanetCreated" }, { limit: 1 })).items;
  const pool = created?.arguments?.find(({ name }) => name === "pool")?.value as Address;
  assert.equal((await explorer.contract(pool)).contract.name, "CommonPool");
  await world.client(ben).send({ to: pool, value: 5n });
  await indexed();
  const [received] = (await explorer.events({ contract: pool }, { limit: 1 })).items;
  assert.deepEqual(
    [received?.contract, received?.event, received?.arguments?.map(({ value }) => value)],
    ["CommonPool", "Received", [ben.address.toLowerCase(), "5"]],
  );
});

test("shares of a token's income are known by the event of their factory", async () => {
  const { DatanetRegistry, RevenueSharesFactory } = world.contracts;
  await writer.write({
    ...DatanetRegistry,
    functionName: "approve",
    args: [RevenueSharesFactory.address, 1n],
  });
  const terms = {
    asset: DatanetRegistry.address,
    tokenId: 1n,
    supply: open,
    name: "Valley",
    symbol: "VAL",
    managed: [],
  };
  await writer.write({ ...RevenueSharesFactory, functionName: "create", args: [terms] });
  await indexed();
  assert.ok(
    (await eventsOf("RevenueShares")).includes("Transfer"),
    "the constructor's own event is decoded too",
  );
  const [call] = (await explorer.transactions({ limit: 1 })).items;
  assert.deepEqual([call?.contract, call?.function], ["RevenueSharesFactory", "create"]);
  const fields = call?.arguments?.[0]?.value as readonly { name: string; value: unknown }[];
  assert.deepEqual(
    fields.map(({ name, value }) => [name, value]),
    [
      ["asset", DatanetRegistry.address.toLowerCase()],
      ["tokenId", "1"],
      ["supply", open.toString()],
      ["name", "Valley"],
      ["symbol", "VAL"],
      ["managed", []],
    ],
  );
});

test("a model is found by the beginning of its name", async () => {
  const { ModelRegistry } = world.contracts;
  await writer.write({ ...ModelRegistry, functionName: "register", args: ["valley-tiny"] });
  await indexed();
  const [hit] = await explorer.search("VALLEY-");
  assert.ok(hit?.kind === "name");
  assert.deepEqual(
    [hit.name, hit.event, hit.contract, hit.subject],
    ["valley-tiny", "ModelRegistered", "ModelRegistry", "1"],
  );
});

test("a word inside a name is found after names that are it or begin with it", async () => {
  const { ModelRegistry } = world.contracts;
  for (const name of ["old-mill", "mill", "mill-stones", "windmill"])
    await writer.write({ ...ModelRegistry, functionName: "register", args: [name] });
  await indexed();
  const found = async (text: string) =>
    (await explorer.search(text)).map((hit) => ("name" in hit ? hit.name : hit.kind));
  assert.deepEqual(await found("Mill"), ["mill", "mill-stones", "old-mill", "windmill"]);
  assert.deepEqual(await found("-mill"), ["old-mill"]);
  assert.ok((await found("ledger")).includes("AttributionLedger"), "a contract, too");
  // Two characters are in too many names.
  assert.deepEqual(await found("dm"), []);
});
