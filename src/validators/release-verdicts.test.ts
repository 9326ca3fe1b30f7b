import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseEventLogs, stringToHex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import {
  account,
  ann,
  ben,
  deployer,
  open,
  openWorld,
  type World,
  windowSec,
} from "../payments/fixtures/world.ts";
import { bytesDigest, type Digest, textDigest, toHex, zeroAddress, zeroDigest } from "../protocol/index.ts";
import { hashChain } from "./lottery.ts";
import {
  backRelease,
  closeBallot,
  commitRelease,
  executeRefutation,
  openRound,
  readLastRound,
  readReleaseBallot,
  readReleaseRound,
  readReleaseStanding,
  releaseCommitment,
  resolveRound,
  revealRelease,
  withdrawReleaseBond,
  witnessSeed,
} from "./release-verdicts.ts";

const phase = 600;
const stake = 200n * open;
const bond = 50n * open;
const salt = textDigest("salt");
const validators = [71, 72, 73, 74].map(account) as PrivateKeyAccount[];

let world: World;
let modelId: bigint;
let datanetId: bigint;

before(async () => {
  world = await openWorld({ verdictSeconds: BigInt(phase) });
  for (const [id, value] of [
    ["releaseBondWei", bond],
    ["attestationRequired", 1n],
  ] as const) {
    const args = [stringToHex(id, { size: 32 }), value] as const;
    await world.client(deployer).write({ ...world.contracts.ProtocolParameters, functionName: "set", args });
  }
  await world.pass(2 * windowSec);
  const owner = world.client(ann);
  const { DatanetRegistry, ModelRegistry, OpenStaking, Verdicts } = world.contracts;
  await owner.write({ ...DatanetRegistry, functionName: "create", args: [textDigest("card"), "CC0-1.0"] });
  datanetId = await owner.public.readContract({ ...DatanetRegistry, functionName: "datanetCount" });
  const version = [datanetId, textDigest("root"), 3, textDigest("CC0-1.0"), textDigest("consents")] as const;
  await owner.write({ ...DatanetRegistry, functionName: "publishVersion", args: version });
  const { logs } = await owner.write({ ...ModelRegistry, functionName: "register", args: ["judged"] });
  const [registered] = parseEventLogs({ abi: ModelRegistry.abi, eventName: "ModelRegistered", logs });
  modelId = registered!.args.modelId;
  for (const validator of validators) {
    await world.client(deployer).send({ to: validator.address, value: stake + 10n * open });
    const args = [BigInt(validator.address), 0] as const;
    await world.client(validator).write({ ...OpenStaking, functionName: "open", args, value: stake });
  }
  await world.pass(60);
  for (const validator of validators) {
    const { tip } = hashChain(textDigest(validator.address), 8);
    await world.client(validator).write({ ...Verdicts, functionName: "register", args: [tip, zeroAddress] });
  }
  await world.pass(2);
});
after(() => world.close());

async function publish(name: string): Promise<Digest> {
  const releaseId = textDigest(name);
  const release = {
    releaseId,
    baseDigest: textDigest("base"),
    adapterDigest: textDigest("adapter"),
    indexRoot: textDigest("index"),
    indexRows: 10,
    contributorRows: 4,
    k: 16,
    thresholdMillionths: 1_000_000,
    parentRelease: zeroDigest,
    promptWeiPerToken: 1n,
    completionWeiPerToken: 2n,
    versions: [{ datanetId, version: 1n }],
  };
  await world
    .client(ann)
    .write({ ...world.contracts.ModelRegistry, functionName: "publishRelease", args: [modelId, release] });
  return releaseId;
}

/** Everyone but the silent commits and reveals; the first `wrongs` find it wrong. */
async function judge(releaseId: Digest, wrongs: number, silent = 0): Promise<void> {
  const { contracts } = world;
  const round = (await readLastRound(world.client(ann), contracts, releaseId))!;
  const judges = validators.slice(0, validators.length - silent);
  const witness = new Uint8Array(128).fill(round.round);
  const verdict = (validator: PrivateKeyAccount, i: number) => ({
    releaseId,
    round: round.round,
    validator: toHex(validator.address),
    wrong: i < wrongs,
    digest: bytesDigest(witness),
    witness,
    salt,
  });
  for (const [i, validator] of judges.entries()) {
    const contract = toHex(contracts.ReleaseVerdicts.address);
    const commitment = releaseCommitment(world.client(ann).chain.id, contract, verdict(validator, i));
    await commitRelease(world.client(validator), contracts, releaseId, commitment);
  }
  await world.pass(phase);
  for (const [i, validator] of judges.entries())
    await revealRelease(world.client(validator), contracts, verdict(validator, i));
  await world.pass(phase);
  await resolveRound(world.client(ben), contracts, releaseId);
}

const settleable = async (releaseId: Digest) => {
  const reader = world.client(ann).public;
  const { timestamp } = await reader.getBlock({ blockTag: "pending" });
  return reader.readContract({
    ...world.contracts.ReleaseVerdicts,
    functionName: "settleableAt",
    args: [releaseId, timestamp],
    blockTag: "pending",
  });
};

