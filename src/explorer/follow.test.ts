import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Address, encodeDeployData } from "viem";
import { chainClients, type EmbeddedChain } from "../chain/index.ts";
import { type Database, openScratchDatabase } from "../store/index.ts";
import {
  alice,
  bob,
  contracts,
  dependencies,
  dump,
  genesis,
  gwei,
  indexAll,
  maker,
  makerCall,
  openTestChain,
  runMixed,
  Sample,
  sample,
  sampleCall,
  sendRaw,
  temporaryFolder,
} from "./fixtures/world.ts";
import { openExplorer } from "./index.ts";
import { readCursor } from "./write.ts";

const folders = [temporaryFolder(), temporaryFolder()] as const;
let chain: EmbeddedChain;
let other: EmbeddedChain;
let database: Database;

before(async () => {
  chain = await openTestChain(folders[0].path);
  // A genesis block is told from another of the same balances by its time alone.
  other = await openTestChain(folders[1].path, { nowMs: () => Date.now() - 3_600_000 });
  database = await openScratchDatabase();
  await runMixed(chain);
});
after(async () => {
  await database.close();
  await chain.close();
  await other.close();
  for (const folder of folders) folder[Symbol.dispose]();
});

test("a new block is in the index at once when nothing else is to do", async () => {
  const explorer = await openExplorer(dependencies(chain, database));
  await explorer.reached(chain.status().blockNumber);
  const writer = chainClients({ embedded: chain, account: bob });
  const lagsMs: number[] = [];
  for (let i = 0; i < 60; i++) {
    const mined = Promise.withResolvers<number>();
    const stop = chain.onBlock((block) => mined.resolve(block));
    await sendRaw(writer, bob, { to: sample, data: sampleCall("increment") });
    const block = await mined.promise;
    stop();
    const minedMs = performance.now();
    await explorer.reached(block);
    lagsMs.push(performance.now() - minedMs);
  }
  lagsMs.sort((a, b) => a - b);
  const [p50, p95] = [lagsMs[30]!, lagsMs[57]!];
  console.log(`from a block's mining to its rows: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`);
  assert.ok(p95 < 1_000, `p95 ${p95} ms`);
  await explorer.close();
});

test("indexing from genesis: its speed, and how much it stores", async () => {
  const chainId = other.chainId;
  const fees = { maxFeePerGas: 3n * gwei, maxPriorityFeePerGas: gwei, type: "eip1559", chainId } as const;
  const send = async (request: { to?: Address; data?: `0x${string}`; nonce: number; gas: bigint }) =>
    other.request({
      method: "eth_sendRawTransaction",
      params: [await alice.signTransaction({ ...fees, ...request } as never)],
    });
  await send({ nonce: 0, gas: 3_000_000n, data: encodeDeployData({ ...Sample, args: ["speed"] } as never) });
  const increment = (nonce: number) =>
    send({ nonce, to: sample, data: sampleCall("increment"), gas: 100_000n });
  await using fresh = await openScratchDatabase();
  const bytes = async () =>
    (
      await fresh.query<{ bytes: number }>(
        `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as bytes from pg_class c
         join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'explorer' and c.relkind = 'r'`,
      )
    )[0]!.bytes;
  const measure = async (what: string) => {
    const from = (await readCursor(fresh).catch(() => undefined)) ?? { transactions: 0, blockNumber: -1 };
    const startedMs = performance.now();
    await indexAll(other, fresh);
    const seconds = (performance.now() - startedMs) / 1000;
    const { transactions, blockNumber } = (await readCursor(fresh))!;
    assert.equal(transactions, other.status().transactions);
    const blocks = blockNumber - from.blockNumber;
    const rate = (transactions - from.transactions) / seconds;
    console.log(
      `${what}: ${blocks} blocks in ${seconds.toFixed(2)} s, ${(blocks / seconds).toFixed(0)} blocks/s, ${rate.toFixed(0)} ` +
        `transactions/s; ${(((await bytes()) / transactions) * (1000 / 2 ** 20)).toFixed(2)} MiB per 1,000 transactions so far`,
    );
    assert.ok(rate > 20, `${rate} transactions a second`);
  };
  for (let nonce = 1; nonce < 300; nonce++) await increment(nonce);
  await measure("one transaction a block");
  for (let nonce = 300; nonce < 1_500; nonce += 50)
    await Promise.all(Array.from({ length: 50 }, (_, i) => increment(nonce + i)));
  await measure("many transactions a block");
});

test("rows of another chain are dropped and made anew, and the log says why", async () => {
  await using fresh = await openScratchDatabase();
  await indexAll(other, fresh);
  const said: string[] = [];
  const log = (_: string, message: string) => said.push(message);
  await indexAll(chain, fresh, { log });
  assert.match(said.join("\n"), /made anew from block 0: its genesis block is 0x/);
  await indexAll(chain, database);
  assert.deepEqual(await dump(database), await dump(fresh));
});

