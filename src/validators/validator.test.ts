import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import { type Checkpoint, loadCheckpoint } from "../engine/index.ts";
import { makeRelease, type TestRelease } from "../inference/fixtures/release.ts";
import { type BaseModel, openBaseModel } from "../modelfactory/index.ts";
import { tinyBaseName, writeTinyBase } from "../openlora/fixtures/tiny-base.ts";
import { account, ann, deployer, open, openWorld, type World } from "../payments/fixtures/world.ts";
import { assemble } from "../protocol/fixtures/batch.ts";
import { type Address, toHex, zeroDigest } from "../protocol/index.ts";
import { openSetting } from "../settlement/fixtures/liar.ts";
import { type Database, openScratchDatabase } from "../store/index.ts";
import { stepBallot } from "./ballots.ts";
import {
  type AnswerTwist,
  makeAnswers,
  publishedLines,
  publishTestRelease,
  serveAttester,
  settleContent,
} from "./fixtures/attester.ts";
import { nodeSource } from "./node-source.ts";
import { takeSeat } from "./seat.ts";
import { openValidator, type Validator } from "./service.ts";
import { openStatements, type Statements } from "./statements.ts";
import { findVerdict, migrateValidators, openDraws } from "./tables.ts";
import { drawCount, readBallot, readDraw } from "./verdicts.ts";

const price = { promptWeiPerToken: "1000000000000", completionWeiPerToken: "10000000000001" };
const contributors = [account(33), account(34), account(35)].map(({ address }) => toHex(address)).sort();
const stake = 200n * open;
const phaseSec = 1_200n;
const [one, two, three] = [61, 62, 63].map(account) as [
  PrivateKeyAccount,
  PrivateKeyAccount,
  PrivateKeyAccount,
];

let world: World;
let base: Checkpoint;
let baseModel: BaseModel;
let release: TestRelease;
let owners: Awaited<ReturnType<typeof publishTestRelease>>;
let statements: Statements;
let baseFolder: string;
const nodes = new Map<Address, ReturnType<typeof nodeSource>>();
const closers: (() => Promise<unknown>)[] = [];

before(async () => {
  world = await openWorld({ minimumBondWei: open, verdictSeconds: phaseSec, appealSeconds: 2n * phaseSec });
  baseFolder = writeTinyBase();
  base = loadCheckpoint(baseFolder);
  baseModel = await openBaseModel(tinyBaseName, baseFolder);
  release = await makeRelease({
    model: "valley",
    baseFolder,
    baseName: tinyBaseName,
    contributors,
    developer: toHex(ann.address),
    datanetId: 1n,
    price,
    seed: 7,
    thresholdMillionths: 1_000_000,
  });
  owners = await publishTestRelease(world.client(ann), world.contracts, release);
  statements = await openStatements({
    database: world.database,
    chain: world.client(ann),
    contracts: world.contracts,
  });
  for (const validator of [one, two, three]) {
    await world.client(deployer).send({ to: validator.address, value: stake + 100n * open });
    const { OpenStaking } = world.contracts;
    const args = [BigInt(validator.address), 0] as const;
    await world.client(validator).write({ ...OpenStaking, functionName: "open", args, value: stake });
  }
  await world.pass(60);
});
after(async () => {
  for (const close of closers.reverse()) await close();
  await world.close();
  rmSync(baseFolder, { recursive: true, force: true });
});

const read = () => world.client(ann).public;

/** A validator over a database of its own, which outlives it. */
async function start(by: PrivateKeyAccount, database: Database, opensAudits = false): Promise<Validator> {
  return openValidator({
    database,
    blobs: world.blobs,
    chain: world.client(by),
    contracts: world.contracts,
    base: baseModel,
    nodes,
    opensAudits,
    chainLength: 64,
    onBlock: (listener) => world.chain.onBlock(listener),
    now: world.now,
    log: (level, message) => {
      if (process.env.OPENLEDGER_TEST_LOG)
        process.stderr.write(`${by.address.slice(0, 6)} ${level} ${message}\n`);
    },
  });
}

