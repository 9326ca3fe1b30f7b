import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "@hono/node-server";
import {
  BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  InsufficientFundsError,
  keccak256,
  NonceTooLowError,
  parseEventLogs,
} from "viem";
import { chainClients } from "./clients.ts";
import type { EmbeddedChain } from "./embedded.ts";
import { filterLimits } from "./filters.ts";
import {
  accounts,
  alice,
  bob,
  carol,
  compileSample,
  dave,
  eve,
  feeCollector,
  gwei,
  open,
  openTestChain,
  temporaryFolder,
} from "./fixtures/chain.ts";
import { localNetwork, viemChain } from "./networks.ts";
import { poolLimits } from "./pool.ts";
import { createRpc } from "./rpc.ts";
import { createRpcHandler, rpcLimits } from "./rpc-handler.ts";

const folder = temporaryFolder();
const { Sample } = compileSample();
let chain: EmbeddedChain;
let server: ReturnType<typeof serve>;
let url: string;

before(async () => {
  chain = await openTestChain(folder.path);
  url = await new Promise<string>((resolve) => {
    server = serve({ fetch: createRpc(chain).routes.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}/`),
    );
  });
});

after(async () => {
  server.close();
  await chain.close();
  folder[Symbol.dispose]();
});

function clients(account = alice) {
  const network = viemChain(localNetwork({ rpcUrls: [url], contracts: {} }));
  const transport = http(url, { retryCount: 0 });
  return {
    reader: createPublicClient({ chain: network, transport, pollingInterval: 20 }),
    writer: createWalletClient({ chain: network, transport, account }),
  };
}

/** What the tests look into: the shape of any JSON-RPC answer, or of each in a batch. */
// biome-ignore lint/suspicious/noExplicitAny: each test knows the method it called
type RpcAnswer = any;

async function post(body: unknown): Promise<{ status: number; answer: RpcAnswer }> {
  const response = await fetch(url, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, answer: text === "" ? undefined : JSON.parse(text) };
}

const call = (method: string, params: unknown[] = []) => post({ jsonrpc: "2.0", id: 1, method, params });

test("a viem wallet client transfers OPEN and the tip goes to the fee collector", async () => {
  const { reader, writer } = clients();
  const tipsBefore = await reader.getBalance({ address: feeCollector });
  const hash = await writer.sendTransaction({ to: eve.address, value: 3n * open });
  const receipt = await reader.getTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  assert.equal(await reader.getBalance({ address: eve.address }), 3n * open);
  assert.equal((await reader.getBlock()).baseFeePerGas, 0n);
  assert.equal(
    await reader.getBalance({ address: feeCollector }),
    tipsBefore + receipt.gasUsed * receipt.effectiveGasPrice,
  );
});

test("a contract is deployed, called, written to, and its logs and receipts are found", async () => {
  const { reader, writer } = clients();
  const hash = await writer.deployContract({ ...Sample, args: ["first"], value: 5n });
  const { contractAddress: address, blockNumber } = await reader.waitForTransactionReceipt({ hash });
  assert.ok(address);
  assert.equal(await reader.readContract({ address, abi: Sample.abi, functionName: "name" }), "first");
  const counted = await writer.writeContract({
    address,
    abi: Sample.abi,
    functionName: "incrementBy",
    args: [3n],
  });
  const receipt = await reader.waitForTransactionReceipt({ hash: counted });
  assert.deepEqual(
    parseEventLogs({ abi: Sample.abi, logs: receipt.logs }).map(
      (log) => (log as unknown as { args: { count: bigint } }).args.count,
    ),
    [1n, 2n, 3n],
  );
  const logs = await reader.getContractEvents({
    address,
    abi: Sample.abi,
    eventName: "Counted",
    fromBlock: blockNumber,
  });
  assert.equal(logs.length, 3);
  const blockReceipts = (await call("eth_getBlockReceipts", [receipt.blockHash])).answer.result;
  assert.deepEqual(
    blockReceipts.map((one: { transactionHash: Hex }) => one.transactionHash),
    [counted],
  );
  assert.equal((await call("eth_getBlockReceipts", ["0xffffff"])).answer.result, null);
});

test("reverts decode into the contract's own errors, and reasons into words", async () => {
  const { reader, writer } = clients();
  const hash = await writer.deployContract({ ...Sample, args: ["second"] });
  const address = (await reader.getTransactionReceipt({ hash })).contractAddress!;
  const custom = await reader
    .readContract({ address, abi: Sample.abi, functionName: "requireCount", args: [9n] })
    .catch((error) => error);
  assert.ok(custom instanceof BaseError);
  const reverted = custom.walk((error) => error instanceof ContractFunctionRevertedError);
  assert.ok(reverted instanceof ContractFunctionRevertedError);
  assert.equal(reverted.data?.errorName, "TooFew");
  assert.deepEqual(reverted.data?.args, [0n, 9n]);
  await assert.rejects(
    reader.simulateContract({ address, abi: Sample.abi, functionName: "refuse", args: ["not today"] }),
    /not today/,
  );
});

test("concurrent transactions of several accounts share blocks", async () => {
  const { reader } = clients();
  const startBlock = await reader.getBlockNumber();
  const hashes = await Promise.all(
    [alice, bob, carol].map(async (account) => {
      const { writer } = clients(account);
      const nonce = await reader.getTransactionCount({ address: account.address });
      return Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          writer.sendTransaction({ to: eve.address, value: 1n, nonce: nonce + i, gas: 21_000n }),
        ),
      );
    }),
  );
  const receipts = await Promise.all(hashes.flat().map((hash) => reader.getTransactionReceipt({ hash })));
  assert.equal(receipts.length, 60);
  assert.ok(receipts.every(({ status }) => status === "success"));
  assert.ok((await reader.getBlockNumber()) - startBlock < 60n);
});

test("transactions of one account that arrive in reverse order are all mined", async () => {
  const { reader, writer } = clients(bob);
  const nonce = await reader.getTransactionCount({ address: bob.address });
  const hashes = await Promise.all(
    [4, 3, 2, 1, 0].map((ahead) =>
      writer.sendTransaction({ to: eve.address, value: 1n, nonce: nonce + ahead, gas: 21_000n }),
    ),
  );
  for (const hash of hashes) assert.equal((await reader.getTransactionReceipt({ hash })).status, "success");
});

test("the wrong chain id, a used nonce, a nonce gap, too low a tip and too little money are refused in words viem knows", async () => {
  const { reader, writer } = clients();
  const nonce = await reader.getTransactionCount({ address: alice.address });
  const base = {
    to: eve.address,
    nonce,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
    type: "eip1559" as const,
  };
  const send = async (fields: object) => {
    const raw = await alice.signTransaction({ ...base, chainId: chain.chainId, ...fields });
    return (await call("eth_sendRawTransaction", [raw])).answer.error;
  };
  assert.match((await send({ chainId: 1 })).message, /invalid chain id.*161612/s);
  assert.match((await send({ nonce: 0 })).message, /nonce too low/);
  assert.match(
    (await send({ nonce: nonce + 1 })).message,
    new RegExp(`nonce too high: .* continues at ${nonce}, this is ${nonce + 1}`),
  );
  assert.match(
    (await send({ maxPriorityFeePerGas: gwei - 1n })).message,
    /transaction underpriced: its tip is 999999999 wei/,
  );
  assert.match((await send({ gas: 20_000n })).message, /intrinsic gas too low/);
  assert.match((await send({ gas: 8_000_001n })).message, /exceeds block gas limit/);
  assert.match((await send({ value: 10n ** 28n })).message, /insufficient funds/);
  await assert.rejects(
    writer.sendTransaction({ to: eve.address, nonce: 0, gas: 21_000n }),
    (error) =>
      error instanceof BaseError && error.walk((inner) => inner instanceof NonceTooLowError) !== null,
  );
  await assert.rejects(
    clients(accounts[4]).writer.sendTransaction({ to: alice.address, value: 10n ** 26n, gas: 21_000n }),
    (error) =>
      error instanceof BaseError && error.walk((inner) => inner instanceof InsufficientFundsError) !== null,
  );
  assert.equal(await reader.getTransactionCount({ address: alice.address }), nonce);
});

test("a transaction that replaces another in the same block takes nothing down with it", async () => {
  const { reader } = clients(carol);
  const nonce = await reader.getTransactionCount({ address: carol.address });
  const sign = (fields: object) =>
    carol.signTransaction({
      type: "eip1559",
      chainId: chain.chainId,
      to: eve.address,
      nonce,
      gas: 21_000n,
      maxFeePerGas: 10n * gwei,
      maxPriorityFeePerGas: gwei,
      ...fields,
    });
  const bodies = [
    await sign({ value: 1n }),
    await sign({ value: 2n, nonce: nonce + 1 }),
    await sign({ value: 3n, maxFeePerGas: 20n * gwei, maxPriorityFeePerGas: 9n * gwei }),
  ];
  const { answer } = await post(
    bodies.map((raw, id) => ({ jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [raw] })),
  );
  assert.equal((await reader.getTransactionReceipt({ hash: answer[0].result })).status, "success");
  assert.equal((await reader.getTransactionReceipt({ hash: answer[1].result })).status, "success");
  assert.match(answer[2].error.message, /nonce too low|underpriced/);
});

test("blob transactions are refused, and so is anything that is not a transaction", async () => {
  assert.match(
    (await call("eth_sendRawTransaction", ["0x03f8b1"])).answer.error.message,
    /type 3.*never burnt/,
  );
  for (const raw of ["0x", "0x00", "0xzz", "nothing", 5, null, {}, "0x02c0"]) {
    const { answer } = await call("eth_sendRawTransaction", [raw]);
    assert.equal(typeof answer.error.code, "number", `${raw}`);
  }
});

test("a transaction with bytes after its end, known or not, is refused and takes nothing down with it", async () => {
  const { reader } = clients(carol);
  const nonce = await reader.getTransactionCount({ address: carol.address });
  const raws = await Promise.all(
    [0, 1, 2].map((ahead) =>
      carol.signTransaction({
        type: "eip1559",
        chainId: chain.chainId,
        to: eve.address,
        value: 1n,
        nonce: nonce + ahead,
        gas: 21_000n,
        maxFeePerGas: gwei,
        maxPriorityFeePerGas: gwei,
      }),
    ),
  );
  assert.match(
    (await call("eth_sendRawTransaction", [`${raws[0]}00`])).answer.error.message,
    /after its end/,
  );
  const bodies = [raws[0], `${raws[0]}ff`, raws[1], `${raws[1]}00`, `${raws[2]}0000`, raws[2]];
  const { answer } = await post(
    bodies.map((raw, id) => ({ jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [raw] })),
  );
  assert.deepEqual(
    answer.map(({ error }: { error?: object }) => error === undefined),
    [true, false, true, false, false, true],
  );
  assert.equal(await reader.getTransactionCount({ address: carol.address }), nonce + 3);
  assert.equal(chain.status().waiting, 0);
  assert.equal(chain.status().trouble, null);
});

test("only listed methods are public", async () => {
  for (const method of [
    "evm_mine",
    "hardhat_setBalance",
    "debug_traceTransaction",
    "personal_sign",
    "eth_sign",
    "eth_sendTransaction",
    "anvil_setBalance",
    "admin_addPeer",
    "eth_pendingTransactions",
    "constructor",
    "__proto__",
    "toString",
  ]) {
    assert.equal((await call(method)).answer.error.code, -32601, method);
  }
  assert.deepEqual((await call("eth_accounts")).answer.result, []);
  assert.deepEqual((await call("txpool_status")).answer.result, { pending: "0x0", queued: "0x0" });
  assert.deepEqual((await call("txpool_content")).answer.result, { pending: {}, queued: {} });
});

test("params may be left out; batches, notifications and errors follow JSON-RPC 2.0", async () => {
  assert.equal((await post({ jsonrpc: "2.0", id: "a", method: "eth_chainId" })).answer.result, "0x2774c");
  const { answer } = await post([
    { jsonrpc: "2.0", id: 1, method: "eth_chainId" },
    { jsonrpc: "2.0", method: "eth_blockNumber" },
    { jsonrpc: "2.0", id: 2, method: "nothing_here" },
    7,
  ]);
  assert.deepEqual(
    answer.map(({ id, error }: { id: number; error?: { code: number } }) => [id, error?.code]),
    [
      [1, undefined],
      [2, -32601],
      [null, -32600],
    ],
  );
  assert.equal((await post({ jsonrpc: "2.0", method: "eth_blockNumber" })).status, 204);
  assert.equal((await post("{ not json")).answer.error.code, -32700);
  assert.equal((await post([])).answer.error.code, -32600);
  assert.equal((await post({ id: 1, method: "eth_chainId" })).answer.error.code, -32600);
  assert.equal(
    (await post({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: {} })).answer.error.code,
    -32602,
  );
  const many = Array.from({ length: rpcLimits.batch + 1 }, (_, id) => ({
    jsonrpc: "2.0",
    id,
    method: "eth_chainId",
  }));
  assert.equal((await post(many)).answer.error.code, -32005);
  assert.equal((await post(JSON.stringify({ filler: "x".repeat(rpcLimits.bodyBytes) }))).status, 413);
  assert.equal((await fetch(url)).status, 405);
});

test("a wallet on another origin may call", async () => {
  const response = await createRpc(chain).routes.request("/", {
    method: "OPTIONS",
    headers: {
      origin: "https://wallet.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  });
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.match(response.headers.get("access-control-allow-headers") ?? "", /content-type/);
});

test("a huge log range ends at the last block, one of nonsense is refused, and a call that never ends stops at the gas cap", async () => {
  const { reader, writer } = clients();
  const hash = await writer.deployContract({ ...Sample, args: ["third"] });
  const address = (await reader.getTransactionReceipt({ hash })).contractAddress!;
  assert.equal(
    (await call("eth_getLogs", [{ fromBlock: "0x0", toBlock: "0xffffffffffff" }])).answer.error,
    undefined,
  );
  assert.equal((await call("eth_getLogs", [{ fromBlock: "nonsense" }])).answer.error.code, -32602);
  // Asked once and waited for: viem asks again after ten seconds, and a slow machine's engine would spin for each of them.
  const data = encodeFunctionData({ abi: Sample.abi, functionName: "spin" });
  const { result, error } = (await call("eth_estimateGas", [{ to: address, data, gas: "0xe8d4a51000" }]))
    .answer;
  assert.ok(error !== undefined || BigInt(result) <= 8_000_000n, JSON.stringify(result));
});

test("calls beyond those that may wait are refused at once, and one sender cannot fill the pool with gaps", async () => {
  const slow = createRpcHandler({
    request: () => new Promise((resolve) => setTimeout(() => resolve("0x"), 5)),
  });
  const answers = await Promise.all(
    Array.from({ length: rpcLimits.waiting + 10 }, async () => {
      const body = { jsonrpc: "2.0", id: 1, method: "eth_call", params: [{}] };
      const { text } = await slow.handle(JSON.stringify(body), { address: undefined });
      return JSON.parse(text!) as { error?: { code: number } };
    }),
  );
  assert.equal(answers.filter(({ error }) => error?.code === -32005).length, 10 - rpcLimits.executionsAtOnce);

  const { reader } = clients(dave);
  const nonce = await reader.getTransactionCount({ address: dave.address });
  const startedAtMs = Date.now();
  const gaps = await Promise.all(
    Array.from({ length: poolLimits.gapsPerSender + 5 }, async (_, i) => {
      const raw = await dave.signTransaction({
        type: "eip1559",
        chainId: chain.chainId,
        to: eve.address,
        nonce: nonce + 1 + i,
        gas: 21_000n,
        maxFeePerGas: gwei,
        maxPriorityFeePerGas: gwei,
      });
      const { answer } = await call("eth_sendRawTransaction", [raw]);
      return { message: answer.error.message, afterMs: Date.now() - startedAtMs };
    }),
  );
  assert.ok(gaps.every(({ message }) => /nonce too high/.test(message)));
  assert.ok(gaps.filter(({ afterMs }) => afterMs < poolLimits.gapMs).length >= 5);
});

test("fees: gas price, tip and fee history never suggest less than the chain accepts", async () => {
  const { reader } = clients();
  assert.equal(await reader.getGasPrice(), gwei);
  assert.equal(await reader.estimateMaxPriorityFeePerGas(), gwei);
  await chain.mineEmptyBlock();
  const history = await reader.getFeeHistory({ blockCount: 3, rewardPercentiles: [0, 50] });
  assert.ok(history.reward!.flat().every((reward) => reward >= gwei));
  assert.ok(history.baseFeePerGas.every((fee) => fee === 0n));
  await assert.rejects(
    reader.getFeeHistory({ blockCount: 3, rewardPercentiles: Array(101).fill(1) }),
    /at most 100 reward percentiles/,
  );
});

test("filters tell what is new since the last poll, and are forgotten when they are not polled", async () => {
  let nowMs = 1_900_000_000_000;
  using home = temporaryFolder();
  await using other = await openTestChain(home.path, { nowMs: () => nowMs });
  const ask = (method: string, ...params: unknown[]) =>
    other.request({ method, params }) as Promise<RpcAnswer>;
  const writer = chainClients({ embedded: other, account: alice });
  const { contractAddress: address } = await writer.waitForReceipt(
    await writer.wallet.deployContract({ ...Sample, args: ["filters"] }),
  );
  const logs = await ask("eth_newFilter", { address, fromBlock: "earliest" });
  const blocks = await ask("eth_newBlockFilter");
  const pending = await ask("eth_newPendingTransactionFilter");
  for (const filter of [logs, blocks, pending])
    assert.deepEqual(await ask("eth_getFilterChanges", filter), []);
  const hash = await writer.wallet.writeContract({
    address: address!,
    abi: Sample.abi,
    functionName: "incrementBy",
    args: [2n],
  });
  const { blockHash } = await writer.waitForReceipt(hash);
  assert.equal((await ask("eth_getFilterChanges", logs)).length, 2);
  assert.deepEqual(await ask("eth_getFilterChanges", logs), []);
  assert.equal((await ask("eth_getFilterLogs", logs)).length, 2);
  assert.deepEqual(await ask("eth_getFilterChanges", blocks), [blockHash]);
  assert.deepEqual(await ask("eth_getFilterChanges", pending), [hash]);
  assert.deepEqual(await ask("eth_getFilterChanges", pending), []);
  assert.equal(await ask("eth_uninstallFilter", blocks), true);
  await assert.rejects(ask("eth_getFilterChanges", blocks), /filter not found/);
  await assert.rejects(ask("eth_newFilter", { address: "0x1" }), { code: -32602 });
  for (let i = 2; i < filterLimits.filters; i++) await ask("eth_newBlockFilter");
  await assert.rejects(ask("eth_newBlockFilter"), /1000 filters are kept .* use eth_getLogs/);
  nowMs += filterLimits.idleMs + 1;
  await ask("eth_newBlockFilter");
  await assert.rejects(ask("eth_getFilterChanges", logs), /filter not found/);
});

test("an access list names what a call touches, and the call costs less by it or as said", async () => {
  const { reader, writer } = clients();
  const hash = await writer.deployContract({ ...Sample, args: ["access"] });
  const address = (await reader.getTransactionReceipt({ hash })).contractAddress!;
  const data = encodeFunctionData({ abi: Sample.abi, functionName: "increment" });
  const { accessList, gasUsed } = await reader.createAccessList({
    account: alice.address,
    to: address,
    data,
  });
  assert.deepEqual(accessList, [{ address: address.toLowerCase(), storageKeys: [`0x${"00".repeat(32)}`] }]);
  const sent = await writer.sendTransaction({ to: address, data, accessList, gas: 100_000n });
  assert.equal((await reader.getTransactionReceipt({ hash: sent })).gasUsed, gasUsed);
  const pay = encodeFunctionData({ abi: Sample.abi, functionName: "pay", args: [eve.address, 0n] });
  const touching = await reader.createAccessList({ account: alice.address, to: address, data: pay });
  assert.deepEqual(touching.accessList, [{ address: eve.address.toLowerCase(), storageKeys: [] }]);
  const refuse = encodeFunctionData({ abi: Sample.abi, functionName: "requireCount", args: [99n] });
  const { answer } = await call("eth_createAccessList", [{ to: address, data: refuse }]);
  assert.match(answer.result.error, /revert/);
});

test("the transaction pool shows what waits and what is held back for a predecessor", async () => {
  const { reader } = clients(dave);
  const nonce = await reader.getTransactionCount({ address: dave.address });
  const raw = await dave.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    to: eve.address,
    value: 5n,
    nonce: nonce + 1,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
  });
  const held = call("eth_sendRawTransaction", [raw]);
  for (let i = 0; i < 200 && (await call("txpool_status")).answer.result.queued !== "0x1"; i++);
  assert.deepEqual((await call("txpool_status")).answer.result, { pending: "0x0", queued: "0x1" });
  const from = dave.address.toLowerCase();
  const { pending, queued } = (await call("txpool_content")).answer.result;
  assert.deepEqual(pending, {});
  assert.equal(queued[from][nonce + 1].hash, keccak256(raw));
  assert.equal(
    (await call("txpool_inspect")).answer.result.queued[from][nonce + 1],
    `${eve.address.toLowerCase()}: 5 wei + 21000 gas × 1000000000 wei`,
  );
  assert.match((await held).answer.error.message, /nonce too high/);
});

test("what is not offered says what to do instead", async () => {
  for (const [method, hint] of [
    ["eth_simulateV1", /use eth_call/],
    ["eth_subscribe", /WebSocket/],
    ["eth_sendTransaction", /sign yourself/],
  ] as const) {
    const { error } = (await call(method)).answer;
    assert.equal(error.code, -32601);
    assert.match(error.message, hint);
  }
  assert.match(
    (await call("eth_feeHistory", ["0x401", "latest", []])).answer.error.message,
    /at most 1024 blocks/,
  );
});

test("a stranger that asks too often gets 429 and when to come back; metrics count all of it", async () => {
  const rpc = createRpc(chain, { rate: { perSecond: 1, burst: 2 } });
  const ask = (method: string, remoteAddress: string) =>
    rpc.routes.request(
      "/",
      { method: "POST", body: JSON.stringify({ jsonrpc: "2.0", id: 1, method }) },
      { incoming: { socket: { remoteAddress } } },
    );
  for (const [address, status] of [
    ["203.0.113.9", 200],
    ["203.0.113.9", 200],
    ["203.0.113.9", 429],
    ["127.0.0.1", 200],
  ] as const)
    assert.equal((await ask("eth_chainId", address)).status, status);
  const refused = await ask("eth_chainId", "203.0.113.9");
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(((await refused.json()) as { error: { code: number } }).error.code, -32005);
  for (let i = 0; i < 50; i++) await ask(`no_such_method_${i}`, "127.0.0.1");
  const page = rpc.metrics();
  const { transactions, blockNumber } = chain.status();
  for (const line of [
    `openledger_chain_transactions_total ${transactions}`,
    `openledger_chain_block_number ${blockNumber}`,
    "openledger_chain_ceiling_transactions 250000",
    "openledger_chain_min_tip_wei 1000000000",
    "openledger_chain_trouble 0",
    `openledger_chain_acknowledge_seconds_count ${transactions}`,
    'openledger_rpc_requests_total{method="eth_chainId",outcome="ok"} 3',
    'openledger_rpc_requests_total{method="unknown",outcome="-32601"} 50',
    "openledger_rpc_websockets 0",
  ])
    assert.ok(page.split("\n").includes(line), `${line} in\n${page}`);
  for (const line of page.trimEnd().split("\n"))
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+)$/,
    );
  rpc.close();
});