test("seed and commitment are the contract's", async () => {
  const { ReleaseVerdicts } = world.contracts;
  const validator = toHex(validators[0]!.address);
  const releaseId = textDigest("any");
  const reader = world.client(ann).public;
  assert.equal(
    await reader.readContract({
      ...ReleaseVerdicts,
      functionName: "seedOf",
      args: [releaseId, 7n],
    }),
    witnessSeed(releaseId, 7),
  );
  const digest = textDigest("digest");
  assert.equal(
    await reader.readContract({
      ...ReleaseVerdicts,
      functionName: "commitmentOf",
      args: [validator, releaseId, 7n, true, digest, salt],
    }),
    releaseCommitment(world.client(ann).chain.id, toHex(ReleaseVerdicts.address), {
      validator,
      releaseId,
      round: 7,
      wrong: true,
      digest,
      salt,
    }),
  );
});

test("a release is backed, judged right, attested, and its bond comes back after it is deprecated", async () => {
  const { contracts } = world;
  const owner = world.client(ann);
  const releaseId = await publish("right");
  assert.deepEqual(await readLastRound(owner, contracts, releaseId), undefined);
  await assert.rejects(backRelease(world.client(ben), contracts, releaseId, bond), /NotOwner/);
  await assert.rejects(openRound(world.client(ben), contracts, releaseId), /BondTooSmall/);
  await backRelease(owner, contracts, releaseId, bond);
  assert.equal(await settleable(releaseId), false);
  await openRound(world.client(ben), contracts, releaseId);
  const opened = await readReleaseStanding(owner, contracts, releaseId);
  assert.equal(opened.outcome, "open");
  assert.equal(opened.round?.opener, toHex(ben.address));
  assert.equal(opened.round?.total, 4n * stake);
  assert.deepEqual([opened.required, opened.attested, opened.withdrawableAt], [true, false, null]);
  assert.deepEqual([opened.bondWei, opened.requiredBondWei], [bond, bond]);

  await judge(releaseId, 1);
  const standing = await readReleaseStanding(owner, contracts, releaseId);
  assert.deepEqual(
    [standing.outcome, standing.attested, standing.round?.quorum],
    ["attested", true, "right"],
  );
  assert.equal(await settleable(releaseId), true);
  const against = { releaseId, round: 1, validator: toHex(validators[0]!.address) };
  await closeBallot(world.client(ben), contracts, "chargeVerdict", against);
  const agreed = { releaseId, round: 1, validator: toHex(validators[1]!.address) };
  await closeBallot(world.client(ben), contracts, "payFee", agreed);
  const ballot = await readReleaseBallot(owner, contracts, releaseId, 1, against.validator);
  assert.deepEqual(
    [ballot.weight, ballot.answer, ballot.charged, ballot.paid],
    [stake, "wrong", true, false],
  );
  assert.equal((await readReleaseBallot(owner, contracts, releaseId, 1, agreed.validator)).paid, true);
  await assert.rejects(openRound(world.client(ben), contracts, releaseId), /WrongOutcome/);

  await assert.rejects(withdrawReleaseBond(owner, contracts, releaseId), /NotDeprecated/);
  await owner.write({
    ...contracts.ModelRegistry,
    functionName: "setDeprecated",
    args: [releaseId, true],
  });
  const { withdrawableAt, timestamp } = await readReleaseStanding(owner, contracts, releaseId);
  assert.ok(withdrawableAt !== null && withdrawableAt > timestamp);
  await assert.rejects(withdrawReleaseBond(owner, contracts, releaseId), /TooEarly/);
  await world.pass(withdrawableAt - timestamp);
  await withdrawReleaseBond(owner, contracts, releaseId);
  const left = await readReleaseStanding(owner, contracts, releaseId);
  assert.deepEqual([left.outcome, left.attested, left.bondWei], ["withdrawn", false, 0n]);
  await world.pass(windowSec);
  assert.equal(await settleable(releaseId), false);
});

test("a refuted release loses its bond after the appeal; a round without a quorum is opened again", async () => {
  const { contracts } = world;
  const releaseId = await publish("wrong");
  await backRelease(world.client(ann), contracts, releaseId, bond);
  await openRound(world.client(ben), contracts, releaseId);
  await judge(releaseId, 1, 2);
  assert.equal((await readLastRound(world.client(ann), contracts, releaseId))?.outcome, "no quorum");
  const silent = { releaseId, round: 1, validator: toHex(validators[3]!.address) };
  await closeBallot(world.client(ben), contracts, "chargeSilence", silent);
  await openRound(world.client(ben), contracts, releaseId);
  await judge(releaseId, 3);
  const refuted = (await readLastRound(world.client(ann), contracts, releaseId))!;
  assert.deepEqual([refuted.round, refuted.outcome], [2, "refuted"]);
  await assert.rejects(executeRefutation(world.client(ben), contracts, releaseId), /WrongPhase/);
  const { timestamp } = await readReleaseStanding(world.client(ann), contracts, releaseId);
  await world.pass(refuted.executableAt - timestamp);
  await executeRefutation(world.client(ben), contracts, releaseId);
  assert.equal((await readReleaseStanding(world.client(ann), contracts, releaseId)).bondWei, 0n);
  const { ReleaseVerdicts } = contracts;
  const credit = await world.client(ann).public.readContract({
    ...ReleaseVerdicts,
    functionName: "creditOf",
    args: [ben.address],
    blockTag: "pending",
  });
  assert.equal(
    credit,
    refuted.fee + ((bond - refuted.fee) * 3n) / 10n,
    "its fee, and three tenths of the rest",
  );
  assert.equal((await readReleaseRound(world.client(ann), contracts, releaseId, 1))?.outcome, "no quorum");
});
