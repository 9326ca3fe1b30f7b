import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chainClients, type EmbeddedChain } from "../chain/index.ts";
import { type Database, openScratchDatabase } from "../store/index.ts";
import {
  alice,
  bob,
  carol,
  dependencies,
  genesis,
  type MixedRun,
  maker,
  makerCall,
  openTestChain,
  runMixed,
  sample,
  sendRaw,
  temporaryFolder,
} from "./fixtures/world.ts";
import { type Explorer, explorerRoutes, openExplorer } from "./index.ts";

const folder = temporaryFolder();
let chain: EmbeddedChain;
let database: Database;
let explorer: Explorer;
let app: ReturnType<typeof explorerRoutes>;
let run: MixedRun;

before(async () => {
  chain = await openTestChain(folder.path);
  database = await openScratchDatabase();
  run = await runMixed(chain);
  explorer = await openExplorer(dependencies(chain, database));
  await explorer.reached(chain.status().blockNumber);
  app = explorerRoutes(explorer);
});
after(async () => {
  await explorer.close();
  await database.close();
  await chain.close();
  folder[Symbol.dispose]();
});

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
type Json = any;

async function get(path: string): Promise<Json> {
  const answer = await app.request(`/v1/explorer${path}`);
  const body = await answer.json();
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(body)}`);
  return body;
}

/** All items of a list, page by page. */
async function walk(path: string, key: string, limit: number): Promise<Json[]> {
  const items: Json[] = [];
  let before = "";
  for (let pages = 0; pages < 1_000; pages++) {
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}limit=${limit}${before}`);
    assert.ok(page[key].length <= limit);
    items.push(...page[key]);
    if (page.next === null) return items;
    before = `&before=${page.next}`;
  }
  throw new Error(`${path} never ends`);
}

test("the summary says how far the index is and what it holds", async () => {
  const summary = await get("/summary");
  const head = chain.status().blockNumber;
  assert.deepEqual(
    [summary.chainId, summary.indexedBlock, summary.headBlock, summary.behindBlocks, summary.trouble],
    [chain.chainId, head, head, 0, null],
  );
  assert.equal(summary.transactions, chain.status().transactions);
  assert.equal(summary.latest[0].number, head);
});

test("a block by number and by hash is one block, with its transactions", async () => {
  const byNumber = await get("/blocks/1");
  assert.deepEqual(await get(`/blocks/${byNumber.hash}`), byNumber);
  assert.deepEqual(await get(`/blocks/${byNumber.hash.toUpperCase().replace("0X", "0x")}`), byNumber);
  const { transactions } = await get("/blocks/1/transactions");
  assert.equal(transactions.length, byNumber.transactions);
  assert.equal(transactions[0].hash, run.deploySample);
  assert.deepEqual((await get("/blocks/0/transactions")).transactions, []);
});

test("a transaction comes with its decoded call, fee in wei and events", async () => {
  const { transaction, logs } = await get(`/transactions/${run.success}`);
  assert.deepEqual(
    [transaction.toName, transaction.function, transaction.status, transaction.from, transaction.to],
    ["Sample", "incrementBy", "success", bob.address.toLowerCase(), sample],
  );
  assert.equal(
    transaction.feeWei,
    (BigInt(transaction.gasUsed) * BigInt(transaction.gasPriceWei)).toString(),
  );
  assert.equal(logs.length, 3);
  assert.deepEqual(logs[2].arguments, [
    { name: "by", type: "address", value: bob.address.toLowerCase() },
    { name: "count", type: "uint256", value: "3" },
  ]);
  const reverted = (await get(`/transactions/${run.customError}`)).transaction;
  assert.deepEqual([reverted.status, reverted.error.name], ["reverted", "TooFew"]);
});

test("pages of every size hold each item once, while new blocks arrive", async () => {
  const before = await walk("/transactions", "transactions", 100);
  assert.equal(before.length, Object.keys(run).length);
  const writer = chainClients({ embedded: chain, account: alice });
  const pages: Json[] = [];
  let next: number | null = null;
  do {
    const page: Json = await get(`/transactions?limit=3${next === null ? "" : `&before=${next}`}`);
    pages.push(...page.transactions);
    next = page.next;
    const hash = await sendRaw(writer, alice, { to: bob.address, value: 1n });
    await explorer.reached(Number((await writer.waitForReceipt(hash)).blockNumber));
  } while (next !== null);
  assert.deepEqual(
    pages.map(({ hash }) => hash),
    before.map(({ hash }) => hash),
  );
  for (const limit of [1, 7])
    assert.deepEqual(
      (await walk("/contracts", "contracts", limit)).map(({ address }) => address),
      (await get("/contracts?limit=100")).contracts.map(({ address }: Json) => address),
    );
  assert.deepEqual(
    (await walk("/blocks", "blocks", 4)).map(({ number }) => number),
    Array.from({ length: chain.status().blockNumber + 1 }, (_, i) => chain.status().blockNumber - i),
  );
});

