import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import type { PrivateKeyAccount } from "viem/accounts";
import { datanetRegistryAbi } from "../../chain/contracts/index.ts";
import {
  type AccessRequest,
  contributionCommitment,
  type Digest,
  exampleDigest,
  examplesDigest,
  signAccessRequest,
  signWithdrawal,
  textDigest,
  zeroDigest,
} from "../../protocol/index.ts";
import { DatanetError } from "../errors.ts";
import {
  ada,
  bo,
  card,
  chunksOf,
  example,
  lines,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
  writeAs,
} from "../fixtures/world.ts";
import { datanetRoutes } from "../routes.ts";
import { createDatanets, type Datanets } from "../service.ts";
import { krippendorffAlpha, wilsonLower } from "./agreement.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
let nowMs = 1_795_000_000_000;
let made = 0;

before(async () => {
  world = await openWorld();
  service = await createDatanets({ ...world, now: () => nowMs });
});
after(() => world.close());
beforeEach(async () => {
  ({ datanetId } = await service.create(owner, { ...card, name: `Curated ${made++}` }));
});

const write = (functionName: string, args: readonly unknown[]) =>
  writeAs(world, owner, { address: world.registryAddress, abi: datanetRegistryAbi, functionName, args });
const name = (curator: PrivateKeyAccount) => write("setCurator", [datanetId, curator.address, true]);

/** Commits to rows on chain, then gives them. */
async function give(by: PrivateKeyAccount, text: string, salt: Digest = textDigest(`salt ${made++}`)) {
  const input = await signed(world.registry, datanetId, by, text);
  const commitment = contributionCommitment(by.address, input.consent.examplesDigest, salt);
  await write("commitContribution", [datanetId, commitment]);
  return service.contribute({ ...input, salt });
}

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof DatanetError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
const queueOf = (curator: PrivateKeyAccount, limit = 100) =>
  service.curation.queue(datanetId, curator.address.toLowerCase() as `0x${string}`, limit);
const judge = (curator: PrivateKeyAccount, rows: readonly number[], decision: "accept" | "reject") =>
  service.curation.review(
    datanetId,
    curator.address.toLowerCase() as `0x${string}`,
    rows.map((row) => ({ row, decision, reason: decision === "reject" ? "no" : "" })),
  );

test("what is to be reviewed is committed to first, waits, and counts once enough curators took it", async () => {
  await service.curation.setOverlap(datanetId, 2);
  await name(bo);
  const plain = await signed(world.registry, datanetId, ada, lines(example(1)));
  await assert.rejects(service.contribute(plain), refused("not-committed"));
  await assert.rejects(
    service.contribute({ ...plain, salt: textDigest("made up"), chunks: chunksOf(lines(example(1))) }),
    refused("not-committed"),
  );
  const previewed = await service.preview(datanetId, chunksOf(lines(example(1), example(1))));
  assert.deepEqual(
    previewed.rows.map(({ status }) => status),
    ["pending", "duplicate"],
    "a preview says what would wait",
  );
  const report = await give(ada, lines(example(1), example(2), example(3)));
  assert.deepEqual([report.accepted, report.pending], [0, 3]);
  await assert.rejects(service.publishVersion(datanetId, owner), (error) => {
    assert.match((error as DatanetError).message, /no accepted training row yet\. 3 rows wait for curators/);
    assert.deepEqual((error as DatanetError).details, { pending: 3 });
    return refused("nothing-to-publish")(error);
  });

  const rows = (await queueOf(owner)).map(({ row }) => row);
  assert.equal(rows.length, 3);
  assert.deepEqual(
    (await queueOf(bo)).map(({ row }) => row),
    rows,
    "two may look at a row",
  );
  assert.deepEqual(await judge(owner, rows, "accept"), { recorded: 3, accepted: 0, rejected: 0 });
  assert.deepEqual(await judge(bo, rows.slice(0, 1), "accept"), { recorded: 1, accepted: 1, rejected: 0 });
  assert.deepEqual(await judge(bo, rows.slice(1, 2), "reject"), { recorded: 1, accepted: 0, rejected: 0 });
  const second = await service.getContribution(report.contributionId);
  assert.deepEqual([second.accepted, second.pending, second.rejected], [1, 2, 0]);
  assert.deepEqual(
    second.rows[1]?.reviews?.map(({ decision }) => decision),
    ["accept", "reject"],
  );

  await name(stranger);
  assert.deepEqual(
    (await queueOf(stranger)).map(({ row }) => row),
    [rows[1]],
    "a draw goes to a third; one that another is looking at does not",
  );
  assert.deepEqual(await judge(stranger, [rows[1] as number], "reject"), {
    recorded: 1,
    accepted: 0,
    rejected: 1,
  });
  const version = await service.publishVersion(datanetId, owner);
  assert.equal(version.count, 1);
  const { agreement, curators, contributors, pending } = await service.curation.standing(datanetId);
  assert.equal(pending, 1);
  assert.ok(agreement !== null && agreement < 0.5);
  assert.deepEqual(
    curators.map(({ reviews, withOutcome }) => [reviews, withOutcome]),
    [
      [3, 0.5],
      [2, 1],
      [1, 1],
    ],
  );
  assert.deepEqual(
    contributors.map(({ accepted, rejected }) => [accepted, rejected]),
    [[1, 1]],
  );
});

