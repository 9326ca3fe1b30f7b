import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseEventLogs, stringToHex } from "viem";
import { genesisSplit, textDigest, toHex } from "../protocol/index.ts";
import { chainFacts } from "./facts.ts";
import {
  ann,
  ben,
  deployer,
  openWorld,
  operator,
  stakersPool,
  treasury,
  type World,
} from "./fixtures/world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

const now = () => BigInt(Math.floor(world.now() / 1_000));

test("an answer pays those who own model, Datanets and pools when it is issued, whatever is sold or voted later", async () => {
  const { DatanetRegistry, ModelRegistry, ProtocolParameters } = world.contracts;
  const owner = world.client(ann);
  await owner.write({ ...DatanetRegistry, functionName: "create", args: [textDigest("card"), "CC0-1.0"] });
  const [root, license] = [textDigest("root"), textDigest("CC0-1.0")];
  await owner.write({
    ...DatanetRegistry,
    functionName: "publishVersion",
    args: [1n, root, 7, license, root],
  });
  const registered = await owner.write({ ...ModelRegistry, functionName: "register", args: ["valley"] });
  const [event] = parseEventLogs({
    abi: ModelRegistry.abi,
    eventName: "ModelRegistered",
    logs: registered.logs,
  });
  const { modelId } = event!.args;
  const releaseId = textDigest("release");
  const facts = chainFacts(world.client(deployer), world.contracts);
  assert.equal(await facts.release(releaseId), undefined, "an unknown release is told apart from an error");
  await owner.write({
    ...ModelRegistry,
    functionName: "publishRelease",
    args: [
      modelId,
      {
        releaseId,
        baseDigest: root,
        adapterDigest: root,
        indexRoot: root,
        indexRows: 9,
        contributorRows: 4,
        k: 16,
        thresholdMillionths: 1_000_000,
        parentRelease: `0x${"00".repeat(32)}`,
        promptWeiPerToken: 3n,
        completionWeiPerToken: 5n,
        versions: [{ datanetId: 1n, version: 1n }],
      },
    ],
  });
  const release = (await facts.release(releaseId))!;
  assert.deepEqual(
    [release.facts.rows, release.facts.contributors, release.datanets[0]!.examples],
    [9, 4, 7],
  );

  const before = await facts.issueTime(now());
  assert.ok(before >= release.facts.publishedAt && before <= now());
  const terms = await facts.terms(release, before, operator.address);
  assert.deepEqual(terms.split, genesisSplit);
  assert.deepEqual(terms.payees, {
    operator: toHex(operator.address),
    treasury,
    developer: toHex(ann.address),
    stakers: stakersPool,
  });
  assert.equal(terms.datanets[0]!.owner, toHex(ann.address));

  for (const [contract, id] of [
    [DatanetRegistry, 1n],
    [ModelRegistry, modelId],
  ] as const)
    await owner.write({
      ...contract,
      functionName: "transferFrom",
      args: [ann.address, ben.address, id],
    } as never);
  const elsewhere = BigInt(ann.address);
  await world.client(deployer).write({
    ...ProtocolParameters,
    functionName: "set",
    args: [stringToHex("treasury", { size: 32 }), elsewhere],
  });
  assert.deepEqual(await facts.terms(release, before, operator.address), terms, "what was said stays said");
  await world.pass(2);
  const later = await facts.terms(release, await facts.issueTime(now()), operator.address);
  assert.deepEqual(
    [later.payees.developer, later.payees.treasury, later.datanets[0]!.owner],
    [ben, ann, ben].map(({ address }) => toHex(address)),
  );
});

test("a receipt is issued at a time for which the chain's word is final", async () => {
  const facts = chainFacts(world.client(deployer), world.contracts);
  const { timestamp } = await world.client(deployer).public.getBlock();
  assert.equal(
    await facts.issueTime(timestamp - 50n),
    timestamp,
    "a clock that lags cannot make it older than the chain",
  );
  assert.equal(
    await facts.issueTime(timestamp + 50n),
    timestamp + 48n,
    "no block of now can still change it",
  );
});
