import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Hex, keccak256, toRlp } from "viem";
import { type ChainWriter, chainClients } from "./clients.ts";
import {
  alice,
  bob,
  carol,
  compileSample,
  eve,
  genesis,
  gwei,
  open,
  openTestChain,
  temporaryFolder,
} from "./fixtures/chain.ts";
import { totalSupplyWei } from "./genesis.ts";
import { proveSupply } from "./supply.ts";
import { emptyTrieRoot, trieRoot } from "./trie.ts";

const contracts = compileSample();
const { Sample } = contracts;

async function deploySample(writer: ChainWriter) {
  const hash = await writer.wallet.deployContract({ ...Sample, args: ["supply"], value: open });
  return { address: (await writer.waitForReceipt(hash)).contractAddress!, abi: Sample.abi };
}

test("trie roots equal known ones and depend on every entry, not on their order", () => {
  assert.equal(trieRoot([]), emptyTrieRoot);
  assert.equal(keccak256(toRlp("0x")), emptyTrieRoot);
  // One leaf, by hand: the whole path is odd-free, so the prefix is 0x20.
  const key = "0x01";
  assert.equal(
    trieRoot([{ key, value: "0x05" }]),
    keccak256(toRlp([`0x20${keccak256(key).slice(2)}`, "0x05"])),
  );
  const entries = Array.from({ length: 300 }, (_, i) => ({
    key: toRlp(`0x${(i + 300).toString(16).padStart(4, "0")}`),
    value: toRlp(`0x${"0b".repeat((i % 40) + 1)}`),
  }));
  const root = trieRoot(entries);
  assert.equal(trieRoot(entries.toReversed()), root);
  assert.notEqual(trieRoot(entries.slice(1)), root);
});

test("at genesis the supply is proven by the genesis block's own state root", async () => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path);
  const proof = await proveSupply(chain);
  assert.equal(proof.balancesWei, totalSupplyWei);
  assert.equal(proof.accounts, Object.keys(genesis).length + 2);
});

test("after random traffic balances sum to exactly 10^27 wei", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          by: fc.constantFrom(alice, bob, carol),
          what: fc.constantFrom("transfer", "fresh", "pay", "hidden", "count", "revert", "deploy"),
          wei: fc.bigInt({ min: 0n, max: open }),
          tip: fc.bigInt({ min: gwei, max: 1000n * gwei }),
        }),
        { minLength: 8, maxLength: 40 },
      ),
      async (actions) => {
        using folder = temporaryFolder();
        await using chain = await openTestChain(folder.path);
        const writers = new Map(
          [alice, bob, carol].map((account) => [account, chainClients({ embedded: chain, account })]),
        );
        const sample = await deploySample(writers.get(alice)!);
        await Promise.all(
          actions.map(async ({ by, what, wei, tip }, index) => {
            const writer = writers.get(by)!;
            const fees = { maxFeePerGas: tip, maxPriorityFeePerGas: tip, gas: 300_000n };
            const fresh: Hex = `0x${keccak256(`0x${(index + 16).toString(16)}`).slice(26)}`;
            const call = (functionName: string, args: unknown[], value = 0n) =>
              writer.wallet.writeContract({ ...sample, functionName, args, value, ...fees } as never);
            if (what === "transfer")
              await writer.wallet.sendTransaction({ to: eve.address, value: wei, ...fees });
            else if (what === "fresh")
              await writer.wallet.sendTransaction({ to: fresh, value: wei, ...fees });
            else if (what === "pay") await call("pay", [fresh, wei], wei);
            else if (what === "hidden") await call("payHidden", [BigInt(index)], wei);
            else if (what === "count") await call("incrementBy", [3n]);
            else if (what === "revert") await call("pay", [sample.address, 10n * totalSupplyWei]);
            else
              await writer.wallet.deployContract({
                ...Sample,
                args: [`${index}`],
                value: wei,
                ...fees,
                gas: 2_000_000n,
              } as never);
          }),
        );
        const proof = await proveSupply(chain);
        assert.equal(proof.balancesWei, totalSupplyWei);
        assert.equal(proof.destroyedWei, 0n);
      },
    ),
    { numRuns: 8 },
  );
});

test("what a contract burns by destroying itself in its own creation is found, to the wei", async () => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path);
  const writer = chainClients({ embedded: chain, account: alice });
  const sample = await deploySample(writer);
  const burns = [open, 7n].map((value) => ({ ...sample, functionName: "burn", value }) as const);
  const hashes: Hex[] = [];
  for (const burn of burns) hashes.push((await writer.write(burn as never)).transactionHash);
  await writer.write({ ...sample, functionName: "payHidden", args: [5n], value: 100n } as never);
  const direct = await writer.wallet.deployContract({ ...contracts.Burner, args: [], value: 3n } as never);
  await writer.waitForReceipt(direct);
  const proof = await proveSupply(chain);
  assert.equal(proof.destroyedWei, open + 10n);
  assert.equal(proof.balancesWei + proof.destroyedWei, totalSupplyWei);
  assert.deepEqual(proof.destroyed, [
    { transactionHash: hashes[0], wei: open },
    { transactionHash: hashes[1], wei: 7n },
    { transactionHash: direct, wei: 3n },
  ]);
});
