import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import { datanetRegistryAbi } from "../../chain/contracts/index.ts";
import {
  contributionCommitment,
  type Example,
  exampleDigest,
  examplesDigest,
  signConsent,
  textDigest,
  toHex,
} from "../../protocol/index.ts";
import {
  ada,
  bo,
  card,
  example,
  lines,
  openWorld,
  owner,
  signed,
  type World,
  writeAs,
} from "../fixtures/world.ts";
import { datanetRoutes } from "../routes.ts";
import { createDatanets, type Datanets } from "../service.ts";
import type { Decision } from "./review.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
let made = 0;
let signedAt = 1_791_000_000;

before(async () => {
  world = await openWorld();
  service = await createDatanets(world);
});
after(() => world.close());
beforeEach(async () => {
  ({ datanetId } = await service.create(owner, { ...card, name: `Edited ${made++}` }));
  await service.curation.setOverlap(datanetId, 1);
});

const write = (functionName: string, args: readonly unknown[]) =>
  writeAs(world, owner, { address: world.registryAddress, abi: datanetRegistryAbi, functionName, args });
async function give(by: PrivateKeyAccount, text: string): Promise<number> {
  const salt = textDigest(`salt ${made++}`);
  const input = await signed(world.registry, datanetId, by, text);
  const commitment = contributionCommitment(by.address, input.consent.examplesDigest, salt);
  await write("commitContribution", [datanetId, commitment]);
  return (await service.contribute({ ...input, salt })).contributionId;
}
/** The owner judges all that waits, each by what `of` says of it. */
async function judge(of: (text: Example) => Omit<Decision, "row">, by = owner) {
  const curator = toHex(by.address);
  const queued = await service.curation.queue(datanetId, curator, 100);
  const decisions = queued.map(({ row, example: text }) => ({ row, ...of(text) }));
  return service.curation.review(datanetId, curator, decisions);
}
async function accept(
  contributionId: number,
  edits: readonly { line: number; text: Example }[],
  by = ada,
  signer = by,
) {
  const listed = edits.map(({ line, text }) => ({ line, digest: exampleDigest(text) }));
  const digest = examplesDigest(listed.map((edit) => edit.digest));
  const terms = { contributor: toHex(by.address), examplesDigest: digest, exampleCount: edits.length };
  const consent = { ...terms, datanetId, license: card.license, signedAt: BigInt(signedAt++) };
  const signature = await signConsent(world.registry.domain, consent, signer);
  const response = await datanetRoutes(service).request(`/v1/contributions/${contributionId}/edits`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ contributor: consent.contributor, edits: listed, license: consent.license, signature },
      signedAt: Number(consent.signedAt),
    }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
  return { status: response.status, body: (await response.json()) as any };
}
const better = (n: number) => ({ prompt: `What follows ${n}?`, completion: ` ${n + 1}.` });

test("one signature takes what a curator proposed: the row counts, under the contributor's consent to it", async () => {
  const id = await give(ada, lines(example(1), example(2), example(3)));
  const told = await judge((text) =>
    "prompt" in text && text.prompt.includes("after 3")
      ? { decision: "accept", reason: "" }
      : { decision: "reject", reason: "No question.", proposal: better(1) },
  );
  assert.deepEqual([told.accepted, told.rejected], [1, 2]);
  const proposed = (await service.getContribution(id)).rows.map(({ reviews }) => reviews?.[0]?.proposal);
  assert.deepEqual(proposed, [better(1), better(1), undefined]);

  const rowsOf = async () =>
    // biome-ignore lint/suspicious/noExplicitAny: an answer is picked apart
    ((await (await datanetRoutes(service).request(`/v1/contributions/${id}`)).json()) as any).rows;
  assert.deepEqual(
    (await rowsOf()).map((row: { example?: object }) => row.example),
    [example(1), example(2), undefined],
    "a row's own text stands beside another that is proposed",
  );
  const proposals = async () =>
    (await service.contributions(datanetId, { limit: 9 })).find((one) => one.contributionId === id)
      ?.proposals;
  assert.equal(await proposals(), 2);
  const open = () =>
    service.contributions(undefined, { contributor: toHex(ada.address), proposed: true, limit: 9 });
  assert.deepEqual(
    (await open()).map((one) => [one.datanetId, one.contributionId, one.proposals]),
    [[datanetId, id, 2]],
  );
  const { status, body } = await accept(id, [{ line: 1, text: better(1) }]);
  assert.equal(await proposals(), 1);
  assert.deepEqual(
    (await rowsOf()).map((row: { withdrawnAtMs?: number }) => row.withdrawnAtMs !== undefined),
    [true, false, false],
  );
  assert.deepEqual([status, body.accepted, body.pending], [201, 1, 0], JSON.stringify(body));
  assert.notEqual(body.contributionId, id);
  const { version } = await service.publishVersion(datanetId, owner);
  const { rows } = await service.getVersion(datanetId, version);
  assert.deepEqual(
    rows.map((row) => [row.example, row.contributor, row.consentDigest === body.consentDigest]),
    [
      [example(3), toHex(ada.address), false],
      [better(1), toHex(ada.address), true],
    ],
  );
  const { rows: earlier, withdrawn, rejected } = await service.getContribution(id);
  assert.deepEqual(
    [withdrawn, rejected],
    [1, 1],
    "what it took the place of is neither turned down nor waits",
  );
  assert.ok(earlier[0]?.withdrawnAtMs !== undefined && earlier[1]?.withdrawnAtMs === undefined);
  // The same text again is a duplicate, and said to be one.
  const again = await accept(id, [{ line: 2, text: better(1) }]);
  assert.deepEqual([again.body.accepted, again.body.duplicates], [0, 1]);
});

