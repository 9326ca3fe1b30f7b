import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Hex, keccak256 } from "viem";
import { isStoreError } from "../store/index.ts";
import { chainClients } from "./clients.ts";
import type { EmbeddedChain } from "./embedded.ts";
import { ChainLogError, RpcError } from "./errors.ts";
import {
  alice,
  bob,
  carol,
  compileSample,
  dave,
  eve,
  feeCollector,
  genesis,
  gwei,
  openTestChain,
  temporaryFolder,
} from "./fixtures/chain.ts";
import { fullDisk } from "./fixtures/disk.ts";
import { openLog } from "./log.ts";
import { encodeFrame, encodeHeader, encodeRecord, type LogHeader } from "./record.ts";

type Block = { number: Hex; hash: Hex; timestamp: Hex; transactions: Hex[]; baseFeePerGas: Hex };

const ask = async <T>(chain: EmbeddedChain, method: string, ...params: unknown[]) =>
  (await chain.request({ method, params })) as T;
const latest = (chain: EmbeddedChain) => ask<Block>(chain, "eth_getBlockByNumber", "latest", false);

async function blockHashes(chain: EmbeddedChain): Promise<Hex[]> {
  const count = chain.status().blockNumber;
  return Promise.all(
    Array.from(
      { length: count + 1 },
      async (_, n) => (await ask<Block>(chain, "eth_getBlockByNumber", `0x${n.toString(16)}`, false)).hash,
    ),
  );
}

const transfer = (nonce: number, fields: object = {}) =>
  alice.signTransaction({
    type: "eip1559",
    chainId: 161612,
    nonce,
    to: eve.address,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
    ...fields,
  });

test("a chain replays to identical blocks, whatever was asked of it meanwhile", async () => {
  using folder = temporaryFolder();
  const { Sample } = compileSample();
  let chain = await openTestChain(folder.path);
  const writer = chainClients({ embedded: chain, account: alice });
  const { contractAddress } = await writer.waitForReceipt(
    await writer.wallet.deployContract({ ...Sample, args: ["replay"] }),
  );
  for (let i = 0; i < 5; i++) {
    await writer.write({
      address: contractAddress!,
      abi: Sample.abi,
      functionName: "incrementBy",
      args: [BigInt(i)],
    });
    await writer.public.call({ to: contractAddress!, blockTag: "pending" });
    await ask(chain, "eth_getBlockByNumber", "pending", true);
    await Promise.all(Array.from({ length: 10 }, () => writer.send({ to: eve.address, value: 1n })));
    await assert.rejects(writer.send({ to: eve.address, value: 10n ** 28n, gas: 21_000n }));
    await chain.mineEmptyBlock();
  }
  const hashes = await blockHashes(chain);
  assert.ok(hashes.length > 15);
  for (const seal of [true, false]) {
    if (seal) await chain.close();
    const progress: number[] = [];
    chain = await openTestChain(folder.path, { onReplay: ({ blocks }) => progress.push(blocks) });
    assert.deepEqual(await blockHashes(chain), hashes);
    assert.equal(progress.at(-1), hashes.length - 1);
    await chain.close();
  }
});

test("kill -9 under load, again and again: every acknowledged transaction is found", async () => {
  using folder = temporaryFolder();
  const acknowledged: Hex[] = [];
  for (let trial = 0; trial < 4; trial++) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("./fixtures/sender.ts", import.meta.url)), folder.path, "20"],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      if (line.startsWith("0x")) acknowledged.push(line as Hex);
      if (++lines === 150 + trial * 37) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.signalCode, "SIGKILL");
  }
  assert.ok(acknowledged.length > 700, `${acknowledged.length}`);
  await using chain = await openTestChain(folder.path);
  for (const hash of acknowledged) {
    const receipt = await ask<{ status: Hex } | null>(chain, "eth_getTransactionReceipt", hash);
    assert.equal(receipt?.status, "0x1", hash);
  }
  assert.ok(chain.status().transactions >= acknowledged.length);
});