test("nobody judges their own, twice, what is decided, or without being a curator; all of a batch or none", async () => {
  await service.curation.setOverlap(datanetId, 1);
  await name(ada);
  await give(ada, lines(example(1)));
  await give(bo, lines(example(2), example(3)));
  assert.deepEqual((await queueOf(ada)).length, 2);
  await assert.rejects(queueOf(stranger), refused("not-curator"));
  const all = (await queueOf(owner)).map(({ row }) => row);
  assert.deepEqual(all.length, 1, "the others are Ada's to judge for now");
  nowMs += 31 * 60_000;
  const rows = (await queueOf(owner)).map(({ row }) => row);
  assert.equal(rows.length, 3);
  const [own, ...others] = rows as [number, ...number[]];
  await assert.rejects(judge(ada, [others[0] as number, own], "accept"), refused("not-pending"));
  assert.equal((await service.curation.standing(datanetId)).pending, 3);
  await judge(ada, others, "reject");
  await assert.rejects(judge(owner, others, "accept"), refused("not-pending"));
  await assert.rejects(judge(owner, [999_999], "accept"), refused("not-pending"));
  await assert.rejects(judge(stranger, [own], "accept"), refused("not-curator"));
});

test("what is taken back is in no figure: the contributors' list and the standing of curation say the same of everybody", async () => {
  await give(ada, lines(example(1))); // counts without a curator
  await service.curation.setOverlap(datanetId, 1);
  await give(ada, lines(example(2), example(3), example(4), example(5)));
  await give(bo, lines(example(6)));
  const rows = (await queueOf(owner)).map(({ row }) => row);
  await judge(owner, rows.slice(0, 3), "accept");
  await judge(owner, rows.slice(3), "reject");
  const figures = async () => {
    const { accepted, rejected, contributors } = await service.curation.standing(datanetId);
    const listed = await service.contributors(datanetId, { offset: 0, limit: 10 });
    assert.deepEqual(
      contributors.filter((one) => one.accepted > 0).map((one) => [one.contributor, one.accepted]),
      listed.map((one) => [one.contributor, one.trainRows + one.heldoutRows]),
    );
    const sum = (of: "accepted" | "rejected") => contributors.reduce((all, one) => all + one[of], 0);
    assert.deepEqual([sum("accepted"), sum("rejected")], [accepted, rejected]);
    return contributors.map((one) => [one.accepted, one.rejected, one.judged, one.reputation]);
  };
  assert.deepEqual(await figures(), [
    [4, 1, 4, wilsonLower(3, 4)],
    [0, 1, 1, 0],
  ]);
  const digests = [exampleDigest(example(2))];
  const withdrawal = {
    ...{ datanetId, contributor: ada.address, examplesDigest: examplesDigest(digests) },
    ...{ exampleCount: 1, signedAt: BigInt(nowMs) / 1000n },
  };
  const signature = await signWithdrawal(world.registry.domain, withdrawal, ada);
  await service.withdraw({ withdrawal, signature, digests });
  assert.deepEqual(await figures(), [
    [3, 1, 3, wilsonLower(2, 3)],
    [0, 1, 1, 0],
  ]);
});

