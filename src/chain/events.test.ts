import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Address } from "viem";
import { type Database, openScratchDatabase } from "../store/index.ts";
import { type ChainWriter, chainClients } from "./clients.ts";
import type { EmbeddedChain } from "./embedded.ts";
import { followEvents, HistoryChangedError } from "./events.ts";
import { alice, compileSample, openTestChain, temporaryFolder } from "./fixtures/chain.ts";

const { Sample } = compileSample();
const folder = temporaryFolder();
let chain: EmbeddedChain;
let writer: ChainWriter;
let database: Database;
let address: Address;

before(async () => {
  chain = await openTestChain(folder.path);
  database = await openScratchDatabase();
  writer = chainClients({ embedded: chain, account: alice });
  await database.query(
    "create table counted (name text not null, count bigint not null, at_sec bigint not null)",
  );
  const hash = await writer.wallet.deployContract({ ...Sample, args: ["events"] });
  address = (await writer.waitForReceipt(hash)).contractAddress!;
});

after(async () => {
  await database.close();
  await chain.close();
  folder[Symbol.dispose]();
});

type Counted = { eventName: string; args: { count: bigint }; contract: string; blockTimestampSec: number };

function follow(name: string, failOnce: { left: number } = { left: 0 }) {
  return followEvents({
    name,
    database,
    client: writer.public,
    contracts: { Sample: { address, abi: Sample.abi } },
    onBlock: chain.onBlock,
    async handle(events, tx) {
      for (const event of events as unknown as Counted[]) {
        await tx.query("insert into counted values ($1, $2, $3)", [
          name,
          Number(event.args.count),
          event.blockTimestampSec,
        ]);
      }
      if (failOnce.left-- > 0) throw new Error("the process dies here");
    },
  });
}

const increment = (times: bigint) =>
  writer.write({ address, abi: Sample.abi, functionName: "incrementBy", args: [times] });
const rows = (name: string) =>
  database.query<{ count: number; at_sec: number }>(
    "select count, at_sec from counted where name = $1 order by count",
    [name],
  );

test("every event is handled once and in order, before, while and after following", async () => {
  await increment(3n);
  const first = await follow("first");
  const receipt = await increment(2n);
  await first.reached(receipt.blockNumber);
  assert.deepEqual(
    (await rows("first")).map(({ count }) => count),
    [1, 2, 3, 4, 5],
  );
  const block = await writer.public.getBlock({ blockNumber: receipt.blockNumber });
  assert.equal((await rows("first")).at(-1)!.at_sec, Number(block.timestamp));
  await first.stop();
  const last = await increment(2n);
  const again = await follow("first");
  await again.reached(last.blockNumber);
  assert.deepEqual(
    (await rows("first")).map(({ count }) => count),
    [1, 2, 3, 4, 5, 6, 7],
  );
  await again.stop();
  await assert.rejects(again.reached(last.blockNumber + 1n), /has stopped/);
});

test("a handler that throws leaves neither rows nor cursor behind, and is tried again", async () => {
  const failOnce = { left: 2 };
  const follower = await follow("flaky", failOnce);
  const head = await writer.public.getBlockNumber();
  await follower.reached(head);
  assert.equal(failOnce.left < 0, true);
  const counts = (await rows("flaky")).map(({ count }) => count);
  assert.deepEqual(counts, [...new Set(counts)]);
  assert.equal(counts.length, 7);
  await follower.stop();
});

test("a database that belongs to another chain is refused", async () => {
  const follower = await follow("moved");
  await follower.reached(await writer.public.getBlockNumber());
  await follower.stop();
  await database.query("update chain.cursors set block_hash = $1 where name = 'moved'", [
    `0x${"11".repeat(32)}`,
  ]);
  await assert.rejects(follow("moved"), HistoryChangedError);
});
