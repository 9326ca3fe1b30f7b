import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Hex } from "viem";
import { WebSocket } from "ws";
import { accounts, alice, bob, eve, gwei, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { createRpc } from "./rpc.ts";
import { socketLimits } from "./rpc-socket.ts";

const requestsWanted = 100_000;
/** Set FUZZ_SEED to repeat a run. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

/** Mulberry32: small, fast, the same for a seed everywhere. */
function randomOf(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(seed);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
const listOf = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make);
const bytes = (length: number): Hex =>
  `0x${Array.from({ length }, () => below(256).toString(16).padStart(2, "0")).join("")}`;

const methods = [
  "eth_accounts",
  "eth_blockNumber",
  "eth_call",
  "eth_chainId",
  "eth_createAccessList",
  "eth_estimateGas",
  "eth_feeHistory",
  "eth_gasPrice",
  "eth_getBalance",
  "eth_getBlockByHash",
  "eth_getBlockByNumber",
  "eth_getBlockReceipts",
  "eth_getBlockTransactionCountByNumber",
  "eth_getCode",
  "eth_getFilterChanges",
  "eth_getFilterLogs",
  "eth_getLogs",
  "eth_getProof",
  "eth_getStorageAt",
  "eth_getTransactionByBlockNumberAndIndex",
  "eth_getTransactionByHash",
  "eth_getTransactionCount",
  "eth_getTransactionReceipt",
  "eth_newBlockFilter",
  "eth_newFilter",
  "eth_newPendingTransactionFilter",
  "eth_sendRawTransaction",
  "eth_subscribe",
  "eth_uninstallFilter",
  "eth_unsubscribe",
  "net_version",
  "txpool_content",
  "txpool_inspect",
  "txpool_status",
  "web3_sha3",
];
const strangers = [
  "evm_mine",
  "hardhat_setBalance",
  "debug_traceCall",
  "anvil_setBalance",
  "personal_sign",
  "eth_sign",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "\u0000",
  "eth_call\n",
  "é".repeat(500),
];
const fields = [
  "from",
  "to",
  "gas",
  "gasPrice",
  "maxFeePerGas",
  "maxPriorityFeePerGas",
  "value",
  "data",
  "input",
  "nonce",
  "type",
  "chainId",
  "accessList",
  "authorizationList",
  "blobVersionedHashes",
  "fromBlock",
  "toBlock",
  "blockHash",
  "address",
  "topics",
  "__proto__",
  "constructor",
];

/** Signed transactions of accounts with and without money, some of them good. */
let signed: Hex[] = [];

function rawTransaction(): unknown {
  const raw = pick(signed);
  const at = 2 + 2 * below(raw.length / 2 - 1);
  return pick([
    () => raw,
    () => `${raw.slice(0, at)}${bytes(1).slice(2)}${raw.slice(at + 2)}`,
    () => raw.slice(0, at),
    () => `${raw}${bytes(below(8)).slice(2)}`,
    () => `0x0${below(6)}${bytes(below(120)).slice(2)}`,
    () => bytes(below(200)),
    () => value(0),
  ])();
}

function hexText(): string {
  return pick([
    () =>
      pick([
        "0x",
        "0x0",
        "0x1",
        "0x01",
        "0x-1",
        "0xzz",
        "latest",
        "pending",
        "earliest",
        "safe",
        "finalized",
      ]),
    () => `0x${below(300).toString(16)}`,
    () => bytes(pick([1, 4, 20, 20, 31, 32, 32, 33, 64])),
    () => pick(accounts).address,
    () => `0x${"f".repeat(1 + below(80))}`,
  ])();
}

function value(depth: number): unknown {
  return pick([
    hexText,
    hexText,
    () => null,
    () => random() < 0.5,
    () => pick([0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 63), 1e-300, below(1000)]),
    () => "x".repeat(below(50)),
    () => (depth > 0 ? listOf(4, () => value(depth - 1)) : []),
    () => (depth > 0 ? callObject(depth - 1) : {}),
  ])();
}

function callObject(depth: number): object {
  // defineProperty, because assigning to __proto__ would not make a key.
  const object = {};
  for (const name of listOf(6, () => pick(fields)))
    Object.defineProperty(object, name, { value: value(depth), enumerable: true, configurable: true });
  return object;
}

function params(method: unknown): unknown {
  if (random() < 0.05) return value(3);
  if (method === "eth_sendRawTransaction") return [rawTransaction()];
  if (method === "eth_subscribe")
    return [
      pick(["newHeads", "logs", "newPendingTransactions", value(0)]),
      ...listOf(1, () => callObject(2)),
    ];
  return listOf(4, () => (random() < 0.4 ? callObject(2) : value(2)));
}

function request(): unknown {
  if (random() < 0.03) return value(2);
  const method = pick([
    () => pick(methods),
    () => pick(methods),
    () => pick(methods),
    () => pick(strangers),
    () => value(1),
  ])();
  const object: Record<string, unknown> = {
    jsonrpc: random() < 0.97 ? "2.0" : value(0),
    method,
    params: params(method),
  };
  if (random() < 0.95) object.id = random() < 0.9 ? below(1e9) : value(1);
  return object;
}