test("a batch that names a row twice is refused whole, and says which", async () => {
  await service.curation.setOverlap(datanetId, 1);
  await give(ada, lines(example(1), example(2)));
  const [first, second] = (await queueOf(owner)).map(({ row }) => row) as [number, number];
  const decide = (decisions: readonly ["accept" | "reject", number][]) =>
    service.curation.review(
      datanetId,
      owner.address.toLowerCase() as `0x${string}`,
      decisions.map(([decision, row]) => ({ row, decision, reason: "no" })),
    );
  const both = decide([
    ["accept", first],
    ["accept", second],
    ["reject", second],
  ]);
  await assert.rejects(both, refused("decided-twice"));
  await assert.rejects(both, new RegExp(`Row ${second} is both accepted and rejected`));
  const twice = decide([
    ["accept", first],
    ["accept", first],
  ]);
  await assert.rejects(twice, new RegExp(`Row ${first} is named twice`));
  assert.equal((await service.curation.standing(datanetId)).pending, 2, "nothing was recorded");
});

test("who sees a row in the queue cannot give it as their own", async () => {
  await service.curation.setOverlap(datanetId, 1);
  const long = {
    prompt: "Which path leads to the upper lake?",
    completion: ` ${example(7).prompt} north of the old mill, past nine stones and a dry well`,
  };
  await give(ada, lines(long));
  const copied = await give(bo, lines(long));
  assert.deepEqual(
    [copied.pending, copied.duplicates, copied.rows[0]?.duplicateOf?.contributor],
    [0, 1, ada.address.toLowerCase()],
  );
});

test("what waits is taken back by whoever gave it, and no curator gets it any more", async () => {
  await service.curation.setOverlap(datanetId, 1);
  const report = await give(ada, lines(example(1), example(2)));
  const digests = [report.rows[0]!.digest];
  const withdrawal = {
    ...{ datanetId, contributor: ada.address, examplesDigest: examplesDigest(digests) },
    ...{ exampleCount: 1, signedAt: BigInt(Math.floor(nowMs / 1000)) },
  };
  const signature = await signWithdrawal(world.registry.domain, withdrawal, ada);
  assert.equal((await service.withdraw({ withdrawal, signature, digests })).withdrawn, 1);
  assert.deepEqual(
    (await queueOf(owner)).map(({ digest }) => digest),
    [report.rows[1]?.digest],
  );
});