test("an index that is ahead of the chain, or of replaced blocks, is made anew", async () => {
  const whole = await dump(database);
  const changes = [
    "update explorer.cursor set block_number = block_number + 1000",
    `update explorer.cursor set block_hash = '0x${"11".repeat(32)}'`,
    "update explorer.cursor set chain_id = 1",
  ];
  const words = [
    /it ends at block \d+, this chain at block \d+/,
    /its block \d+ is 0x11/,
    /it is of chain 1,/,
  ];
  for (const [index, change] of changes.entries()) {
    await database.query(change);
    const said: string[] = [];
    await indexAll(chain, database, { log: (_, message) => said.push(message) });
    assert.match(said.join("\n"), words[index]!);
    assert.deepEqual(await dump(database), whole);
  }
});

test("an index is made anew when that is asked for", async () => {
  const whole = await dump(database);
  await database.query("update explorer.transactions set sender = 'rotten'");
  const said: string[] = [];
  await indexAll(chain, database, { reindex: true, log: (_, message) => said.push(message) });
  assert.match(said.join("\n"), /made anew from block 0: that was asked for/);
  assert.deepEqual(await dump(database), whole);
});

test("a block that does not follow the last one indexed is found while following", async () => {
  // The node behind the address is changed for another while the explorer runs.
  let at = chain;
  const listeners = new Set<() => void>();
  const said: string[] = [];
  const explorer = await openExplorer(
    dependencies(chain, database, {
      chain: {
        chainId: chain.chainId,
        request: (args) => at.request(args),
        trace: (hash, options) => at.trace(hash, options),
      },
      onBlock: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      log: (_, message) => said.push(message),
    }),
  );
  await explorer.reached(chain.status().blockNumber);
  assert.ok(other.status().blockNumber > chain.status().blockNumber);
  at = other;
  for (const listener of listeners) listener();
  await explorer.reached(other.status().blockNumber);
  await explorer.close();
  assert.match(said.join("\n"), /made anew from block 0: its genesis block is/);
  await using fresh = await openScratchDatabase();
  await indexAll(other, fresh);
  assert.deepEqual(await dump(database), await dump(fresh));
});

test("a contract that is listed later is decoded from its first transaction on", async () => {
  await using fresh = await openScratchDatabase();
  await indexAll(chain, fresh, { contracts: { Sample: contracts.Sample }, instances: [] });
  const decoded = async () =>
    (
      await fresh.query<{ n: number }>(
        "select count(*)::int as n from explorer.logs where contract = 'Maker'",
      )
    )[0]!.n;
  assert.equal(await decoded(), 0);
  const said: string[] = [];
  await indexAll(chain, fresh, { log: (_, message) => said.push(message) });
  assert.match(said.join("\n"), /the contracts it was decoded by have changed/);
  assert.ok((await decoded()) > 0);
});

test("without traces everything else is there, and rows say what is not known", async () => {
  await using fresh = await openScratchDatabase();
  const { request, chainId } = chain;
  await indexAll(chain, fresh, { chain: { request, chainId }, genesis });
  const without = await dump(fresh);
  await indexAll(chain, database);
  const withTraces = await dump(database);
  for (const table of ["blocks", "logs", "names"]) assert.deepEqual(without[table], withTraces[table]);
  const [row] = await fresh.query<{ traced: number; untraced: number }>(
    `select count(*) filter (where traced)::int as traced, count(*) filter (where not traced)::int as untraced
     from explorer.transactions`,
  );
  assert.ok(row!.traced > 0 && row!.untraced > 0);
});

test("blocks full of event data are indexed piece by piece", async () => {
  const writer = chainClients({ embedded: chain, account: bob });
  await using fresh = await openScratchDatabase();
  await indexAll(chain, fresh);
  const bytes = 400_000;
  for (let i = 0; i < 12; i++)
    await sendRaw(writer, bob, { to: maker, data: makerCall("blob", [BigInt(bytes)]), gas: 7_900_000n });
  let batches = 0;
  const counted: Database = {
    ...fresh,
    transaction: (body) => {
      batches++;
      return fresh.transaction(body);
    },
  };
  await indexAll(chain, counted);
  assert.equal(batches, 2);
  const [kept] = await fresh.query<{ n: number; arguments: number }>(
    `select count(*)::int as n, max(length(arguments::text))::int as arguments from explorer.logs
     where octet_length(data) > $1`,
    [bytes],
  );
  assert.equal(kept!.n, 12);
  assert.ok(kept!.arguments < 2_000, "what is decoded is cut short");
});