test("a torn tail is cut and said, a changed middle refuses, a last block that is not what was sealed refuses", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  let chain = await openTestChain(folder.path);
  for (let nonce = 0; nonce < 3; nonce++) await ask(chain, "eth_sendRawTransaction", await transfer(nonce));
  await chain.close();
  const whole = readFileSync(path);
  truncateSync(path, whole.length - 20);
  const said: string[] = [];
  chain = await openTestChain(folder.path, { log: (level, message) => said.push(`${level}: ${message}`) });
  assert.equal(chain.status().blockNumber, 3);
  assert.match(
    said.join("\n"),
    /warn: The last record \(number 4\) .* was torn: \d+ bytes .* cut off and kept as .*torn-/,
  );
  await chain.close();

  const bytes = Buffer.from(whole);
  bytes[Math.floor(whole.length / 2)]! ^= 1;
  writeFileSync(path, bytes);
  await assert.rejects(
    openTestChain(folder.path),
    (error) => error instanceof ChainLogError && /damaged at record \d/.test(error.message),
  );
  writeFileSync(path, whole);
  await (await openTestChain(folder.path)).close();
});

test("a log of another chain id, genesis or fee collector is refused by name", async () => {
  using folder = temporaryFolder();
  await (await openTestChain(folder.path)).close();
  await assert.rejects(
    openTestChain(folder.path, { chainId: 5 }),
    /made with chain id 161612; this node asks for 5/,
  );
  await assert.rejects(
    openTestChain(folder.path, { genesis: { [bob.address]: 10n ** 27n } }),
    /made with genesis balances/,
  );
  await assert.rejects(
    openTestChain(folder.path, { feeCollector: bob.address }),
    /made with fee collector 0xF[Ee]e/,
  );
  using another = temporaryFolder();
  await assert.rejects(
    openTestChain(another.path, { genesis: { [bob.address]: 5n } }),
    /sum to 5 wei; OPEN's supply is 10{27} wei/,
  );
  const chain = await openTestChain(folder.path);
  await chain.close();
});

/** Write the log anew with a changed header, its records as they are. */
async function rewriteHeader(path: string, change: Partial<LogHeader>): Promise<void> {
  const log = await openLog(path, noNewLog);
  const frames = [encodeFrame(encodeHeader({ ...log.header, ...change }), 0, "")];
  for await (const { record } of log.replay(() => {})) {
    frames.push(encodeFrame(encodeRecord(record), frames.length, log.header.salt as Hex));
  }
  await log.close();
  writeFileSync(path, Buffer.concat(frames));
}

function noNewLog(): never {
  throw new Error("there is a log");
}

test("a log of another engine replays, is refused until accepted, and is accepted for good; one of another hardfork is refused", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  let chain = await openTestChain(folder.path);
  await ask(chain, "eth_sendRawTransaction", await transfer(0));
  await chain.close();
  await rewriteHeader(path, { engine: "@nomicfoundation/edr 0.1.0" });
  await assert.rejects(
    openTestChain(folder.path),
    /last written by @nomicfoundation\/edr 0\.1\.0; this node has @nomicfoundation\/edr \d.*acceptEngine/,
  );
  chain = await openTestChain(folder.path, { acceptEngine: true });
  await ask(chain, "eth_sendRawTransaction", await transfer(1));
  await chain.close();
  await (await openTestChain(folder.path)).close();
  await rewriteHeader(path, { hardfork: "prague" });
  await assert.rejects(openTestChain(folder.path), /made with hardfork prague; this node asks for osaka/);
});

test("rules that execute differently are noticed by the block hashes", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const chain = await openTestChain(folder.path);
  for (const nonce of [0, 1]) await ask(chain, "eth_sendRawTransaction", await transfer(nonce));
  await chain.close();
  await rewriteHeader(path, { genesisTimestampSec: 1_700_000_000 });
  await assert.rejects(openTestChain(folder.path), (error) => {
    assert.ok(error instanceof ChainLogError);
    assert.match(error.message, /says block 0 has hash 0x.*replays block 0 with 0x.*restore a backup/);
    return true;
  });
});