test("over HTTP a curator works with the pass that its signature opens", async () => {
  const app = datanetRoutes(service, {
    operator: {
      account: owner,
      guard: async (context, next) =>
        context.req.header("authorization") === "Bearer operator" ? next() : context.json({}, 401),
    },
  });
  const call = async (method: string, path: string, body?: object, token?: string) => {
    const response = await app.request(`/v1/datanets/${datanetId}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
    return { status: response.status, body: (await response.json()) as any };
  };
  assert.equal((await call("PUT", "/review", { overlap: 1 })).status, 401);
  assert.deepEqual((await call("PUT", "/review", { overlap: 1 }, "operator")).body, { overlap: 1 });
  // Curators read what waits, also where texts are gated.
  await call("PUT", "/access", { kind: "request", terms: "Ask." }, "operator");
  await give(ada, lines(example(1), example(2)));
  const { termsDigest } = (await call("GET", "/access")).body;
  const passOf = async (by: PrivateKeyAccount) => {
    const request: AccessRequest = {
      datanetId,
      reader: by.address,
      termsDigest,
      signedAt: BigInt(Math.floor(nowMs / 1000)),
      nonce: textDigest(`nonce ${made++}`),
    };
    const signature = await signAccessRequest(world.registry.domain, request, by);
    const { datanetId: _, signedAt, ...rest } = request;
    return (await call("POST", "/access", { ...rest, signedAt: Number(signedAt), signature })).body;
  };
  const { pass } = await passOf(owner);
  assert.equal((await passOf(bo)).state, "asked");
  const { readers } = (await call("GET", "/readers", undefined, "operator")).body;
  assert.equal(readers.length, 1, "a curator asks nobody's leave");
  assert.equal((await call("POST", "/review/queue")).body.error.code, "access-needed");
  const { rows } = (await call("POST", "/review/queue?limit=2", undefined, pass)).body;
  assert.deepEqual(
    rows.map(({ example: { prompt } }: { example: { prompt: string } }) => prompt),
    [example(1).prompt, example(2).prompt],
  );
  assert.ok(!JSON.stringify(rows).toLowerCase().includes(ada.address.toLowerCase()), "not whose they are");
  const [first, second] = rows;
  const decisions = [
    { row: first.row, decision: "accept" },
    {
      row: second.row,
      decision: "reject",
      reason: "The number is wrong.",
      proposal: { prompt: "a", completion: "b" },
    },
  ];
  const silent = await call(
    "POST",
    "/review/decisions",
    { decisions: [{ row: 1, decision: "reject" }] },
    pass,
  );
  assert.match(silent.body.error.message, /a rejection needs a reason/);
  assert.deepEqual((await call("POST", "/review/decisions", { decisions }, pass)).body, {
    recorded: 2,
    accepted: 1,
    rejected: 1,
  });
  const standing = (await call("GET", "/review")).body;
  assert.deepEqual([standing.overlap, standing.pending, standing.accepted, standing.rejected], [1, 0, 1, 1]);
  const [contribution] = await world.database.query<{ id: number }>(
    "select max(id) as id from datanets.contributions",
  );
  const report = await service.getContribution(Number(contribution?.id));
  assert.deepEqual(report.rows[1]?.reviews, [
    { decision: "reject", reason: "The number is wrong.", proposal: { prompt: "a", completion: "b" } },
  ]);
  assert.notEqual(termsDigest, zeroDigest);
});

test("agreement is 1 where all agree, about 0 where they toss coins; reputation needs more than luck", () => {
  assert.equal(
    krippendorffAlpha([
      { accept: 2, reject: 0 },
      { accept: 0, reject: 3 },
    ]),
    1,
  );
  assert.equal(krippendorffAlpha([{ accept: 1, reject: 0 }]), null);
  assert.equal(krippendorffAlpha([{ accept: 2, reject: 0 }]), null);
  // Krippendorff's own binary example of two judges over ten units: 14 of one kind, 6 of the other, four disagreements.
  const units = [
    ...Array(5).fill({ accept: 2, reject: 0 }),
    ...Array(4).fill({ accept: 1, reject: 1 }),
    { accept: 0, reject: 2 },
  ];
  assert.ok(Math.abs((krippendorffAlpha(units) as number) - 0.095) < 0.001);
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(1000), (good, bad) => {
      const lower = wilsonLower(good, good + bad);
      assert.ok(lower >= 0 && lower <= good / Math.max(1, good + bad) + 1e-12);
    }),
  );
  assert.ok(wilsonLower(2, 2) < wilsonLower(95, 100));
});

test("a near duplicate whose representative is turned down represents the next ones, also after a restart", async () => {
  await service.curation.setOverlap(datanetId, 1);
  const like = (end: string) => ({
    prompt: "Which path leads from the old mill to the upper lake in the valley?",
    completion: ` The one north of the weir, past nine grey stones and a dry well, and then ${end}`,
  });
  await give(ada, lines(like("left.")));
  const second = await give(bo, lines(like("right.")));
  assert.equal(second.rows[0]?.nearOf?.contributor, ada.address.toLowerCase());
  const queued = await queueOf(owner);
  const first = queued.find(({ example: text }) => JSON.stringify(text).includes("left."));
  assert.ok(first);
  await judge(owner, [first.row], "reject");
  for (const restart of [false, true]) {
    if (restart) service = await createDatanets({ ...world, now: () => nowMs });
    const next = await give(stranger, lines(like(restart ? "down." : "up.")));
    assert.deepEqual(
      [next.rows[0]?.status, next.rows[0]?.nearOf?.contributor],
      ["pending", bo.address.toLowerCase()],
      restart ? "after a restart" : "at once",
    );
  }
});
