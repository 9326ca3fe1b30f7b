import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { PrivateKeyAccount } from "viem/accounts";
import { curatorElectionsAbi, curatorElectionsBytecode } from "../../chain/index.ts";
import { signAccessRequest, signCuratorVote, textDigest, toHex, zeroDigest } from "../../protocol/index.ts";
import {
  ada,
  bo,
  card,
  deployAlso,
  example,
  lines,
  linkOf,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
} from "../fixtures/world.ts";
import { datanetRoutes } from "../routes.ts";
import { createDatanets, type Datanets } from "../service.ts";
import { type Elections, openElections } from "./elections.ts";

let world: World;
let elections: Elections;
let service: Datanets;
let app: ReturnType<typeof datanetRoutes>;
let path: string;
let nonces = 0;

before(async () => {
  world = await openWorld();
  const code = { abi: curatorElectionsAbi, bytecode: curatorElectionsBytecode };
  const address = await deployAlso(world, code, [world.registryAddress]);
  elections = await openElections({
    ...{ database: world.database, ...linkOf(world), address, registry: world.registryAddress },
    onBlock: (listener) => world.chain.onBlock(listener),
  });
  service = await createDatanets({ ...world, elections });
  app = datanetRoutes(service, {
    operator: {
      account: owner,
      guard: async (context, next) =>
        context.req.header("authorization") === "Bearer operator" ? next() : context.json({ error: {} }, 401),
    },
  });
  const { datanetId } = await service.create(owner, card);
  path = `/v1/datanets/${datanetId}`;
  await service.contribute(await signed(world.registry, datanetId, ada, lines(example(1), example(2))));
  await service.contribute(await signed(world.registry, datanetId, bo, lines(example(3))));
  await service.publishVersion(datanetId, owner);
});
after(async () => {
  await elections.close();
  await world.close();
});

async function call(method: string, at: string, body?: object, token?: string) {
  const response = await app.request(`${path}${at}`, {
    method,
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
  return { status: response.status, body: (await response.json()) as any };
}
const vote = async (by: PrivateKeyAccount, candidate: PrivateKeyAccount, electionId = 1n, signer = by) => {
  const said = { electionId, contributor: toHex(by.address), candidate: toHex(candidate.address) };
  const signature = await signCuratorVote(elections.domain, said, signer);
  return call("POST", `/elections/${electionId}/votes`, { ...said, electionId: undefined, signature });
};
/** With the pass that its signature opens, `by` gets the queue, or publishes. */
async function curate(by: PrivateKeyAccount, at = "/review/queue") {
  const request = {
    ...{ datanetId: BigInt(path.split("/")[3] as string), reader: by.address, termsDigest: zeroDigest },
    ...{ signedAt: BigInt(Math.floor(Date.now() / 1000)), nonce: textDigest(`nonce ${nonces++}`) },
  };
  const signature = await signAccessRequest(world.registry.domain, request, by);
  const { datanetId: _, ...said } = request;
  const asked = await call("POST", "/access", { ...said, signedAt: Number(request.signedAt), signature });
  return call("POST", at, undefined, asked.body.pass);
}

test("contributors elect a curator by signatures alone, who may judge and publish until the term ends", async () => {
  const asked = { version: 1, closesAt: Math.floor(Date.now() / 1000) + 600, termSeconds: 6 };
  assert.equal((await call("POST", "/elections", asked)).status, 401);
  const opened = await call("POST", "/elections", asked, "operator");
  assert.deepEqual([opened.status, opened.body.electionId, opened.body.votes], [201, "1", 3]);
  assert.equal((await curate(stranger)).body.error.code, "not-curator");
  assert.deepEqual((await call("GET", "/curators")).body, { curators: [], electionsAllowed: true });

  assert.equal((await vote(bo, stranger)).body.added, 1);
  assert.equal((await curate(stranger)).body.error.code, "not-curator", "one of three is not more than half");
  assert.equal((await vote(ada, stranger, 1n, bo)).body.error.code, "vote-forged");
  assert.equal((await vote(bo, stranger)).body.error.code, "election-refused", "an example votes once");
  assert.equal((await vote(stranger, stranger)).body.error.code, "election-refused", "none of its own");
  assert.equal((await vote(ada, stranger, 9n)).body.error.code, "unknown-election");
  const { body: won } = await vote(ada, stranger);
  assert.deepEqual(
    [won.added, won.election.elected, won.election.candidates],
    [2, toHex(stranger.address), [{ candidate: toHex(stranger.address), votes: 3 }]],
  );
  assert.deepEqual([(await curate(stranger)).status, (await curate(ada)).status], [200, 403]);
  const id = BigInt(path.split("/")[3] as string);
  await service.contribute(await signed(world.registry, id, ada, lines(example(4))));
  assert.equal((await curate(ada, "/versions")).body.error.code, "not-curator");
  const published = await curate(stranger, "/versions");
  assert.deepEqual([published.status, published.body.version, published.body.count], [201, 2, 4]);
  assert.match((await vote(bo, ada)).body.error.message, /not voted|closed/);

  await call("PUT", `/curators/${bo.address}`, { allowed: true }, "operator");
  assert.deepEqual((await call("GET", "/curators")).body.curators, [
    { curator: toHex(bo.address), named: true, electedUntil: null },
    { curator: toHex(stranger.address), named: false, electedUntil: won.election.termEndsAt },
  ]);
  await call("PUT", `/curators/${bo.address}`, { allowed: false }, "operator");

  const { body: listed } = await call("GET", "/elections");
  assert.equal(listed.elections.length, 1);
  assert.equal((await call("GET", "/elections?before=1")).body.elections.length, 0);
  await setTimeout(Math.max(0, won.election.termEndsAt * 1000 - Date.now()) + 1_000);
  assert.equal((await curate(stranger)).body.error.code, "not-curator", "the term is over");
  assert.equal((await curate(stranger, "/versions")).body.error.code, "not-curator");
  assert.deepEqual((await call("GET", "/curators")).body.curators, []);
});

test("an election that cannot be is refused by name", async () => {
  const late = { version: 1, closesAt: 1_000, termSeconds: 6 };
  const refused = await call("POST", "/elections", late, "operator");
  assert.deepEqual([refused.status, refused.body.error.details.reason], [409, "BadTimes"]);
  const soon = Math.floor(Date.now() / 1000) + 600;
  const unknown = await call(
    "POST",
    "/elections",
    { version: 7, closesAt: soon, termSeconds: 6 },
    "operator",
  );
  assert.equal(unknown.body.error.code, "unknown-version");
});