test("a block that could not be mined is passed over on replay", async () => {
  using folder = temporaryFolder();
  let chain = await openTestChain(folder.path);
  await ask(chain, "eth_sendRawTransaction", await transfer(0));
  const { hash } = await latest(chain);
  await chain.close();
  const log = await openLog(join(folder.path, "blocks.log"), noNewLog);
  for await (const _ of log.replay(() => {}));
  await log.append({
    kind: "block",
    blockNumber: 2,
    timestampSec: 4_000_000_000,
    parentHash: hash,
    transactions: ["0x00"],
  });
  await log.append({ kind: "void", blockNumber: 2 });
  await log.close();
  chain = await openTestChain(folder.path);
  assert.equal(chain.status().blockNumber, 1);
  await ask(chain, "eth_sendRawTransaction", await transfer(1));
  const hashes = await blockHashes(chain);
  await chain.close();
  chain = await openTestChain(folder.path);
  assert.deepEqual(await blockHashes(chain), hashes);
  await chain.close();
});

test("two processes, or two chains in one, never share a folder, and the refusal names the holder", async () => {
  using folder = temporaryFolder();
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./fixtures/sender.ts", import.meta.url)), folder.path, "1"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(child.stdout, "data");
  await assert.rejects(openTestChain(folder.path), (error) => {
    assert.ok(isStoreError(error, "folder-locked"));
    assert.match(error.message, new RegExp(`in use by process ${child.pid} on .* since 20\\d\\d-`));
    return true;
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  await using chain = await openTestChain(folder.path);
  await assert.rejects(openTestChain(folder.path), (error) => isStoreError(error, "folder-locked"));
  assert.ok(chain.status().blockNumber >= 0);
});

test("the base fee stays 0 above half-full blocks and every tip arrives at the collector", async () => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path, { blockGasLimit: 1_000_000n });
  const results = await Promise.all(
    Array.from({ length: 120 }, async (_, nonce) =>
      ask<Hex>(chain, "eth_sendRawTransaction", await transfer(nonce)),
    ),
  );
  assert.equal(results.length, 120);
  const blocks = chain.status().blockNumber;
  assert.ok(blocks >= 3, "47 transfers fit into a block");
  for (let n = 0; n <= blocks; n++) {
    assert.equal(
      (await ask<Block>(chain, "eth_getBlockByNumber", `0x${n.toString(16)}`, false)).baseFeePerGas,
      "0x0",
    );
  }
  assert.equal(
    BigInt(await ask<Hex>(chain, "eth_getBalance", feeCollector, "latest")),
    120n * 21_000n * gwei,
  );
});

