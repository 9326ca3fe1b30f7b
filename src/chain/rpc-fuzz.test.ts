import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { alice, eve, gwei, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { rpcRoutes } from "./rpc.ts";

const methods = [
  "eth_call",
  "eth_estimateGas",
  "eth_feeHistory",
  "eth_getBalance",
  "eth_getBlockByHash",
  "eth_getBlockByNumber",
  "eth_getBlockReceipts",
  "eth_getLogs",
  "eth_getProof",
  "eth_getStorageAt",
  "eth_getTransactionByBlockNumberAndIndex",
  "eth_getTransactionCount",
  "eth_getTransactionReceipt",
  "eth_sendRawTransaction",
  "net_version",
  "txpool_content",
  "web3_sha3",
];

const hex = fc.oneof(
  fc.constantFrom(
    "0x",
    "0x0",
    "0x1",
    "0xffffffffffffffffffff",
    "0x-1",
    "0xzz",
    "latest",
    "pending",
    "earliest",
  ),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`),
  fc.constant(alice.address),
  fc.bigInt({ min: 0n, max: 2n ** 256n }).map((value) => `0x${value.toString(16)}`),
);
const callObject = fc.dictionary(
  fc.constantFrom(
    "from",
    "to",
    "gas",
    "gasPrice",
    "value",
    "data",
    "input",
    "nonce",
    "type",
    "accessList",
    "fromBlock",
    "toBlock",
    "address",
    "topics",
    "blockHash",
    "__proto__",
  ),
  fc.oneof(hex, fc.jsonValue({ maxDepth: 2 })),
  { maxKeys: 6 },
);
const request = fc.record(
  {
    jsonrpc: fc.oneof({ weight: 20, arbitrary: fc.constant("2.0") }, fc.constantFrom("1.0", 2)),
    id: fc.oneof({ weight: 8, arbitrary: fc.integer() }, fc.string(), fc.jsonValue({ maxDepth: 1 })),
    method: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...methods) },
      fc.string(),
      fc.jsonValue({ maxDepth: 1 }),
    ),
    params: fc.oneof(
      fc.array(fc.oneof(hex, callObject, fc.boolean(), fc.jsonValue({ maxDepth: 2 })), { maxLength: 4 }),
      fc.jsonValue(),
    ),
  },
  { requiredKeys: ["jsonrpc", "method"] },
);
const body = fc.oneof(
  { weight: 6, arbitrary: request.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: fc.array(request, { maxLength: 5 }).map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  { weight: 1, arbitrary: request.map((value) => JSON.stringify(value).slice(0, -2)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 60_000 }).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  },
);

test("2,000 random bodies: each is answered as JSON-RPC answers, none harms the chain", async () => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path);
  const internal: unknown[] = [];
  const app = rpcRoutes(chain, (error) => internal.push(error));
  const kinds = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(body, async (text) => {
      const response = await app.request("/", { method: "POST", body: text });
      assert.ok([200, 204, 413].includes(response.status), `${response.status}`);
      if (response.status === 204) return;
      const answer = await response.json();
      for (const one of Array.isArray(answer) ? answer : [answer]) {
        assert.equal(one.jsonrpc, "2.0");
        assert.ok(Object.hasOwn(one, "id"));
        assert.notEqual(Object.hasOwn(one, "result"), Object.hasOwn(one, "error"));
        if (one.error !== undefined) {
          assert.ok(Number.isInteger(one.error.code));
          assert.equal(typeof one.error.message, "string");
        }
        const kind = one.error === undefined ? "result" : String(one.error.code);
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    }),
    { numRuns: 2_000 },
  );
  assert.deepEqual(internal, []);
  assert.ok((kinds.get("result") ?? 0) > 20 && (kinds.get("-32602") ?? 0) > 50, JSON.stringify([...kinds]));
  assert.equal(chain.status().blockNumber, 0);
  const raw = await alice.signTransaction({
    type: "eip1559",
    chainId: chain.chainId,
    nonce: 0,
    to: eve.address,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: gwei,
    maxPriorityFeePerGas: gwei,
  });
  await chain.request({ method: "eth_sendRawTransaction", params: [raw] });
  assert.equal(chain.status().trouble, null);
  assert.equal(chain.status().blockNumber, 1);
});