async function newDatabase(): Promise<Database> {
  const database = await openScratchDatabase();
  closers.push(() => database.close());
  return database;
}

/** An attester that has settled one answer. */
async function attester(n: number, twist?: AnswerTwist, keepsTexts = true): Promise<PrivateKeyAccount> {
  const by = account(n);
  const opened = await openSetting(world, by, { ...owners }, { bondWei: 3n * open, collectedWei: open });
  const { receipts, evidence } = await makeAnswers(
    base,
    release,
    { ...opened, channels: opened.channels.slice(0, 1) },
    twist,
  );
  const content = assemble(receipts, []);
  await settleContent(world.client(by), world.contracts, content);
  const lines = await publishedLines(world.client(by), world.contracts, content);
  const served = await serveAttester(world.client(by), world.contracts, {
    lines,
    evidence: keepsTexts ? evidence : new Map(),
    release,
    statements,
  });
  closers.push(served.close);
  nodes.set(toHex(by.address), nodeSource(served.url));
  return by;
}

const standing = async (of: Address) => {
  const [bond, , batches] = await read().readContract({
    ...world.contracts.AttributionLedger,
    functionName: "attesterOf",
    args: [of],
  });
  return { bond, batches };
};
const steps = (round: Awaited<ReturnType<Validator["round"]>>, drawId: number) =>
  round.steps.find((step) => step.drawId === drawId)?.step;

test("three validators audit, find a bent query, accuse it and undo the batch; stopped in between, they reveal what they committed to", async () => {
  const databases = [await newDatabase(), await newDatabase(), await newDatabase()];
  const startAll = async () => [
    await start(one, databases[0]!, true),
    await start(two, databases[1]!),
    await start(three, databases[2]!),
  ];
  let validators = await startAll();
  const rounds = async () => {
    const done = [];
    for (const validator of validators) done.push(await validator.round());
    return done;
  };
  const phase = () => world.pass(Number(phaseSec) + 5);
  assert.ok((await rounds()).every(({ seated }) => seated));
  await world.pass(10);
  // The query is bent where it is largest: everything that follows from it is computed truly, so nothing can be proven on chain.
  const liar = await attester(101, {
    query: (all, i) => all[i]!.map((x) => (Math.abs(x) === 32_767 ? x >> 1 : x)),
  });
  const before = await standing(toHex(liar.address));

  const opened = await rounds();
  assert.equal(steps(opened[0]!, 1), "committed", "who opened the audit has judged");
  const kept = await Promise.all(databases.map((database) => findVerdict(database, 1)));
  assert.ok(
    kept.every((verdict) => verdict?.wrong && verdict.reason.startsWith("gradient")),
    kept[0]?.reason,
  );
  for (const validator of validators) await validator.close();
  validators = await startAll();
  await rounds();
  for (const [i, by] of [one, two, three].entries()) {
    const { commitment } = await readBallot(world.client(ann), world.contracts, 1, toHex(by.address));
    assert.equal(commitment, kept[i]?.commitment, "what is kept is what is committed to");
  }

  await phase();
  assert.ok((await rounds()).every((round) => steps(round, 1) === "revealed"));
  await rounds();
  const accusation = await readDraw(world.client(ann), world.contracts, 2);
  assert.deepEqual([accusation.receipt, accusation.attester], [0, toHex(liar.address)]);
  for (const by of [one, two, three]) {
    const ballot = await readBallot(world.client(ann), world.contracts, 2, toHex(by.address));
    assert.notEqual(ballot.commitment, zeroDigest, "everyone judges the accused receipt");
  }
  await phase();
  await rounds();
  await phase();
  await rounds();
  assert.equal((await readDraw(world.client(ann), world.contracts, 2)).outcome, "wrong");
  await world.pass(2 * Number(phaseSec) + 5);
  await rounds();
  assert.equal((await readDraw(world.client(ann), world.contracts, 2)).outcome, "executed");
  const now = await standing(toHex(liar.address));
  assert.ok(now.bond < before.bond, "the liar is poorer");
  assert.equal(now.batches, 0n, "the batch is undone");
  const slashed = before.bond - now.bond;
  const { fee } = await readDraw(world.client(ann), world.contracts, 1);
  const rest = slashed - 2n * fee;
  assert.equal(accusation.opener, toHex(one.address));
  assert.equal(
    await read().readContract({
      ...world.contracts.AttributionLedger,
      functionName: "creditOf",
      args: [one.address],
    }),
    2n * fee + (rest * 3_000n) / 10_000n,
    "who had it audited and accused it has both fees back, and three tenths of the rest",
  );
  for (const validator of validators) await validator.close();
});

