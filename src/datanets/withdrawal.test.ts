import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import {
  type Digest,
  exampleDigest,
  examplesDigest,
  signWithdrawal,
  type Withdrawal,
} from "../protocol/index.ts";
import { DatanetError, type DatanetErrorCode } from "./errors.ts";
import {
  ada,
  bo,
  card,
  example,
  lines,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
} from "./fixtures/world.ts";
import { createDatanets, type Datanets } from "./service.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
let count = 0;
const later = 1_795_000_000n;

before(async () => {
  world = await openWorld();
  service = await createDatanets({ ...world, now: () => Number(later) * 1000 });
});
after(() => world.close());
beforeEach(async () => {
  datanetId = (await service.create(owner, { ...card, name: `Withdrawals ${count++}` })).datanetId;
});

const give = async (by: PrivateKeyAccount, text: string, options = {}) =>
  service.contribute(await signed(world.registry, datanetId, by, text, options));

async function taken(
  by: PrivateKeyAccount,
  digests: Digest[],
  changes: Partial<Withdrawal> = {},
  signer = by,
) {
  const withdrawal: Withdrawal = {
    ...{ datanetId, contributor: by.address, examplesDigest: examplesDigest(digests) },
    ...{ exampleCount: digests.length, signedAt: later, ...changes },
  };
  return { withdrawal, signature: await signWithdrawal(world.registry.domain, withdrawal, signer), digests };
}

const refused = (code: DatanetErrorCode) => (error: unknown) =>
  error instanceof DatanetError && error.code === code ? true : assert.fail(String(error));
const digestOf = (n: number) => exampleDigest(example(n));

test("what is taken back is in no later version; earlier ones stand, and say so", async () => {
  const { contributionId } = await give(ada, lines(example(1), example(2), example(3)));
  await give(bo, lines(example(4)), { split: "heldout" });
  const first = await service.publishVersion(datanetId, owner);
  assert.deepEqual(await service.withdrawnRows(datanetId, 1), []);
  const request = await taken(ada, [digestOf(3), digestOf(1)]);
  assert.equal((await service.withdraw(request)).withdrawn, 2);
  assert.equal((await service.withdraw(request)).withdrawn, 2, "asked again it changes nothing");
  const report = await service.getContribution(contributionId);
  assert.deepEqual([report.exampleCount, report.accepted, report.withdrawn], [3, 1, 2]);
  assert.deepEqual(
    report.rows.map(({ withdrawnAtMs }) => withdrawnAtMs !== undefined),
    [true, false, true],
  );
  assert.equal((await service.withdraw(await taken(bo, [digestOf(4)]))).withdrawn, 1);

  const second = await service.publishVersion(datanetId, owner);
  assert.deepEqual([second.version, second.count, second.heldoutCount], [2, 1, 0]);
  const content = await service.getVersion(datanetId, 1);
  assert.deepEqual([content.root, content.rows.length], [first.root, 3]);
  assert.deepEqual(
    (await service.withdrawnRows(datanetId, 1)).map(({ digest, split }) => [digest, split]),
    [
      [digestOf(1), "train"],
      [digestOf(3), "train"],
      [digestOf(4), "heldout"],
    ],
  );
  assert.deepEqual(await service.withdrawnRows(datanetId, 2), []);
  assert.deepEqual(
    [await service.withdrawnCount(datanetId, 1), await service.withdrawnCount(datanetId, 2)],
    [3, 0],
  );
  await service.withdraw(await taken(ada, [digestOf(2)], { signedAt: later + 1n }));
  for (const _ of ["counted", "remembered"])
    assert.deepEqual(
      [await service.withdrawnCount(datanetId, 1), await service.withdrawnCount(datanetId, 2)],
      [4, 1],
    );
  const { added, removed, kept } = await service.diff(datanetId, 1, 2);
  assert.deepEqual([added, removed, kept], [0, 3, 1]);
});

test("given again under a later consent it stays, whatever was signed before", async () => {
  await give(ada, lines(example(1), example(2)));
  const request = await taken(ada, [digestOf(1)]);
  await service.withdraw(request);
  const report = await give(ada, lines(example(1)), { changes: { signedAt: later + 1n } });
  assert.equal(report.accepted, 1);
  await service.withdraw(request);
  await assert.rejects(
    service.withdraw(await taken(ada, [digestOf(1)], { signedAt: later - 1n })),
    refused("unknown-example"),
  );
  assert.equal((await service.publishVersion(datanetId, owner)).count, 2);
});

test("only who gave an example takes it back, and only what was given; else nothing is", async () => {
  await give(ada, lines(example(1), example(2)));
  await give(bo, lines(example(2), example(3)));
  for (const [request, code] of [
    [await taken(ada, [digestOf(1)], {}, stranger), "withdrawal-forged"],
    [await taken(stranger, [digestOf(1)]), "unknown-example"],
    [await taken(bo, [digestOf(2)]), "unknown-example"],
    [await taken(ada, [digestOf(1), digestOf(9)]), "unknown-example"],
    [await taken(ada, [digestOf(1), digestOf(1)]), "withdrawal-mismatch"],
    [{ ...(await taken(ada, [digestOf(1)])), digests: [digestOf(2)] }, "withdrawal-mismatch"],
    [await taken(ada, [digestOf(1)], { exampleCount: 2 }), "withdrawal-mismatch"],
    [await taken(ada, [digestOf(1)], { signedAt: later + 3_600n }), "withdrawal-mismatch"],
    [await taken(ada, [digestOf(1)], { datanetId: 999n }), "unknown-datanet"],
  ] as const)
    await assert.rejects(service.withdraw(request), refused(code));
  const { signature } = await taken(ada, [digestOf(1)]);
  const altered = { ...(await taken(ada, [digestOf(1)], { signedAt: later - 1n })), signature };
  await assert.rejects(service.withdraw(altered), refused("withdrawal-forged"));
  assert.equal((await service.publishVersion(datanetId, owner)).count, 3);
});
