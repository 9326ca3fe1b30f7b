import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, test } from "node:test";
import { createPublicClient, type Hex, webSocket } from "viem";
import { WebSocket } from "ws";
import { chainClients } from "./clients.ts";
import type { EmbeddedChain } from "./embedded.ts";
import { alice, bob, compileSample, eve, gwei, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { localNetwork, viemChain } from "./networks.ts";
import { createRpcHandler, rpcLimits } from "./rpc-handler.ts";
import { createRpcSocket, type RpcSocket, socketLimits } from "./rpc-socket.ts";
import { subscriptionsMax } from "./subscriptions.ts";

const folder = temporaryFolder();
const { Sample } = compileSample();
let chain: EmbeddedChain;

before(async () => {
  chain = await openTestChain(folder.path);
});

after(async () => {
  await chain.close();
  folder[Symbol.dispose]();
});

type Limits = Partial<Record<keyof typeof socketLimits, number>>;

async function openDoor(
  limits: Limits = {},
): Promise<{ url: string; port: number; door: RpcSocket; [Symbol.asyncDispose](): Promise<void> }> {
  const handler = createRpcHandler(chain);
  const door = createRpcSocket(chain, handler, (error) => assert.ifError(error), {
    ...socketLimits,
    ...limits,
  });
  const server: Server = createServer().on("upgrade", door.upgrade).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}/rpc`;
  return {
    url,
    port,
    door,
    async [Symbol.asyncDispose]() {
      door.close();
      server.close();
      await once(server, "close");
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the shape of any JSON-RPC message
type Message = any;

/** A client that keeps what it is told. */
async function openClient(url: string) {
  const socket = new WebSocket(url);
  const answers = new Map<number, (message: Message) => void>();
  const notified: Message[] = [];
  const unanswered: Message[] = [];
  let nextId = 1;
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString());
    if (message.method === "eth_subscription") notified.push(message.params);
    else if (answers.has(message.id)) answers.get(message.id)!(message);
    else unanswered.push(message);
  });
  const closed = once(socket, "close").then(([code, reason]) => ({ code, reason: String(reason) }));
  await once(socket, "open");
  const call = (method: string, ...params: unknown[]) =>
    new Promise<Message>((resolve) => {
      const id = nextId++;
      answers.set(id, resolve);
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  return { socket, call, closed, notified, unanswered };
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what(), `in time: ${what}`);
}

let nonce = 0;
const transfer = () =>
  bob.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    nonce: nonce++,
    to: eve.address,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
  });

test("calls and batches are answered as over HTTP", async () => {
  await using door = await openDoor();
  const client = await openClient(door.url);
  assert.equal((await client.call("eth_chainId")).result, "0x2774c");
  assert.equal((await client.call("evm_mine")).error.code, -32601);
  client.socket.send("{");
  client.socket.send(JSON.stringify([{ jsonrpc: "2.0", id: "a", method: "net_version" }, 5]));
  await until(() => client.unanswered.length === 2);
  assert.equal(client.unanswered[0].error.code, -32700);
  assert.deepEqual(
    client.unanswered[1].map((one: Message) => one.result ?? one.error.code),
    ["161612", -32600],
  );
  client.socket.terminate();
});

test("heads come in order and once each, pending transactions before their block, and what is told is on the chain", async () => {
  await using door = await openDoor();
  const client = await openClient(door.url);
  const heads = (await client.call("eth_subscribe", "newHeads")).result;
  const pending = (await client.call("eth_subscribe", "newPendingTransactions")).result;
  const start = chain.status().blockNumber;
  const hashes: Hex[] = [];
  for (let i = 0; i < 10; i++)
    hashes.push((await client.call("eth_sendRawTransaction", await transfer())).result);
  await chain.mineEmptyBlock();
  const of = (id: Hex) => client.notified.filter((one) => one.subscription === id).map((one) => one.result);
  await until(() => of(heads).length === 11);
  assert.deepEqual(of(pending), hashes);
  assert.deepEqual(
    of(heads).map(({ number }: { number: Hex }) => Number(number)),
    Array.from({ length: 11 }, (_, i) => start + 1 + i),
  );
  for (const head of of(heads)) {
    const { transactions, uncles, size, totalDifficulty, withdrawals, ...header } = (await chain.request({
      method: "eth_getBlockByHash",
      params: [head.hash],
    })) as Record<string, unknown>;
    assert.deepEqual(head, header);
  }
  assert.equal((await client.call("eth_unsubscribe", heads)).result, true);
  assert.equal((await client.call("eth_unsubscribe", heads)).result, false);
  await chain.mineEmptyBlock();
  await client.call("eth_chainId");
  assert.equal(of(heads).length, 11);
  client.socket.terminate();
});

test("logs come to those whose filter they match; viem watches events over it", async () => {
  await using door = await openDoor();
  const writer = chainClients({ embedded: chain, account: alice });
  const { contractAddress: address } = await writer.waitForReceipt(
    await writer.wallet.deployContract({ ...Sample, args: ["logs"] }),
  );
  const client = await openClient(door.url);
  const topic = `0x${"00".repeat(12)}${alice.address.slice(2).toLowerCase()}`;
  const ids: Hex[] = [];
  for (const filter of [
    { address },
    { address: [eve.address] },
    { topics: [null, topic] },
    { topics: [null, [topic, `0x${"11".repeat(32)}`]] },
    { topics: [null, `0x${"11".repeat(32)}`] },
    { topics: [null, null, null] },
  ])
    ids.push((await client.call("eth_subscribe", "logs", filter)).result);
  const viem = createPublicClient({
    chain: viemChain(localNetwork({ rpcUrls: [], contracts: {} })),
    transport: webSocket(door.url, { reconnect: false }),
  });
  const watched: bigint[] = [];
  const stop = viem.watchContractEvent({
    address: address!,
    abi: Sample.abi,
    eventName: "Counted",
    onLogs: (logs) => {
      for (const log of logs) watched.push((log as unknown as { args: { count: bigint } }).args.count);
    },
  });
  await until(() => door.door.counts().subscriptions === ids.length + 1);
  await writer.write({ address: address!, abi: Sample.abi, functionName: "incrementBy", args: [3n] });
  await until(() => watched.length === 3);
  assert.deepEqual(watched, [1n, 2n, 3n]);
  const counts = ids.map((id) => client.notified.filter((one) => one.subscription === id).length);
  assert.deepEqual(counts, [3, 0, 3, 3, 0, 0]);
  const stored = (await chain.request({ method: "eth_getLogs", params: [{ address }] })) as object[];
  assert.deepEqual(
    client.notified.filter((one) => one.subscription === ids[0]).map((one) => one.result),
    stored,
  );
  for (const bad of [{ address: "0x1" }, { topics: "0x" }, { topics: Array(5).fill(null) }, [], "all"])
    assert.equal((await client.call("eth_subscribe", "logs", bad)).error.code, -32602);
  assert.equal((await client.call("eth_subscribe", "syncing")).error.code, -32602);
  stop();
  (await viem.transport.getRpcClient()).close();
  client.socket.terminate();
});

test("subscriptions, connections and bodies have limits that say so, and what a connection had goes with it", async () => {
  await using door = await openDoor({ connections: 2 });
  const first = await openClient(door.url);
  for (let i = 0; i < subscriptionsMax; i++) await first.call("eth_subscribe", "newHeads");
  const { error } = await first.call("eth_subscribe", "newHeads");
  assert.equal(error.code, -32005);
  assert.match(error.message, /64 subscriptions, at most 64/);
  const second = await openClient(door.url);
  const third = new WebSocket(door.url);
  const [, response] = await once(
    third.on("error", () => {}),
    "unexpected-response",
  );
  assert.equal(response.statusCode, 503);
  response.resume();
  assert.deepEqual(door.door.counts(), { connections: 2, subscriptions: 64, closedSlow: 0 });
  first.socket.close();
  await first.closed;
  await until(() => door.door.counts().connections === 1);
  assert.equal(door.door.counts().subscriptions, 0);
  second.socket.send("x".repeat(rpcLimits.bodyBytes + 1));
  assert.equal((await second.closed).code, 1009);
});

test("a client that does not read is closed with a reason, and the others go on", async () => {
  await using door = await openDoor({ unreadBytes: 100_000 });
  const reader = await openClient(door.url);
  const slow = await openClient(door.url);
  for (let i = 0; i < 32; i++) await slow.call("eth_subscribe", "newHeads");
  await reader.call("eth_subscribe", "newHeads");
  slow.socket.pause();
  let blocks = 0;
  for (; blocks < 2_000 && door.door.counts().closedSlow === 0; blocks++) await chain.mineEmptyBlock();
  assert.ok(door.door.counts().closedSlow > 0, `after ${blocks} blocks`);
  await until(() => reader.notified.length === blocks);
  slow.socket.resume();
  const { code, reason } = await slow.closed;
  assert.ok(
    code === 1006 || (code === 1008 && /slow reader: more than 100000 bytes/.test(reason)),
    `${code} ${reason}`,
  );
  await until(() => door.door.counts().connections === 1);
  reader.socket.terminate();
});

test("a dead peer and an idle one are let go, one that listens is kept", async () => {
  await using door = await openDoor({ pingMs: 60, idleMs: 200 });
  const listens = await openClient(door.url);
  await listens.call("eth_subscribe", "newHeads");
  const idle = await openClient(door.url);
  const dead = new WebSocket(door.url, { autoPong: false });
  await once(dead, "open");
  const [deadCode] = await once(dead, "close");
  assert.equal(deadCode, 1006);
  const { code, reason } = await idle.closed;
  assert.equal(code, 1000);
  assert.match(reason, /idle for 200 ms/);
  assert.equal((await listens.call("eth_chainId")).result, "0x2774c");
  listens.socket.terminate();
});

test("a request that is no WebSocket handshake is answered by HTTP and harms nothing", async () => {
  await using door = await openDoor();
  const raw = connect(door.port, "127.0.0.1");
  raw.write(
    "GET /rpc HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n",
  );
  const [answer] = await once(raw, "data");
  assert.match(String(answer), /^HTTP\/1\.1 400/);
  raw.destroy();
  const client = await openClient(door.url);
  assert.equal((await client.call("eth_chainId")).result, "0x2774c");
  client.socket.terminate();
});
