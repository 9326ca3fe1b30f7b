import assert from "node:assert/strict";
import { test } from "node:test";
import { keccak256, stringToHex } from "viem";
import { chainClients } from "./clients.ts";
import {
  DeploymentMismatchError,
  deployProtocol,
  deploySteps,
  type ProtocolDeployment,
  protocolAddresses,
  protocolSteps,
} from "./deploy.ts";
import { alice, bob, open, openTestChain, temporaryFolder } from "./fixtures/chain.ts";
import { protocolAbis } from "./protocol-contracts.ts";

const deployment: ProtocolDeployment = {
  leastSeconds: 1n,
  values: { registrationFeeWei: 5n * open },
  vesting: { start: 1_700_000_000n, investors: alice.address, team: bob.address },
};

test("the protocol is deployed once, listed, paired rightly, usable, and found again after a restart", async () => {
  using folder = temporaryFolder();
  let chain = await openTestChain(folder.path);
  const said: string[] = [];
  let writer = chainClients({ embedded: chain, account: alice, abis: protocolAbis });
  const contracts = await deployProtocol(writer, deployment, (what) => said.push(what));
  assert.equal(said.length, Object.keys(contracts).length);
  const { public: reader } = writer;
  for (const [name, { address }] of Object.entries(contracts)) {
    const listed = await reader.readContract({
      ...contracts.ProtocolParameters,
      functionName: "contractOf",
      args: [stringToHex(name, { size: 32 })],
    });
    assert.equal(listed, address);
  }
  assert.equal(
    await reader.readContract({ ...contracts.ProtocolParameters, functionName: "owner" }),
    contracts.OpenTimelock.address,
  );
  assert.equal(
    await reader.readContract({ ...contracts.AttributionLedger, functionName: "channels" }),
    contracts.PaymentChannels.address,
  );
  const card = keccak256("0x01");
  await assert.rejects(
    writer.write({ ...contracts.DatanetRegistry, functionName: "create", args: [card, "CC-BY-4.0"] }),
    /DatanetRegistry.create reverted with \w+\(/,
  );
  await writer.write({
    ...contracts.DatanetRegistry,
    functionName: "create",
    args: [card, "CC-BY-4.0"],
    value: 5n * open,
  });
  assert.equal(await reader.readContract({ ...contracts.DatanetRegistry, functionName: "datanetCount" }), 1n);
  await chain.close();

  chain = await openTestChain(folder.path);
  writer = chainClients({ embedded: chain, account: alice, abis: protocolAbis });
  const blocks = chain.status().blockNumber;
  assert.deepEqual(await deployProtocol(writer, deployment), contracts);
  assert.equal(chain.status().blockNumber, blocks);
  await chain.close();
});

test("a deployment cut off after any step continues with the same addresses", async () => {
  const steps = protocolSteps(alice.address, deployment);
  for (let cut = 0; cut <= steps.length; cut += 5) {
    using folder = temporaryFolder();
    let chain = await openTestChain(folder.path);
    await deploySteps(chainClients({ embedded: chain, account: alice }), steps.slice(0, cut));
    await chain.close();
    chain = await openTestChain(folder.path);
    const writer = chainClients({ embedded: chain, account: alice });
    const said: string[] = [];
    const contracts = await deployProtocol(writer, deployment, (what) => said.push(what));
    assert.equal(said.length, steps.length - cut);
    const addresses = Object.fromEntries(
      Object.entries(contracts).map(([name, { address }]) => [name, address]),
    );
    assert.deepEqual(addresses, { ...protocolAddresses(alice.address) });
    await chain.close();
  }
});

test("governed values may differ on a later boot, code may not", async () => {
  using folder = temporaryFolder();
  await using chain = await openTestChain(folder.path);
  const writer = chainClients({ embedded: chain, account: alice });
  await deployProtocol(writer, deployment);
  await deployProtocol(writer, {
    ...deployment,
    values: { registrationFeeWei: 1n },
  });
  const steps = protocolSteps(alice.address, deployment);
  const changed = steps.with(2, { ...steps[2]!, data: `${steps[2]!.data}00` });
  await assert.rejects(deploySteps(writer, changed), (error) => {
    assert.ok(error instanceof DeploymentMismatchError);
    assert.match(error.message, /Transaction 2 of the deployer .* is not this release's "deploy GOPEN"/);
    return true;
  });
});
