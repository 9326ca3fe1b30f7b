import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeFunctionData, keccak256, stringToHex } from "viem";
import { readConfig } from "./index.ts";
import { openNetwork } from "./network.ts";

const open = 10n ** 18n;

test("a vote raises the chain's minimum tip, without a restart", async () => {
  const home = mkdtempSync(join(tmpdir(), "openledger-tip-"));
  const network = await openNetwork(
    readConfig(home, { port: 0 }),
    () => "http://127.0.0.1:0/rpc",
    assert.fail,
  );
  try {
    const { chain, contracts } = network;
    const { GOPEN, OpenGovernor, ProtocolParameters } = contracts;
    const voter = network.writer(network.keys.account("liquidity"));
    const { address } = voter.account;
    assert.equal(chain.status().minTipWei, 10n ** 9n);

    await voter.write({ ...GOPEN, functionName: "deposit", value: 20_000_000n * open });
    await voter.write({ ...GOPEN, functionName: "delegate", args: [address] });
    await sleep(1_100);
    const description = "Double the minimum tip";
    const calls = [
      [ProtocolParameters.address],
      [0n],
      [
        encodeFunctionData({
          ...ProtocolParameters,
          functionName: "set",
          args: [stringToHex("minimumTipWei", { size: 32 }), 2n * 10n ** 9n],
        }),
      ],
    ] as const;
    await voter.write({ ...OpenGovernor, functionName: "propose", args: [...calls, description] });
    const hash = keccak256(stringToHex(description));
    const id = await voter.public.readContract({
      ...OpenGovernor,
      functionName: "hashProposal",
      args: [...calls, hash],
    });
    const state = async (expected: number) => {
      for (let waited = 0; waited < 30; waited++) {
        await chain.mineEmptyBlock();
        const now = await voter.public.readContract({ ...OpenGovernor, functionName: "state", args: [id] });
        if (now === expected) return;
        await sleep(500);
      }
      assert.fail(`The proposal never reached state ${expected}.`);
    };
    await state(1);
    await voter.write({ ...OpenGovernor, functionName: "castVote", args: [id, 1] });
    await state(4);
    await voter.write({ ...OpenGovernor, functionName: "queue", args: [...calls, hash] });
    await sleep(2_100);
    await voter.write({ ...OpenGovernor, functionName: "execute", args: [...calls, hash] });
    await sleep(1_100);
    await chain.mineEmptyBlock();
    await sleep(1_500);
    assert.equal(chain.status().minTipWei, 2n * 10n ** 9n);
    assert.equal(await chain.request({ method: "eth_maxPriorityFeePerGas", params: [] }), "0x77359400");
  } finally {
    await network.close();
    rmSync(home, { recursive: true, force: true });
  }
});