/** A body and how many requests it holds. */
function body(): { text: string; requests: number } {
  const dice = random();
  if (dice < 0.6) return { text: JSON.stringify(request()), requests: 1 };
  if (dice < 0.9) {
    const batch = listOf(24, request);
    return { text: JSON.stringify(batch), requests: Math.max(batch.length, 1) };
  }
  const text = JSON.stringify(request());
  const broken = pick([
    () => text.slice(0, below(text.length)),
    () => text.replace(/\d+/, "9".repeat(1 + below(2_000))),
    () => text.replace(/"/, () => pick(["", "'", "\\", '"\ud800'])),
    () => `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":${"[".repeat(below(20_000))}`,
    () => `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[${'{"a":'.repeat(500)}1${"}".repeat(500)}]}`,
    () => "[".repeat(below(20_000)) + "]".repeat(below(20_000)),
    () => `{"__proto__":{"method":"eth_chainId"},"jsonrpc":"2.0","id":1}`,
    () => Buffer.from(listOf(200, () => below(256))).toString("latin1"),
  ])();
  return { text: broken, requests: 1 };
}

/** JSON-RPC 2.0: each answer has an id and either a result or an error with an integer code and words. */
function check(text: string, kinds: Map<string, number>): void {
  const answers = JSON.parse(text);
  for (const one of Array.isArray(answers) ? answers : [answers]) {
    assert.equal(one.jsonrpc, "2.0");
    assert.ok(one.id === null || typeof one.id === "string" || typeof one.id === "number");
    assert.notEqual(Object.hasOwn(one, "result"), Object.hasOwn(one, "error"));
    if (one.error !== undefined) {
      assert.ok(Number.isInteger(one.error.code));
      assert.ok(typeof one.error.message === "string" && one.error.message.length > 0);
    }
    const kind = one.error === undefined ? "result" : String(one.error.code);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
}

test(`100,000 random requests by HTTP and WebSocket: each is answered as JSON-RPC answers, none harms the chain (FUZZ_SEED=${seed})`, async (t) => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path);
  const sign = (account: typeof alice, nonce: number, more: object = {}) =>
    account.signTransaction({
      type: "eip1559",
      chainId: chain.chainId,
      nonce,
      to: eve.address,
      value: 1n,
      gas: 21_000n,
      maxFeePerGas: gwei,
      maxPriorityFeePerGas: gwei,
      ...more,
    });
  signed = await Promise.all([
    ...[0, 1, 2, 3, 4].map((nonce) => sign(bob, nonce)),
    sign(bob, 1, { maxFeePerGas: 2n * gwei, maxPriorityFeePerGas: 2n * gwei }),
    sign(bob, 9),
    sign(eve, 0),
    sign(bob, 2, { chainId: 1 }),
    sign(bob, 3, { gas: 8_000_000n, to: undefined, data: bytes(200) }),
  ]);
  const internal: unknown[] = [];
  const rpc = createRpc(chain, {
    rate: { perSecond: 0, burst: 0 },
    onInternalError: (error) => internal.push(error),
  });
  const server = createServer();
  server.on("upgrade", rpc.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`;
  const kinds = new Map<string, number>();
  let sent = 0;

  async function byHttp(): Promise<void> {
    while (sent < requestsWanted) {
      const { text, requests } = body();
      sent += requests;
      const response = await rpc.routes.request("/", { method: "POST", body: text });
      assert.ok([200, 204].includes(response.status), `HTTP ${response.status}`);
      if (response.status === 200) check(await response.text(), kinds);
    }
  }

  /** Every body ends with a request whose answer tells that all before it were taken in. */
  async function bySocket(): Promise<void> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const marks = new Map<string, () => void>();
    let notified = 0;
    socket.on("message", (data) => {
      const text = data.toString();
      const { id, method } = JSON.parse(text);
      if (method === "eth_subscription") notified += 1;
      else if (typeof id === "string" && marks.has(id)) marks.get(id)!();
      else check(text, kinds);
    });
    const ended = new Promise((_, reject) =>
      socket.once("close", (code, reason) => reject(new Error(`closed: ${code} ${reason}`))),
    );
    ended.catch(() => {});
    for (let round = 0; sent < requestsWanted; round++) {
      for (let i = 0; i < socketLimits.underWay / 2; i++) {
        const { text, requests } = body();
        sent += requests;
        socket.send(text);
      }
      const id = `mark ${round}`;
      const answered = new Promise<void>((resolve) => marks.set(id, resolve));
      for (;;) {
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_chainId" }));
        const late = new Promise<"late">((resolve) => setTimeout(() => resolve("late"), 200));
        // The mark itself may be refused while many are under way: ask again.
        if ((await Promise.race([answered, late, ended])) !== "late") break;
      }
      marks.delete(id);
    }
    t.diagnostic(`${notified} notifications`);
    socket.removeAllListeners("close");
    socket.terminate();
  }

  const startedAtMs = performance.now();
  await Promise.all([...Array.from({ length: 16 }, byHttp), bySocket(), bySocket(), bySocket(), bySocket()]);
  t.diagnostic(
    `${sent} requests in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s: ${JSON.stringify([...kinds])}`,
  );
  assert.deepEqual(internal, []);
  assert.ok(sent >= requestsWanted);
  assert.ok(
    (kinds.get("result") ?? 0) > 1_000 && (kinds.get("-32602") ?? 0) > 1_000,
    "both good and bad came",
  );
  assert.equal(chain.status().trouble, null);
  const blocks = chain.status().blockNumber;
  await chain.request({ method: "eth_sendRawTransaction", params: [await sign(alice, 0)] });
  assert.equal(chain.status().trouble, null);
  assert.ok(chain.status().blockNumber > blocks);
  rpc.close();
  server.close();
});
