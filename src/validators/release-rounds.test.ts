import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { stringToHex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import {
  account,
  ann,
  deployer,
  open,
  openWorld,
  type World,
  windowSec,
} from "../payments/fixtures/world.ts";
import {
  bytesDigest,
  type Digest,
  decodeRow,
  textDigest,
  toBytes,
  toHex,
  zeroAddress,
} from "../protocol/index.ts";
import { type Database, openScratchDatabase } from "../store/index.ts";
import { publishData, publishIndex, serveReleases } from "./fixtures/index-node.ts";
import { type IndexRelease, makeIndexRelease, withIndex } from "./fixtures/index-release.ts";
import { nodeSource } from "./node-source.ts";
import { findReleaseVerdict } from "./release-tables.ts";
import {
  backRelease,
  commitRelease,
  openRound,
  readReleaseBallot,
  readReleaseStanding,
  releaseCommitment,
  revealRelease,
} from "./release-verdicts.ts";
import { openValidator, type Validator } from "./service.ts";
import { openStatements, type Statements } from "./statements.ts";

const phase = 600;
const appeal = 1_200;
const stake = 200n * open;
const bond = 50n * open;
const judges = [61, 62, 63].map(account) as PrivateKeyAccount[];

/** Has a seat, and calls the honest release right without looking. */
const lazy = account(64);

let world: World;
let release: IndexRelease;
let statements: Statements;
let url: string;
/** An honest one, one with an inflated null row, one whose explain index is kept back. */
let ids: { honest: Digest; lying: Digest; hiding: Digest };
let validators: Validator[] = [];
const warnings: string[] = [];
/** A node that is down: asked first, and in nobody's way. */
const dead = "http://127.0.0.1:1";
const databases: Database[] = [];
const closers: (() => Promise<unknown>)[] = [];

before(async () => {
  world = await openWorld({ verdictSeconds: BigInt(phase), appealSeconds: BigInt(appeal) });
  const { ProtocolParameters, OpenStaking } = world.contracts;
  for (const [id, value] of [
    ["releaseBondWei", bond],
    ["minimumThresholdMillionths", 100_000n],
  ] as const) {
    const args = [stringToHex(id, { size: 32 }), value] as const;
    await world.client(deployer).write({ ...ProtocolParameters, functionName: "set", args });
  }
  await world.pass(2 * windowSec);
  release = await makeIndexRelease();
  const { material } = release;
  const rows = material.index.map(({ bytes }) => Int16Array.from(decodeRow(bytes)));
  const lying = withIndex(material, {
    rows: rows.map((row, i) => (i === release.payees.length + 2 ? row.map((x) => Math.trunc(x / 4)) : row)),
  });
  const hiding = { ...material, manifest: { ...material.manifest, createdAtMs: 2 } };
  const owner = world.client(ann);
  await publishData(owner, world.contracts, release);
  const [honestId, lyingId, hidingId] = [
    await publishIndex(owner, world.contracts, material),
    await publishIndex(owner, world.contracts, lying),
    await publishIndex(owner, world.contracts, hiding),
  ];
  ids = { honest: honestId, lying: lyingId, hiding: hidingId };
  statements = await openStatements({ database: world.database, chain: owner, contracts: world.contracts });
  const served = await serveReleases(owner, world.contracts, {
    releases: [material, lying, hiding],
    ...{ carried: release.carried, statements, hides: new Set([`${hidingId}/explain`]) },
  });
  closers.push(served.close);
  url = served.url;
  for (const validator of judges) {
    await world.client(deployer).send({ to: validator.address, value: stake + 100n * open });
    const args = [BigInt(validator.address), 0] as const;
    await world.client(validator).write({ ...OpenStaking, functionName: "open", args, value: stake });
    databases.push(await openScratchDatabase());
  }
  const own = [BigInt(lazy.address), 0] as const;
  await world.client(deployer).send({ to: lazy.address, value: 150n * open });
  await world.client(lazy).write({ ...OpenStaking, functionName: "open", args: own, value: 100n * open });
  await world.pass(60);
  const place = [textDigest("tip"), zeroAddress] as const;
  await world.client(lazy).write({ ...world.contracts.Verdicts, functionName: "register", args: place });
  await startAll();
  assert.ok((await turn()).every(({ seated }) => seated));
  await world.pass(10);
});
after(async () => {
  await stopAll();
  for (const close of closers) await close();
  for (const database of databases) await database.close();
  await world.close();
});

async function startAll(): Promise<void> {
  validators = [];
  for (const [i, by] of judges.entries())
    validators.push(
      await openValidator({
        database: databases[i] as Database,
        ...{ blobs: world.blobs, chain: world.client(by), contracts: world.contracts, base: release.base },
        nodes: new Map([
          [toHex(deployer.address), nodeSource(dead)],
          [toHex(ann.address), nodeSource(url)],
        ]),
        chainLength: 64,
        onBlock: (listener) => world.chain.onBlock(listener),
        now: world.now,
        log: (level, message) => {
          if (level === "warn") warnings.push(message);
          if (process.env.OPENLEDGER_TEST_LOG)
            process.stderr.write(`${by.address.slice(0, 6)} ${level} ${message}\n`);
        },
      }),
    );
}
async function stopAll(): Promise<void> {
  for (const validator of validators) await validator.close();
}
/** One round of every validator. */
async function turn() {
  const done = [];
  for (const validator of validators) done.push(await validator.round());
  return done;
}
const stepsOf = (rounds: Awaited<ReturnType<typeof turn>>, releaseId: Digest) =>
  rounds.map(({ releases }) => releases.find((step) => step.releaseId === releaseId)?.step);
const standing = (id: Digest) => readReleaseStanding(world.client(ann), world.contracts, id);
const everyone = <T>(value: T) => judges.map(() => value);
async function openOn(id: Digest): Promise<void> {
  await backRelease(world.client(ann), world.contracts, id, bond);
  await openRound(world.client(deployer), world.contracts, id);
}

test("three validators attest an honest release; stopped in between, they reveal what they committed to", async () => {
  await openOn(ids.honest);
  assert.deepEqual(stepsOf(await turn(), ids.honest), everyone("committed"));
  const made = {
    ...{ releaseId: ids.honest, round: 1, validator: toHex(lazy.address), wrong: false },
    ...{ witness: new Uint8Array(128).fill(7), salt: textDigest("salt") },
  };
  const { ReleaseVerdicts } = world.contracts;
  const commitment = releaseCommitment(world.client(lazy).chain.id, toHex(ReleaseVerdicts.address), {
    ...{ ...made, digest: bytesDigest(made.witness) },
  });
  await commitRelease(world.client(lazy), world.contracts, ids.honest, commitment);
  const key = { releaseId: ids.honest, round: 1 };
  const kept = await Promise.all(databases.map((database) => findReleaseVerdict(database, key)));
  assert.deepEqual(
    kept.map((verdict) => verdict?.wrong),
    everyone(false),
  );
  await stopAll();
  await startAll();
  assert.deepEqual(stepsOf(await turn(), ids.honest), everyone("waits"));
  await world.pass(phase);
  await revealRelease(world.client(lazy), world.contracts, made);
  assert.deepEqual(stepsOf(await turn(), ids.honest), everyone("revealed"));
  for (const [i, { address }] of judges.entries()) {
    const ballot = await readReleaseBallot(world.client(ann), world.contracts, ids.honest, 1, toHex(address));
    assert.equal(ballot.digest, bytesDigest(kept[i]?.witness as Uint8Array));
  }
  const said = await statements.list({ kind: "index", subject: ids.honest });
  assert.equal(said.length, 3, "whoever keeps it has it");
  const refused = warnings.filter((text) => text.startsWith(`${dead} does not keep what was found`));
  assert.equal(refused.length, 3, "and who does not is named");
  const witnesses = new Set(said.map(({ statement }) => statement.body.witness));
  assert.equal(witnesses.size, 1, "who has looked has seen the same");
  for (const { statement } of said)
    assert.equal(bytesDigest(toBytes(statement.body.witness as `0x${string}`)), statement.body.digest);
  await world.pass(phase);
  assert.deepEqual(stepsOf(await turn(), ids.honest), everyone("done"));
  const { outcome, attested } = await standing(ids.honest);
  assert.deepEqual([outcome, attested], ["attested", true]);
  const chargedOf = async ({ address }: PrivateKeyAccount) =>
    (await readReleaseBallot(world.client(ann), world.contracts, ids.honest, 1, toHex(address))).charged;
  assert.deepEqual(await Promise.all(judges.map(chargedOf)), everyone(false));
  assert.ok(await chargedOf(lazy), "who has not looked is charged");
  assert.deepEqual(stepsOf(await turn(), ids.honest), everyone(undefined), "nothing is left to do");
});

test("a false null row costs its developer the bond, after the appeal", async () => {
  await openOn(ids.lying);
  assert.deepEqual(stepsOf(await turn(), ids.lying), everyone("committed"));
  const verdict = await findReleaseVerdict(databases[0] as Database, { releaseId: ids.lying, round: 1 });
  assert.equal(verdict?.reason, "null rows: null row 2 is 0.250 times as long as recomputed");
  for (let i = 0; i < 2; i++) {
    await world.pass(phase);
    await turn();
  }
  assert.equal((await standing(ids.lying)).outcome, "refuted");
  await world.pass(appeal);
  await turn();
  const { outcome, bondWei } = await standing(ids.lying);
  assert.deepEqual([outcome, bondWei], ["executed", 0n]);
});

test("what is kept back is waited for as long as there is time, then counts as withheld", async () => {
  await openOn(ids.hiding);
  assert.deepEqual(stepsOf(await turn(), ids.hiding), everyone("waits"));
  await world.pass(phase - 60);
  assert.deepEqual(stepsOf(await turn(), ids.hiding), everyone("committed"));
  const verdict = await findReleaseVerdict(databases[0] as Database, { releaseId: ids.hiding, round: 1 });
  assert.match(verdict?.reason ?? "", /^withheld: .*its explain index is not given/);
  for (let i = 0; i < 2; i++) {
    await world.pass(phase);
    await turn();
  }
  assert.equal((await standing(ids.hiding)).outcome, "refuted");
});