test("an account: its balance now, its counts, its history down to genesis", async () => {
  const account = await get(`/accounts/${bob.address}`);
  const { public: reader } = chainClients({ embedded: chain });
  assert.equal(account.balanceWei, (await reader.getBalance({ address: bob.address })).toString());
  assert.equal(account.nonce, await reader.getTransactionCount({ address: bob.address }));
  const history = await walk(`/accounts/${bob.address}/transactions`, "activity", 5);
  assert.equal(history.length, account.transactions + 1);
  assert.equal(new Set(history.map(({ position }) => position)).size, history.length);
  const given = history.at(-1);
  assert.deepEqual([given.roles, given.changeWei], [["genesis"], genesis[bob.address]!.toString()]);
  const events = await walk(`/accounts/${bob.address}/events`, "events", 2);
  assert.equal(events.length, account.events);
  assert.ok(events.every((event) => JSON.stringify(event).includes(bob.address.toLowerCase().slice(2))));
  const named = await get(`/accounts/${sample}`);
  assert.deepEqual([named.name, named.contract.creationTransaction], ["Sample", run.deploySample]);
  const nobody = await get(`/accounts/0x${"77".repeat(20)}`);
  assert.deepEqual([nobody.balanceWei, nobody.transactions, nobody.firstBlock], ["0", 0, null]);
});

test("events by contract, name, address and blocks, alone and together", async () => {
  const all = await walk("/events", "events", 3);
  assert.equal(all.length, (await get("/summary")).events);
  const filters: [string, (event: Json) => boolean][] = [
    ["contract=Sample", (event) => event.contract === "Sample"],
    [`contract=${maker}`, (event) => event.address === maker],
    ["name=Registered", (event) => event.name === "Registered"],
    ["contract=Made&name=Spoke", (event) => event.contract === "Made" && event.name === "Spoke"],
    [
      `address=${carol.address}`,
      (event) => JSON.stringify(event).includes(carol.address.toLowerCase().slice(2)),
    ],
    [
      `address=${carol.address}&name=Registered&contract=Maker`,
      (event) =>
        event.name === "Registered" && JSON.stringify(event.arguments).includes(carol.address.toLowerCase()),
    ],
    ["fromBlock=4&toBlock=18", (event) => event.blockNumber >= 4 && event.blockNumber <= 18],
    ["name=Counted&fromBlock=10", (event) => event.name === "Counted" && event.blockNumber >= 10],
    ["contract=Nobody", () => false],
  ];
  for (const [filter, holds] of filters) {
    const found = await walk(`/events?${filter}`, "events", 2);
    assert.deepEqual(
      found.map(({ position }) => position),
      all.filter(holds).map(({ position }) => position),
      filter,
    );
  }
});

test("a contract comes with its ABI", async () => {
  const contract = await get(`/contracts/${sample}`);
  assert.ok(contract.abi.some(({ name }: Json) => name === "incrementBy"));
  const [unknown] = (await get("/contracts?limit=100")).contracts.filter(({ name }: Json) => name === null);
  assert.equal((await get(`/contracts/${unknown.address}`)).abi, null);
});

test("search finds numbers, hashes, addresses and names", async () => {
  const find = async (q: string) => (await get(`/search?q=${encodeURIComponent(q)}`)).results;
  const block = await get("/blocks/2");
  assert.deepEqual(await find("2"), [{ kind: "block", number: 2, hash: block.hash }]);
  assert.deepEqual(await find(block.hash), [{ kind: "block", number: 2, hash: block.hash }]);
  assert.deepEqual(await find(run.success!), [{ kind: "transaction", hash: run.success }]);
  assert.deepEqual(await find(maker), [{ kind: "contract", address: maker, name: "Maker" }]);
  assert.deepEqual(await find(bob.address), [{ kind: "account", address: bob.address.toLowerCase() }]);
  assert.deepEqual(await find("saMP"), [{ kind: "contract", address: sample, name: "Sample" }]);
  const named = await find("first of its");
  assert.deepEqual(
    named.map(({ kind, event, transaction }: Json) => [kind, event, transaction]),
    [
      ["name", "Born", run.made],
      ["name", "Registered", run.made],
    ],
  );
  assert.equal(named[1].subject, "1");
  for (const nothing of [
    "%",
    "_",
    "\\",
    "'; drop table explorer.blocks; --",
    "999999999",
    `0x${"00".repeat(32)}`,
  ])
    assert.deepEqual(await find(nothing), [], nothing);
});

