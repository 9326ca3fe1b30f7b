/**
 * The embedded chain against anvil, and what it promises while it is killed.
 *
 *   node bench/chain.ts [--json]
 *   ./openledger bench chain --json
 *
 * Throughput: the same signed transactions (2 SSTOREs and 1 event each, 8 senders) over HTTP with the same client, in
 * interleaved rounds on two chains that grow side by side. A round counts until every transaction is mined. Ours has
 * each on the disk before it answers; anvil mines on arrival and stores nothing. Every round is printed: anvil is the
 * faster one while its history is short, so nothing is left out or weighted.
 *
 * Loss: trials of their own. A node under load is killed (SIGKILL) once enough is acknowledged, started again, and
 * asked for every acknowledged transaction.
 *
 * Exit code 1 when an acknowledged transaction is lost or the median ratio is below the bar.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, createServer } from "node:net";
import { availableParallelism, cpus, loadavg } from "node:os";
import { createAdaptorServer } from "@hono/node-server";
import { encodeFunctionData, getContractAddress, type Hex, keccak256, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createRpc, openEmbeddedChain, totalSupplyWei } from "../src/chain/index.ts";
import { gasFigures } from "./common/gas.ts";
import { median, note, rounded, scratchFolder, sleep } from "./common/measure.ts";

const rounds = 11;
const roundTransactions = 1_000;
const concurrency = 32;
const killTrials = 3;
const killAfterAcknowledged = 300;
const ratioBar = 1.5;
/** anvil sometimes leaves its last transactions unmined until the next one comes. */
const stalledMs = 5_000;
const stallsMax = 3;
const chainId = 161_612;
const tipWei = 10n ** 9n;

/** Keys that everybody knows: they hold nothing but this benchmark's OPEN. */
const senders = Array.from({ length: 8 }, (_, i) =>
  privateKeyToAccount(`0x${(i + 1).toString(16).padStart(64, "0")}`),
);
const abi = parseAbi(["function count()", "function total() view returns (uint256)"]);
const source = `pragma solidity ^0.8.30;
contract Tally {
    mapping(address sender => uint256) public counts;
    uint256 public total;
    event Counted(address indexed sender, uint256 total);
    function count() external {
        counts[msg.sender] += 1;
        total += 1;
        emit Counted(msg.sender, total);
    }
}`;

/** What a node of this benchmark says once it answers. */
type Started = { url: string; replayMs: number; transactions: number; rssBytes: number };
type Running = { child: ChildProcess; started: Started };

/** The process that is measured and killed: the embedded chain behind its own HTTP door. */
async function serve(dir: string): Promise<void> {
  const startedAtMs = performance.now();
  const chain = await openEmbeddedChain({
    dir,
    chainId,
    genesis: Object.fromEntries(senders.map(({ address }) => [address, totalSupplyWei / 8n])),
    feeCollector: "0xFEe0000000000000000000000000000000000001",
    minTipWei: () => 1n,
  });
  const replayMs = performance.now() - startedAtMs;
  globalThis.gc?.();
  const server = createAdaptorServer({ fetch: createRpc(chain).routes.fetch, hostname: "127.0.0.1" });
  const rssBytes = process.memoryUsage.rss() + (await chain.engineResidentBytes());
  server.listen(0, "127.0.0.1", () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { transactions } = chain.status();
    const started: Started = { url, replayMs, transactions, rssBytes };
    process.stdout.write(`${JSON.stringify(started)}\n`);
  });
  process.once("SIGTERM", () => void chain.close().then(() => process.exit(0)));
}

