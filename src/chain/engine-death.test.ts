import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { type Hex, keccak256 } from "viem";
import type { EmbeddedChain, EmbeddedChainOptions } from "./embedded.ts";
import { type EngineRules, engineHardfork } from "./engine.ts";
import { startEvm } from "./engine-process.ts";
import { ChainLogError, EngineDiedError } from "./errors.ts";
import { deployment, hoarder } from "./fixtures/attack.ts";
import { alice, bob, carol, dave, eve, gwei, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { guardedGas } from "./gas-guard.ts";
import { openLog } from "./log.ts";
import { openMiningMark } from "./mining-mark.ts";

/** An engine of 110 MB may grow to this; the attack asks for a gigabyte. */
const engineMemoryBytes = 500e6;
const attack = hoarder(1_000, 256 * 1024);
const attackGas = 350_000n;

const ask = async <T>(chain: EmbeddedChain, method: string, ...params: unknown[]) =>
  (await chain.request({ method, params })) as T;

const rules: EngineRules = {
  chainId: 161612,
  hardfork: engineHardfork,
  genesisTimestampSec: 1_800_000_000,
  genesis: {},
  feeCollector: eve.address,
  blockGasLimit: 30_000_000n,
};

type Account = typeof alice;
const signed = (account: Account, nonce: number, fields: object = {}) =>
  account.signTransaction({
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

async function openAttacked(dir: string, options: Partial<EmbeddedChainOptions> = {}, code = attack) {
  const said: string[] = [];
  const chain = await openTestChain(dir, {
    engineMemoryBytes,
    log: (_, message) => said.push(message),
    ...options,
  });
  const hash = await ask<Hex>(chain, "eth_sendRawTransaction", await deployment(alice, 0, code));
  const { contractAddress } = await ask<{ contractAddress: Hex }>(chain, "eth_getTransactionReceipt", hash);
  return { chain, said, hoarderAt: contractAddress };
}

async function answers(chain: EmbeddedChain): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    const answer = await chain
      .requestFromOutside({ method: "eth_blockNumber" })
      .catch((error: Error) => error);
    if (!(answer instanceof Error)) return;
    assert.match(answer.message, /is being replayed|not carried out/);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("the chain did not come back");
}

test("a transaction that asks for more memory than is allowed is refused by itself; the others in its block are mined, and all is found after a restart", async (t) => {
  using folder = temporaryFolder();
  const { chain, said, hoarderAt } = await openAttacked(folder.path);
  const poison = await signed(alice, 1, { to: hoarderAt, data: "0x01", gas: attackGas, value: 0n });
  const startedAtMs = performance.now();
  const others = await Promise.all([bob, carol, dave].map((account) => signed(account, 0)));
  const results = await Promise.allSettled(
    [others[0]!, poison, others[1]!, others[2]!].map((raw) => ask<Hex>(chain, "eth_sendRawTransaction", raw)),
  );
  t.diagnostic(`${Math.round(performance.now() - startedAtMs)} ms from sending to the last answer`);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  assert.match(
    (results[1] as PromiseRejectedResult).reason.message,
    /execution stopped: it needed \d+ MB of memory, at most 500 MB are allowed/,
  );
  assert.equal(await ask(chain, "eth_getTransactionByHash", keccak256(poison)), null);
  assert.equal(chain.status().trouble, null);
  assert.ok(said.some((line) => /Block 2 could not be mined .* declared void/.test(line)));

  await ask(chain, "eth_sendRawTransaction", await signed(alice, 1));
  assert.equal(chain.status().transactions, 5);
  const last = await ask<{ hash: Hex }>(chain, "eth_getBlockByNumber", "latest", false);
  await chain.close();
  await using again = await openTestChain(folder.path, { engineMemoryBytes });
  assert.equal(again.status().transactions, 5);
  assert.equal((await ask<{ hash: Hex }>(again, "eth_getBlockByNumber", "latest", false)).hash, last.hash);
  for (const raw of others)
    assert.notEqual(await ask(again, "eth_getTransactionReceipt", keccak256(raw)), null);
});

test("a call that asks for more memory than is allowed fails; the chain comes back, and for a while calls and transactions get less gas", async (t) => {
  using folder = temporaryFolder();
  let nowMs = Date.now();
  // What 300,000 gas can ask for is allowed here, four times as much is not.
  const options = { nowMs: () => nowMs, engineMemoryBytes: 1.3e9 };
  const { chain, hoarderAt } = await openAttacked(folder.path, options, hoarder(4_000, 256 * 1024));
  const call = { to: hoarderAt, data: "0x01", gas: "0xc3500" };
  const outside = (method: string, ...params: unknown[]) => chain.requestFromOutside({ method, params });
  const underWay = ask<Hex>(chain, "eth_sendRawTransaction", await signed(bob, 0));
  await assert.rejects(outside("eth_call", call, "latest"), /execution stopped: it needed \d+ MB/);
  const sentWhileDead = ask<Hex>(chain, "eth_sendRawTransaction", await signed(carol, 0));
  const startedAtMs = performance.now();
  await assert.rejects(outside("eth_blockNumber"), /the chain is being replayed after its engine died/);
  assert.equal(await ask(chain, "eth_chainId"), "0x2774c", "the program's own parts wait");
  await answers(chain);
  t.diagnostic(`back after ${Math.round(performance.now() - startedAtMs)} ms`);
  for (const hash of [await underWay, await sentWhileDead])
    assert.notEqual(await ask(chain, "eth_getTransactionReceipt", hash), null);

  await assert.rejects(outside("eth_call", call, "latest"), /out of gas/);
  await assert.rejects(outside("eth_estimateGas", { ...call, gas: undefined }), /gas/);
  const greedy = (nonce: number, to: Hex) => signed(dave, nonce, { to, gas: guardedGas + 1n });
  await assert.rejects(
    ask(chain, "eth_sendRawTransaction", await greedy(0, eve.address)),
    /gas limit too high: 300001; until 20\d\d-.*/,
  );
  chain.reserveFor([eve.address]);
  await ask(chain, "eth_sendRawTransaction", await greedy(0, eve.address));
  nowMs += 61 * 60_000;
  await ask(chain, "eth_sendRawTransaction", await greedy(1, bob.address));
  await chain.close();
});

/** A log whose last block asks for too much, as a process that died while it mined leaves it. */
async function poisonedLog(dir: string, mark: "mining" | "mined" | "another boot") {
  const { chain, hoarderAt } = await openAttacked(dir);
  await ask(chain, "eth_sendRawTransaction", await signed(bob, 0));
  const { number, hash, timestamp } = await ask<Record<"number" | "hash" | "timestamp", Hex>>(
    chain,
    "eth_getBlockByNumber",
    "latest",
    false,
  );
  await chain.close();
  const poison = await signed(alice, 1, { to: hoarderAt, data: "0x01", gas: attackGas, value: 0n });
  const innocent = await signed(carol, 0);
  const log = await openLog(join(dir, "blocks.log"), () => assert.fail("there is a log"));
  for await (const _ of log.replay(() => {}));
  const blockNumber = Number(number) + 1;
  await log.append({
    kind: "block",
    blockNumber,
    timestampSec: Number(timestamp),
    parentHash: hash,
    transactions: [poison, innocent],
  });
  await log.close();
  const written = openMiningMark(join(dir, "mining"), mark === "another boot" ? "a" : undefined);
  written.begin(blockNumber);
  if (mark === "mined") written.end();
  written.close();
  return { poison, innocent, blockNumber };
}

test("a log that ends in a block which killed the node: that block is void after one more try, and its other transactions are mined", async () => {
  using folder = temporaryFolder();
  const { poison, innocent } = await poisonedLog(folder.path, "mining");
  const said: string[] = [];
  let chain = await openTestChain(folder.path, { engineMemoryBytes, log: (_, line) => said.push(line) });
  assert.ok(
    said.some((line) => line.includes("declared void") && line.includes(keccak256(poison))),
    said.join("\n"),
  );
  for (let i = 0; i < 1_000 && chain.status().waiting > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  await answers(chain);
  assert.notEqual(await ask(chain, "eth_getTransactionReceipt", keccak256(innocent)), null);
  assert.equal(await ask(chain, "eth_getTransactionByHash", keccak256(poison)), null);
  await ask(chain, "eth_sendRawTransaction", await signed(bob, 1));
  await chain.close();
  chain = await openTestChain(folder.path, { engineMemoryBytes });
  assert.equal(chain.status().transactions, 4);
  await chain.close();
});

test("an unfinished block that is no poison is mined at the start", async () => {
  using folder = temporaryFolder();
  const { innocent, blockNumber } = await poisonedLog(folder.path, "mining");
  await using chain = await openTestChain(folder.path, { engineMemoryBytes: 20e9 });
  assert.equal(chain.status().blockNumber, blockNumber);
  assert.notEqual(await ask(chain, "eth_getTransactionReceipt", keccak256(innocent)), null);
});

for (const mark of ["mined", "another boot"] as const) {
  test(`a block that may have been acknowledged is never dropped, whatever the engine dies of (mark: ${mark})`, async () => {
    using folder = temporaryFolder();
    await poisonedLog(folder.path, mark);
    const before = readFileSync(join(folder.path, "blocks.log"));
    await assert.rejects(openTestChain(folder.path, { engineMemoryBytes }), (error) => {
      assert.ok(error instanceof ChainLogError);
      assert.match(error.message, /Block 3 of .* needed \d+ MB.*may have been acknowledged.*engineMemoryMiB/);
      return true;
    });
    assert.deepEqual(readFileSync(join(folder.path, "blocks.log")), before);
  });
}

test("property: whatever was marked and whenever the process ended, only the block being mined then is unfinished", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1e6), fc.boolean()), { maxLength: 20 }),
      fc.boolean(),
      (steps, sameBoot) => {
        using folder = temporaryFolder();
        const path = join(folder.path, "mining");
        const mark = openMiningMark(path, "boot-1");
        for (const [block, isMined] of steps) {
          mark.begin(block);
          if (isMined) mark.end();
        }
        mark.close();
        const last = steps.at(-1);
        const expected = last !== undefined && !last[1] && sameBoot ? last[0] : undefined;
        const found = openMiningMark(path, sameBoot ? "boot-1" : "boot-2");
        assert.equal(found.unfinished, expected);
        found.close();
      },
    ),
    { numRuns: 200 },
  );
});

