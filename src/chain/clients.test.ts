import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "@hono/node-server";
import { type Address, type Hex, parseEther } from "viem";
import { CallRevertedError } from "./call-error.ts";
import { type ChainWriter, chainClients } from "./clients.ts";
import type { EmbeddedChain } from "./embedded.ts";
import { alice, bob, carol, compileSample, eve, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { createRpc } from "./rpc.ts";

const folder = temporaryFolder();
const { Sample } = compileSample();
const abis = { Sample: Sample.abi };
let chain: EmbeddedChain;
let server: ReturnType<typeof serve>;
let overHttp: ChainWriter;
let inProcess: ChainWriter;
let address: Address;

before(async () => {
  chain = await openTestChain(folder.path);
  const rpcUrl = await new Promise<string>((resolve) => {
    server = serve({ fetch: createRpc(chain).routes.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}/`),
    );
  });
  inProcess = chainClients({ embedded: chain, account: alice, abis });
  overHttp = chainClients({ rpcUrl, account: bob, abis });
  const hash = await inProcess.wallet.deployContract({ ...Sample, args: ["clients"] });
  address = (await inProcess.waitForReceipt(hash)).contractAddress!;
});

after(async () => {
  server.close();
  await chain.close();
  folder[Symbol.dispose]();
});

for (const [name, writer] of [
  ["in process", () => inProcess],
  ["over HTTP", () => overHttp],
] as const) {
  test(`${name}: thirty transactions sent at once are all mined, each once`, async () => {
    const before = await writer().public.getTransactionCount({ address: writer().account.address });
    const hashes = await Promise.all(
      Array.from({ length: 30 }, () => writer().send({ to: eve.address, value: 1n })),
    );
    assert.equal(new Set(hashes).size, 30);
    for (const hash of hashes) assert.equal((await writer().waitForReceipt(hash)).status, "success");
    assert.equal(
      await writer().public.getTransactionCount({ address: writer().account.address }),
      before + 30,
    );
  });

  test(`${name}: writes, and refusals in the contract's own words`, async () => {
    const call = { address, abi: Sample.abi };
    const receipt = await writer().write({ ...call, functionName: "increment" });
    assert.equal(receipt.logs.length, 1);
    const refused = await writer()
      .write({ ...call, functionName: "pay", args: [address, parseEther("5")] })
      .catch((error) => error);
    assert.ok(refused instanceof CallRevertedError);
    assert.equal(refused.message, "Sample.pay reverted: the payee refused");
    const custom = await writer()
      .public.readContract({ ...call, functionName: "requireCount", args: [99n] })
      .catch((error) => writer().explain(error, "Sample.requireCount"));
    assert.ok(custom instanceof CallRevertedError);
    assert.match(custom.message, /Sample.requireCount reverted with TooFew\(have: \d, want: 99\) of Sample/);
    assert.equal(custom.errorName, "TooFew");
  });

  test(`${name}: viem's own wallet actions share the nonces`, async () => {
    const call = { address, abi: Sample.abi, functionName: "increment" } as const;
    const hashes = await Promise.all([
      writer().wallet.writeContract(call),
      writer().send({ to: eve.address, value: 1n }),
      writer().wallet.sendTransaction({ to: eve.address, value: 1n }),
      writer().wallet.writeContract(call),
    ]);
    assert.equal(new Set(hashes).size, 4);
    for (const hash of hashes) assert.equal((await writer().waitForReceipt(hash)).status, "success");
  });
}

test("two clients of one account, as in two processes, get through without losing a transaction", async () => {
  const pair = [0, 1].map(() => chainClients({ embedded: chain, account: carol, abis }));
  const hashes = await Promise.all(
    Array.from({ length: 20 }, (_, i) => pair[i % 2]!.send({ to: eve.address, value: BigInt(i) })),
  );
  assert.equal(new Set(hashes).size, 20);
  assert.equal(await pair[0]!.public.getTransactionCount({ address: carol.address }), 20);
});

test("a refused transaction does not hold up those after it", async () => {
  const poor = chainClients({ embedded: chain, account: eve, abis });
  const results = await Promise.allSettled([
    poor.send({ to: alice.address, value: 10n ** 26n, gas: 21_000n }),
    poor
      .send({ to: alice.address, value: 0n, gas: 21_000n })
      .catch(() => poor.send({ to: alice.address, gas: 21_000n })),
  ]);
  assert.equal(results[0].status, "rejected");
  assert.match(String((results[0] as PromiseRejectedResult).reason), /insufficient funds/i);
});

test("a revert of unknown form is passed on with its data", async () => {
  const reader = chainClients({ embedded: chain });
  const error = await reader.public
    .readContract({ address, abi: Sample.abi, functionName: "requireCount", args: [99n] })
    .catch((caught) => reader.explain(caught, "the call"));
  assert.ok(error instanceof CallRevertedError);
  assert.match(error.message, /the call reverted with unknown data 0x/);
  assert.equal((error.data as Hex).length, 2 + 2 * (4 + 64));
});