test("who calls a receipt right without looking is found in an audit, accused, charged, and pays once the appeal is over", async () => {
  const lazy = account(64);
  const { OpenStaking } = world.contracts;
  await world.client(deployer).send({ to: lazy.address, value: 250n * open });
  const pool = [BigInt(lazy.address), 0] as const;
  await world.client(lazy).write({ ...OpenStaking, functionName: "open", args: pool, value: 100n * open });
  await world.pass(60);
  const validators = [
    await start(one, await newDatabase(), true),
    await start(two, await newDatabase()),
    await start(three, await newDatabase()),
  ];
  const database = await newDatabase();
  await migrateValidators(database);
  const [chain, { contracts }] = [world.client(lazy), world];
  const seat = () => takeSeat({ database, chain, contracts, chainLength: 64 });
  const guess = async () => ({
    wrong: false,
    reason: "a guess",
    gradient: Float32Array.from({ length: 300 }, () => Math.random() - 0.5),
  });
  const parts = { ...{ database, chain, contracts, judge: guess, lastSeconds: () => 0 }, now: world.now };
  const everyone = async () => {
    for (const validator of validators) await validator.round();
    for (const drawId of await openDraws(database, await drawCount(chain, contracts)))
      await stepBallot(
        { ...parts, log: () => {} },
        (await seat())!,
        await readDraw(chain, contracts, drawId),
      );
  };
  for (const validator of validators) assert.ok((await validator.round()).seated);
  assert.ok(await seat());
  const first = (await drawCount(chain, contracts)) + 1;
  await world.pass(10);
  await attester(102);
  const stakeOf = () =>
    read().readContract({ ...OpenStaking, functionName: "stakeOf", args: [BigInt(lazy.address)] });
  const stakeBefore = await stakeOf();

  for (let phase = 0; phase < 5; phase++) {
    for (let turn = 0; turn < 2; turn++) await everyone();
    await world.pass(Number(phaseSec) + 5);
  }
  await everyone();
  const accusation = await readDraw(chain, contracts, first + 1);
  assert.deepEqual([accusation.receipt, accusation.outcome], [0, "right"], "the batch is honest");
  for (const drawId of [first, first + 1]) {
    const ballot = await readBallot(chain, contracts, drawId, toHex(lazy.address));
    assert.deepEqual([ballot.answer, ballot.charged], ["right", true], `draw ${drawId}`);
    for (const honest of [one, two, three])
      assert.ok(!(await readBallot(chain, contracts, drawId, toHex(honest.address))).charged);
  }
  assert.ok((await stakeOf()) < stakeBefore);
  await world.pass(2 * Number(phaseSec) + 5);
  await everyone();
  const escrowed = () => read().readContract({ ...OpenStaking, functionName: "escrowed" });
  assert.equal(await escrowed(), 0n, "what was slashed is paid out");
  const credit = await read().readContract({
    ...OpenStaking,
    functionName: "creditOf",
    args: [accusation.opener],
  });
  assert.ok(credit > 2n * accusation.fee, "who had everyone look is paid more than it cost");
  for (const validator of validators) await validator.close();
});