test("a node killed together with its engine while it mines the attack comes back, twice, and loses nothing acknowledged", async () => {
  using folder = temporaryFolder();
  const acknowledged: Hex[] = [];
  const script = fileURLToPath(new URL("./fixtures/attacked.ts", import.meta.url));
  for (let trial = 0; trial < 2; trial++) {
    const child = spawn(process.execPath, [script, folder.path], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface(child.stdout)) {
      if (line.startsWith("0x")) acknowledged.push(line as Hex);
      else {
        while (!/^\S+ \d+ *\n$/.test(readFileSync(join(folder.path, "mining"), "utf8")))
          await new Promise((resolve) => setTimeout(resolve, 5));
        await new Promise((resolve) => setTimeout(resolve, 200));
        child.kill("SIGKILL");
      }
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    assert.equal(child.signalCode, "SIGKILL");
    const said: string[] = [];
    await using chain = await openTestChain(folder.path, {
      engineMemoryBytes,
      log: (_, line) => said.push(line),
    });
    assert.ok(
      said.some((line) => /was being mined when the node ended.*declared void/.test(line)),
      said.join("\n"),
    );
    await answers(chain);
    for (const hash of acknowledged)
      assert.notEqual(await ask(chain, "eth_getTransactionReceipt", hash), null, hash);
    await ask(chain, "eth_sendRawTransaction", await signed(carol, trial));
  }
  assert.equal(acknowledged.length, 2 * 10 + 1, "ten transfers in each trial, one deployment");
});

test("what cannot be sent to a dead engine is refused after its death was told, so that trying again at once is no endless loop", async (t) => {
  const told: EngineDiedError[] = [];
  const evm = await startEvm(rules, engineMemoryBytes, (error) => told.push(error));
  t.after(() => evm.stop());
  for (const pid of engineProcesses()) process.kill(pid, "SIGKILL");
  // Nothing of this process runs meanwhile: the pipe is broken, and nobody here knows yet.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  for (let attempt = 0; attempt < 3; attempt++) {
    await assert.rejects(evm.request("{}"), EngineDiedError);
    assert.equal(told.length, 1);
  }
});