async function startOurs(dir: string): Promise<Running> {
  const child = spawn(process.execPath, ["--expose-gc", import.meta.filename, "serve", dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(child.stdout!, "data"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the node ended with exit code ${code}`))),
  ]);
  return { child, started: JSON.parse(String(line)) };
}

async function stop(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
  child.kill(signal);
  await ended;
}

async function startAnvil(): Promise<{ child: ChildProcess; url: string; version: string }> {
  const cpu = process.arch === "x64" ? "amd64" : process.arch;
  const { resolve } = createRequire(import.meta.url);
  const binary = resolve(
    `@foundry-rs/anvil-${process.platform}-${cpu}/bin/anvil${process.platform === "win32" ? ".exe" : ""}`,
  );
  const port = await freePort();
  const chainArguments = ["--chain-id", String(chainId), "--base-fee", "0", "--gas-price", "0"];
  const child = spawn(binary, [...chainArguments, "--port", String(port), "--accounts", "1", "--silent"], {
    stdio: "ignore",
  });
  const url = `http://127.0.0.1:${port}/`;
  for (let attempt = 0; ; attempt++) {
    try {
      const version = await rpc<string>(url, "web3_clientVersion");
      for (const { address } of senders) await rpc(url, "anvil_setBalance", address, hex(10n ** 26n));
      return { child, url, version };
    } catch (error) {
      if (attempt === 100 || child.exitCode !== null) throw error;
      await sleep(100);
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

const agent = new Agent({ keepAlive: true, maxSockets: concurrency });

/** One JSON-RPC call over a kept connection: the same client for both chains. */
function rpc<T>(url: string, method: string, ...params: unknown[]): Promise<T> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length };
    const sent = httpRequest(url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("error", reject);
      response.on("end", () => {
        const { result, error } = JSON.parse(text);
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Signs for all senders, and remembers the nonces it gave. */
function createSigner() {
  const nonces = senders.map(() => 0);
  const sign = (sender: number, fields: object): Promise<Hex> =>
    senders[sender]!.signTransaction({
      type: "eip1559",
      chainId,
      nonce: nonces[sender]!++,
      gas: 100_000n,
      maxFeePerGas: tipWei,
      maxPriorityFeePerGas: tipWei,
      ...fields,
    });
  const to = getContractAddress({ from: senders[0]!.address, nonce: 0n });
  const data = encodeFunctionData({ abi, functionName: "count" });
  return {
    to,
    nonces,
    deploy: () => sign(0, { data: compile(), gas: 1_000_000n }),
    calls: (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => sign(i % senders.length, { to, data }))),
  };
}

function compile(): Hex {
  const solc = createRequire(import.meta.url)("solc");
  const input = {
    language: "Solidity",
    sources: { "Tally.sol": { content: source } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
    },
  };
  return `0x${JSON.parse(solc.compile(JSON.stringify(input))).contracts["Tally.sol"].Tally.evm.bytecode.object}`;
}

/** Send everything, `concurrency` at once; `onAcknowledged` after each. @returns milliseconds each took */
async function sendAll(url: string, raws: readonly Hex[], onAcknowledged: (raw: Hex) => void = () => {}) {
  const tookMs: number[] = [];
  let next = 0;
  const client = async () => {
    while (next < raws.length) {
      const raw = raws[next++]!;
      const sentAtMs = performance.now();
      await rpc(url, "eth_sendRawTransaction", raw);
      tookMs.push(performance.now() - sentAtMs);
      onAcknowledged(raw);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  return tookMs;
}

type Round = { tps: number; ackMsP50: number };

/** @returns undefined if nothing was mined for a while though transactions waited: such a round measures nothing */
async function measureRound(
  url: string,
  raws: readonly Hex[],
  nonces: readonly number[],
): Promise<Round | undefined> {
  const startedAtMs = performance.now();
  const tookMs = await sendAll(url, raws);
  let block = "";
  let progressAtMs = performance.now();
  for (const [i, { address }] of senders.entries()) {
    while (Number(await rpc(url, "eth_getTransactionCount", address, "latest")) < nonces[i]!) {
      await sleep(2);
      const head = await rpc<Hex>(url, "eth_blockNumber");
      if (head !== block) progressAtMs = performance.now();
      else if (performance.now() - progressAtMs > stalledMs) return undefined;
      block = head;
    }
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  return { tps: Math.round(raws.length / seconds), ackMsP50: rounded(median(tookMs)) };
}

/** Both chains side by side, then what replaying ours costs. */
async function measureSpeed() {
  await using folder = temporaryFolder();
  let ours = await startOurs(folder.path);
  const emptyRssBytes = ours.started.rssBytes;
  const anvil = await startAnvil();
  try {
    const signer = createSigner();
    const deploy = await signer.deploy();
    for (const url of [ours.started.url, anvil.url]) await rpc(url, "eth_sendRawTransaction", deploy);
    const results: { ours: Round; anvil: Round }[] = [];
    let anvilStalls = 0;
    while (results.length < rounds) {
      const raws = await signer.calls(roundTransactions);
      const measured = await measureRound(ours.started.url, raws, signer.nonces);
      if (measured === undefined)
        throw new Error("our chain acknowledged transactions and did not mine them");
      const peer = await measureRound(anvil.url, raws, signer.nonces);
      if (peer === undefined) {
        if (++anvilStalls > stallsMax) throw new Error(`anvil stopped mining ${anvilStalls} times`);
        note(`anvil left acknowledged transactions unmined for ${stalledMs} ms: this round is not counted`);
        await rpc(anvil.url, "evm_mine");
        continue;
      }
      results.push({ ours: measured, anvil: peer });
      note(`round ${results.length} of ${rounds}: ${measured.tps} transactions a second, anvil ${peer.tps}`);
    }
    const call = { to: signer.to, data: encodeFunctionData({ abi, functionName: "total" }) };
    for (const url of [ours.started.url, anvil.url]) {
      const total = Number(await rpc<Hex>(url, "eth_call", call, "latest"));
      if (total !== (rounds + anvilStalls) * roundTransactions)
        throw new Error(`the contract at ${url} counted ${total} calls`);
    }
    await stop(ours.child, "SIGTERM");
    ours = await startOurs(folder.path);
    const { replayMs, transactions, rssBytes } = ours.started;
    return {
      results,
      anvilStalls,
      anvilVersion: anvil.version,
      replayTxPerSec: Math.round((transactions / replayMs) * 1000),
      bytesPerTx: Math.round((rssBytes - emptyRssBytes) / transactions),
    };
  } finally {
    await stop(ours.child, "SIGKILL");
    await stop(anvil.child, "SIGKILL");
  }
}

/** One node is killed under load; every transaction it acknowledged must be there when it starts again. */
async function killTrial(): Promise<{ acked: number; lost: number }> {
  await using folder = temporaryFolder();
  const signer = createSigner();
  const raws = [await signer.deploy(), ...(await signer.calls(killAfterAcknowledged * 4))];
  const first = await startOurs(folder.path);
  const acknowledged: Hex[] = [];
  await sendAll(first.started.url, raws, (raw) => {
    if (acknowledged.push(raw) === killAfterAcknowledged) first.child.kill("SIGKILL");
  }).catch((error: Error) => {
    if (acknowledged.length < killAfterAcknowledged) throw error;
  });
  await stop(first.child, "SIGKILL");
  const second = await startOurs(folder.path);
  try {
    let lost = 0;
    for (const raw of acknowledged) {
      const receipt = await rpc<{ status: Hex } | null>(
        second.started.url,
        "eth_getTransactionReceipt",
        keccak256(raw),
      );
      if (receipt?.status !== "0x1") lost += 1;
    }
    return { acked: acknowledged.length, lost };
  } finally {
    await stop(second.child, "SIGKILL");
  }
}

const temporaryFolder = () => scratchFolder("openledger-bench-chain-");
const hex = (value: bigint): Hex => `0x${value.toString(16)}`;

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  const gas = gasFigures();
  const loadBefore = rounded(loadavg()[0]!);
  const { results, anvilStalls, anvilVersion, replayTxPerSec, bytesPerTx } = await measureSpeed();
  const trials: { acked: number; lost: number }[] = [];
  for (let trial = 1; trial <= killTrials; trial++) {
    const outcome = await killTrial();
    trials.push(outcome);
    note(`kill ${trial} of ${killTrials}: ${outcome.acked} acknowledged, ${outcome.lost} lost`);
  }
  agent.destroy();
  const sum = (key: "acked" | "lost") => trials.reduce((total, trial) => total + trial[key], 0);
  const ratios = results.map(({ ours, anvil }) => rounded(ours.tps / anvil.tps));
  const result = {
    tps: median(results.map(({ ours }) => ours.tps)),
    ackMsP50: median(results.map(({ ours }) => ours.ackMsP50)),
    acked: sum("acked"),
    lost: sum("lost"),
    killTrials,
    replayTxPerSec,
    bytesPerTx,
    ...gas,
    peer: { anvil: median(results.map(({ anvil }) => anvil.tps)) },
    ratioAnvil: median(ratios),
    bar: ratioBar,
    rounds: {
      transactions: roundTransactions,
      concurrency,
      tps: results.map(({ ours }) => ours.tps),
      anvilTps: results.map(({ anvil }) => anvil.tps),
      ratio: ratios,
      anvilStalls,
    },
    machine: {
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? "unknown",
      node: process.version,
      anvil: anvilVersion,
      loadBefore,
    },
  };
  process.stdout.write(`${json ? JSON.stringify(result) : JSON.stringify(result, null, 2)}\n`);
  if (result.lost > 0) note(`${result.lost} acknowledged transactions were lost; expected 0.`);
  if (result.ratioAnvil < ratioBar)
    note(`The median ratio to anvil is ${result.ratioAnvil}; expected ${ratioBar}.`);
  process.exitCode = result.lost > 0 || result.ratioAnvil < ratioBar ? 1 : 0;
}

if (import.meta.main) {
  const [role, dir] = process.argv.slice(2);
  await (role === "serve" ? serve(dir!) : main());
}