test("a block is mined when its time comes, also after a restart, and timestamps never run ahead of the clock", async () => {
  using folder = temporaryFolder();
  let nowMs = 1_800_000_000_000;
  const options = { nowMs: () => nowMs };
  let chain = await openTestChain(folder.path, options);
  await chain.scheduleBlockAt(1_800_000_100);
  await ask(chain, "eth_sendRawTransaction", await transfer(0));
  assert.equal(Number((await latest(chain)).timestamp), 1_800_000_000);
  await chain.close();
  nowMs += 200_000;
  chain = await openTestChain(folder.path, options);
  for (let i = 0; i < 100 && chain.status().blockNumber < 2; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const block = await latest(chain);
  assert.equal(Number(block.timestamp), 1_800_000_200);
  assert.deepEqual(block.transactions, []);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(chain.status().blockNumber, 2);
  nowMs -= 50_000;
  await ask(chain, "eth_sendRawTransaction", await transfer(1));
  assert.equal(Number((await latest(chain)).timestamp), 1_800_000_200);
  await chain.close();
});

test("near its ceiling the chain asks for more, then only for what is reserved, then for nothing", async () => {
  using folder = temporaryFolder();
  const said: string[] = [];
  await using chain = await openTestChain(folder.path, {
    ceilingTransactions: 20,
    log: (_, message) => said.push(message),
  });
  const send = async (nonce: number, fields: object = {}) =>
    ask(
      chain,
      "eth_sendRawTransaction",
      await transfer(nonce, { maxFeePerGas: 10n ** 15n, maxPriorityFeePerGas: 10n ** 15n, ...fields }),
    );
  await send(0);
  assert.equal(chain.status().minTipWei, 2n * gwei);
  await assert.rejects(
    send(1, { maxFeePerGas: gwei, maxPriorityFeePerGas: gwei }),
    /underpriced: its tip is 1000000000 wei per gas, at least 2000000000/,
  );
  for (let nonce = 1; nonce < 18; nonce++) await send(nonce);
  assert.match(said.join("\n"), /holds 16 of the 20 transactions/);
  await assert.rejects(send(18), /almost full: it holds 18 of 20/);
  chain.reserveFor([eve.address]);
  await send(18, { maxFeePerGas: gwei, maxPriorityFeePerGas: gwei });
  await send(19);
  await assert.rejects(send(20), /chain full/);
});

test("a delegated account (EIP-7702) that is emptied by another's transaction cannot break a block", async () => {
  using folder = temporaryFolder();
  let chain = await openTestChain(folder.path);
  const { Sample } = compileSample();
  const writer = chainClients({ embedded: chain, account: alice });
  const { contractAddress } = await writer.waitForReceipt(
    await writer.wallet.deployContract({ ...Sample, args: ["7702"] }),
  );
  const nonceOf = (address: Hex) => writer.public.getTransactionCount({ address });
  const authorization = await bob.signAuthorization({
    chainId: 161612,
    address: contractAddress!,
    nonce: await nonceOf(bob.address),
  });
  const fees = {
    type: "eip7702" as const,
    chainId: 161612,
    gas: 200_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
  };
  const delegate = await alice.signTransaction({
    ...fees,
    nonce: await nonceOf(alice.address),
    to: bob.address,
    authorizationList: [authorization],
  });
  await ask(chain, "eth_sendRawTransaction", delegate);
  assert.match(await ask<Hex>(chain, "eth_getCode", bob.address, "latest"), /^0xef0100/);

  const balance = await writer.public.getBalance({ address: bob.address });
  const bobSends = await bob.signTransaction({
    type: "eip1559",
    chainId: 161612,
    nonce: await nonceOf(bob.address),
    to: eve.address,
    value: balance / 2n,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
  });
  const results = await Promise.allSettled([
    writer.write({
      address: bob.address,
      abi: Sample.abi,
      functionName: "pay",
      args: [eve.address, balance - 10n],
    }),
    ask(chain, "eth_sendRawTransaction", bobSends),
    writer.send({ to: eve.address, value: 1n }),
  ]);
  assert.ok(results.some(({ status }) => status === "rejected"));
  assert.equal(results[2]!.status, "fulfilled");
  assert.equal(chain.status().trouble, null);
  const hashes = await blockHashes(chain);
  await chain.close();
  chain = await openTestChain(folder.path);
  assert.deepEqual(await blockHashes(chain), hashes);
  await chain.close();
});

test("a full disk: nothing is acknowledged, it is said once, reads go on, and with room again so do writes", async () => {
  using folder = temporaryFolder();
  const disk = { room: Infinity };
  const said: string[] = [];
  const options = {
    openLogFile: (path: string) => fullDisk(path, disk),
    log: (_: string, message: string) => said.push(message),
  };
  let chain = await openTestChain(folder.path, options);
  await ask(chain, "eth_sendRawTransaction", await transfer(0));
  disk.room = 30;
  for (const nonce of [1, 1, 1]) {
    await assert.rejects(
      ask(chain, "eth_sendRawTransaction", await transfer(nonce)),
      /not accepted, .* cannot be written: no space left/,
    );
  }
  assert.match(chain.status().trouble ?? "", /no space left/);
  assert.equal(said.length, 1);
  assert.equal(await ask(chain, "eth_blockNumber"), "0x1");
  await assert.rejects(chain.scheduleBlockAt(4_000_000_000), /not accepted/);
  disk.room = Infinity;
  await ask(chain, "eth_sendRawTransaction", await transfer(1));
  assert.equal(chain.status().trouble, null);
  assert.match(said[1] ?? "", /can be written again/);
  const hashes = await blockHashes(chain);
  await chain.close();
  chain = await openTestChain(folder.path);
  assert.deepEqual(await blockHashes(chain), hashes);
  await chain.close();
});

test("a disk that fills under load: what was acknowledged is there, what was refused is not, and it goes on by itself", async (t) => {
  using folder = temporaryFolder();
  const disk = { room: 20_000 };
  const said: string[] = [];
  let chain = await openTestChain(folder.path, {
    openLogFile: (path) => fullDisk(path, disk),
    log: (_, message) => said.push(message),
  });
  const acknowledged: Hex[] = [];
  const refused: Hex[] = [];
  const send = async (account: typeof alice, nonce: number) => {
    const raw = await account.signTransaction({
      type: "eip1559",
      chainId: 161612,
      nonce,
      to: eve.address,
      value: 1n,
      gas: 21_000n,
      maxFeePerGas: gwei,
      maxPriorityFeePerGas: gwei,
    });
    try {
      acknowledged.push(await ask<Hex>(chain, "eth_sendRawTransaction", raw));
      return true;
    } catch (error) {
      assert.match((error as Error).message, /no space left|nonce too high/);
      refused.push(keccak256(raw));
      return false;
    }
  };
  const fill = async (account: typeof alice) => {
    let nonce = 0;
    while (await send(account, nonce)) nonce += 1;
    return nonce;
  };
  const nonces = await Promise.all([alice, bob, carol, dave].map(fill));
  assert.match(chain.status().trouble ?? "", /cannot be written: no space left/);
  assert.ok(acknowledged.length > 50 && refused.length === 4, `${acknowledged.length} and ${refused.length}`);
  disk.room = Infinity;
  for (let i = 0; i < 300 && chain.status().trouble !== null; i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(chain.status().trouble, null, "nobody sent anything meanwhile");
  assert.equal(said.filter((line) => /can be written again/.test(line)).length, 1);
  assert.equal(await send(bob, nonces[1]!), true);
  const expected = new Set(acknowledged);
  for (const how of ["as it runs", "after a restart"]) {
    for (const hash of expected)
      assert.notEqual(await ask(chain, "eth_getTransactionReceipt", hash), null, `${hash} ${how}`);
    for (const hash of refused.filter((one) => !expected.has(one)))
      assert.equal(await ask(chain, "eth_getTransactionByHash", hash), null, `${hash} ${how}`);
    assert.equal(chain.status().transactions, expected.size, how);
    await chain.close();
    if (how === "as it runs") chain = await openTestChain(folder.path);
  }
  t.diagnostic(`${acknowledged.length} acknowledged, ${refused.length} refused`);
});

test("governance moves the minimum tip while the chain runs", async () => {
  using folder = temporaryFolder();
  let floor = gwei;
  await using chain = await openTestChain(folder.path, { minTipWei: () => floor });
  await ask(chain, "eth_sendRawTransaction", await transfer(0));
  floor = 2n * gwei;
  assert.equal(await ask(chain, "eth_maxPriorityFeePerGas"), "0x77359400");
  await assert.rejects(
    ask(chain, "eth_sendRawTransaction", await transfer(1)),
    /underpriced: its tip is 1000000000 wei per gas, at least 2000000000/,
  );
  floor = gwei;
  await ask(chain, "eth_sendRawTransaction", await transfer(1));
});

test("closing waits for what was submitted and refuses what comes after", async () => {
  using folder = temporaryFolder();
  const chain = await openTestChain(folder.path);
  const sent = Promise.all(
    [0, 1, 2].map(async (nonce) => ask(chain, "eth_sendRawTransaction", await transfer(nonce))),
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  const closed = chain.close();
  await assert.rejects(
    ask(chain, "eth_sendRawTransaction", await transfer(9)),
    (error) => error instanceof RpcError,
  );
  assert.equal((await sent).length, 3);
  await closed;
  await assert.rejects(ask(chain, "eth_blockNumber"), /the chain is closed/);
  await using again = await openTestChain(folder.path);
  assert.equal(again.status().transactions, 3);
  assert.ok(existsSync(join(folder.path, "blocks.log")));
  assert.equal(
    Object.values(genesis).reduce((sum, wei) => sum + wei),
    10n ** 27n,
  );
});