test("whatever kills the engine between any two answers, every acknowledged transaction is found", async () => {
  using folder = temporaryFolder();
  const chain = await openTestChain(folder.path);
  const acknowledged: Hex[] = [];
  const more = async (count: number) => {
    for (const enough = acknowledged.length + count; acknowledged.length < enough; )
      await new Promise((resolve) => setTimeout(resolve, 10));
  };
  let running = true;
  const senders = [alice, bob, carol, dave].map(async (account) => {
    for (let nonce = 0; running; ) {
      const raw = await signed(account, nonce);
      const outcome = await ask<Hex>(chain, "eth_sendRawTransaction", raw).catch((error: Error) => error);
      if (typeof outcome === "string") {
        acknowledged.push(outcome);
        nonce += 1;
      } else {
        assert.match(outcome.message, /^execution stopped|^not carried out|^nonce too/);
        nonce = Number(
          await ask<Hex>(chain, "eth_getTransactionCount", account.address, "latest").catch(() => nonce),
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  });
  try {
    for (let kill = 0; kill < 6; kill++) {
      await more(20);
      await new Promise((resolve) => setTimeout(resolve, kill * 37));
      for (const pid of engineProcesses()) process.kill(pid, "SIGKILL");
    }
    await more(20);
  } finally {
    running = false;
  }
  await Promise.all(senders);
  await chain.close();
  await using again = await openTestChain(folder.path);
  for (const hash of acknowledged)
    assert.notEqual(await ask(again, "eth_getTransactionReceipt", hash), null, hash);
});

/** Ids of the engines that this process has started and that live. */
function engineProcesses(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}