test("personal data in a proposal is masked where the Datanet asks for it, and the contributor signs for what is given", async () => {
  const id = await give(ada, lines(example(1), example(2)));
  const written = { prompt: "Whom does one ask?", completion: " ada@example.org knows." };
  const masked = { ...written, completion: " [email] knows." };
  await judge(() => ({ decision: "reject", reason: "Say whom to ask.", proposal: written }));
  await service.setRules(owner, datanetId, { refuse: [], maskPersonalData: true });
  // Where texts are gated, so is a proposal; what was decided is told.
  await service.access.setRule(datanetId, { kind: "request", terms: "Ask first." });
  const app = datanetRoutes(service, {
    operator: {
      account: owner,
      guard: async (context, next) =>
        context.req.header("authorization") === "Bearer operator" ? next() : context.json({}, 401),
    },
  });
  const reviewsTo = async (who: string) => {
    const headers = { authorization: `Bearer ${who}` };
    const found = await app.request(`/v1/contributions/${id}?limit=1`, { headers });
    // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
    return ((await found.json()) as any).rows[0].reviews;
  };
  const said = { decision: "reject", reason: "Say whom to ask." };
  assert.deepEqual(await reviewsTo("olr_nobody"), [said]);
  assert.deepEqual(await reviewsTo("operator"), [{ ...said, proposal: masked }]);
  const [row] = (await service.getContribution(id)).rows;
  assert.deepEqual(row?.reviews?.[0]?.proposal, masked);
  assert.equal((await accept(id, [{ line: 1, text: written }])).body.error.code, "no-proposal");
  const { status, body } = await accept(id, [{ line: 1, text: masked }]);
  assert.deepEqual([status, body.accepted, body.rows[0].digest], [201, 1, exampleDigest(masked)]);
});

test("where two must look, the proposer is one of them and the row waits for another; what it replaces waits no more", async () => {
  await service.curation.setOverlap(datanetId, 2);
  await write("setCurator", [datanetId, bo.address, true]);
  const id = await give(ada, lines(example(1)));
  await judge(() => ({ decision: "reject", reason: "No question.", proposal: better(1) }));
  const { body } = await accept(id, [{ line: 1, text: better(1) }]);
  assert.deepEqual([body.accepted, body.pending], [0, 1]);
  assert.equal((await service.curation.standing(datanetId)).pending, 1);
  const told = await judge(() => ({ decision: "accept", reason: "" }), bo);
  assert.deepEqual([told.recorded, told.accepted], [1, 1]);
});

test("nobody takes edits of another's rows, of no proposal, or under a consent to something else", async () => {
  const id = await give(ada, lines(example(1), example(2)));
  const keep = (text: Example) => "prompt" in text && text.prompt.includes("after 2");
  await judge((text) => ({ decision: keep(text) ? "accept" : "reject", reason: "No.", proposal: better(1) }));
  const edit = [{ line: 1, text: better(1) }];
  for (const [asked, code] of [
    [accept(id, edit, bo), "consent-mismatch"],
    [accept(id, edit, ada, bo), "consent-forged"],
    [accept(id, [{ line: 1, text: better(7) }]), "no-proposal"],
    [accept(id, [{ line: 9, text: better(1) }]), "no-proposal"],
    [accept(id, [{ line: 2, text: better(1) }]), "no-proposal"],
    [accept(99_999, edit), "unknown-contribution"],
  ] as const)
    assert.equal((await asked).body.error.code, code);
  const [line] = (await service.getContribution(id)).rows;
  assert.equal(line?.status, "rejected", "nothing was exchanged");
  assert.equal((await accept(id, edit)).status, 201);
});
