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
import {
  type AnswerTwist,
  makeAnswers,
  publishedLines,
  publishTestRelease,
  serveAttester,
  settleContent,
} from "./fixtures/attester.ts";
import { nodeSource } from "./node-source.ts";
import { openValidator, type Validator } from "./service.ts";
import { openStatements, type Statements } from "./statements.ts";
import { findVerdict } from "./tables.ts";
import { readBallot, readDraw } from "./verdicts.ts";

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
  assert.equal((await statements.list({ kind: "projection", subject: "1" })).length, 3);
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
  for (const validator of validators) await validator.close();
});