test("a block by its hash is kept for good; everything else is asked for again by its ETag", async () => {
  const { hash } = await get("/blocks/1");
  const byHash = await app.request(`/v1/explorer/blocks/${hash}`);
  assert.match(byHash.headers.get("cache-control") ?? "", /immutable/);
  for (const path of ["/blocks/1", "/summary", `/transactions/${run.success}`, "/transactions"]) {
    const first = await app.request(`/v1/explorer${path}`);
    assert.equal(first.headers.get("cache-control"), "no-cache");
    const etag = first.headers.get("etag")!;
    const again = await app.request(`/v1/explorer${path}`, { headers: { "if-none-match": etag } });
    assert.deepEqual([again.status, await again.text()], [304, ""]);
  }
});

test("bad questions get an error that says what is wrong", async () => {
  const long = "9".repeat(40);
  const bad = [
    "/blocks/x",
    "/blocks/-1",
    "/blocks/01",
    "/blocks/0x12",
    `/blocks/${long}`,
    "/blocks/9999999999",
    "/blocks/1.5/transactions",
    "/blocks?limit=0",
    "/blocks?limit=101",
    "/blocks?before=abc",
    `/blocks?before=${long}`,
    "/transactions?limit=1e2",
    `/transactions?before=${long}`,
    "/transactions/0x12",
    `/transactions/${"ab".repeat(32)}`,
    "/accounts/0x12",
    `/accounts/0x${"zz".repeat(20)}`,
    "/accounts/0x12/transactions",
    "/accounts/0x12/events",
    `/accounts/0x${"12".repeat(20)}/events?limit=1000`,
    "/contracts?before=1",
    `/contracts?before=99999999999999999:0x${"12".repeat(20)}`,
    "/contracts/Sample",
    "/events?contract=0x12",
    "/events?name=%00",
    `/events?name=${"a".repeat(65)}`,
    "/events?address=bob",
    "/events?fromBlock=-1",
    "/events?fromBlock=5&toBlock=4",
    `/events?toBlock=${long}`,
    "/search",
    "/search?q=",
    `/search?q=${"a".repeat(200)}`,
    "/search?q=%00",
  ];
  for (const path of bad) {
    const answer = await app.request(`/v1/explorer${path}`);
    const body: Json = await answer.json();
    assert.equal(answer.status, 400, path);
    assert.equal(body.error.code, "invalid-request", path);
    assert.ok(body.error.message.length > 10, path);
  }
  const missing: [string, string][] = [
    ["/blocks/123456", "unknown-block"],
    [`/blocks/0x${"12".repeat(32)}`, "unknown-block"],
    ["/blocks/123456/transactions", "unknown-block"],
    [`/transactions/0x${"12".repeat(32)}`, "unknown-transaction"],
    [`/contracts/0x${"12".repeat(20)}`, "unknown-contract"],
  ];
  for (const [path, code] of missing) {
    const answer = await app.request(`/v1/explorer${path}`);
    assert.deepEqual([answer.status, ((await answer.json()) as Json).error.code], [404, code], path);
  }
  for (const method of ["POST", "PUT", "DELETE"])
    assert.equal((await app.request("/v1/explorer/summary", { method })).status, 404);
});

test("a transaction of thousands of events shows the first 256 and says how many there are", async () => {
  const writer = chainClients({ embedded: chain, account: carol });
  const hash = await sendRaw(writer, carol, {
    to: maker,
    data: makerCall("many", [2_000n]),
    gas: 7_900_000n,
  });
  await explorer.reached(Number((await writer.waitForReceipt(hash)).blockNumber));
  const { transaction, logs } = await get(`/transactions/${hash}`);
  assert.deepEqual([transaction.status, transaction.events, logs.length], ["success", 2_000, 256]);
  const block = transaction.blockNumber;
  const all = await walk(`/events?fromBlock=${block}&toBlock=${block}`, "events", 100);
  assert.equal(all.length, 2_000);
});

test("every route is described", async () => {
  const { paths } = app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "test", version: "0" } });
  assert.equal(Object.keys(paths ?? {}).length, 13);
  for (const [path, { get: read, ...others }] of Object.entries(paths ?? {}) as [string, Json][]) {
    assert.match(path, /^\/v1\/explorer\//);
    assert.ok(read.summary.length > 10);
    assert.deepEqual(others, {});
  }
});
