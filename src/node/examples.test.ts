/** A model trained on a Datanet answers, is paid, and tells which examples and which words its answer came from: all over HTTP. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openExplainRows } from "../attribution/index.ts";
import type { Address, Digest } from "../protocol/index.ts";
import { openBlobFolder } from "../store/index.ts";
import type { AnswerExamples } from "./examples.ts";
import { makePaidAnswer } from "./fixtures/paid-answer.ts";
import { openNode, type RunningNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-examples-"));

let node: RunningNode;
let secret: string;
let receiptId: Digest;
let releaseId: Digest;
let people: ReadonlyMap<Address, string>;

before(async () => {
  node = await openNode(
    readConfig(home, { port: 0, baseModel, threads: 1, settleEveryMs: 0, settlementWindowSeconds: 1 }),
  );
  ({ secret, receiptId, releaseId, people } = await makePaidAnswer(node));
});
after(async () => {
  await node?.close();
  rmSync(home, { recursive: true, force: true });
});

async function get(what: string, authorization: string | undefined = `Bearer ${secret}`) {
  const response = await fetch(`${node.url}/v1/receipts/${receiptId}/${what}`, {
    headers: authorization === "" ? {} : { authorization },
  });
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any shape are picked apart here
  return { status: response.status, body: (await response.json()) as any };
}

test("the examples that shaped an answer: whose they are, and the very scores that the rows give", async () => {
  const { status, body } = await get("examples?limit=100&harmful=true");
  assert.equal(status, 200, JSON.stringify(body));
  const found = body as AnswerExamples;
  assert.ok(found.traced);
  const release = await node.modelFactory.findRelease(releaseId);
  assert.ok(release);
  const { bundle } = await node.settlement.receipt(receiptId);
  const paid = bundle.scores.map(({ row }) => release.contributors[row]);
  const names = paid.map((address) => people.get(address as Address));
  assert.ok(names.includes("ada"), `${names} are paid`);
  const isPaid = (i: number) => names.includes(i < 12 ? "ada" : "bo");
  assert.deepEqual([found.contributors, found.looked], [new Set(paid).size, 12 * new Set(paid).size]);

  // The same by the plain product of each row with the answer's gradient.
  const blobs = await openBlobFolder(join(home, "blobs"));
  const bytes = await blobs.get(release.manifest.index.explainDigest as Digest);
  const { plan, row } = openExplainRows(bytes.length, (at, length) => bytes.slice(at, at + length));
  assert.equal(plan.rows, 24, "what was left out has no row");
  const evidence = await node.inference.evidence(receiptId);
  assert.ok(evidence);
  const gradient = await node.attribution.gradient(releaseId, evidence);
  const largest = Math.max(...gradient.map(Math.abs));
  const query = Int8Array.from(gradient, (x) => Math.round((x / largest) * 127));
  const scores = Array.from({ length: plan.rows }, (_, i) => {
    const { scale, values } = row(i);
    let sum = 0;
    for (let j = 0; j < query.length; j++) sum += (values[j] as number) * (query[j] as number);
    return sum * scale * (largest / 127);
  });
  for (const { example, score } of [...found.helpful, ...(found.harmful ?? [])])
    assert.equal(score, scores[example]);
  assert.deepEqual(
    found.helpful.map(({ example }) => example),
    [...scores.keys()]
      .filter((i) => isPaid(i) && (scores[i] as number) > 0)
      .sort((a, b) => (scores[b] as number) - (scores[a] as number)),
  );
  assert.deepEqual(
    found.harmful?.map(({ example }) => example),
    [...scores.keys()]
      .filter((i) => (scores[i] as number) < 0)
      .sort((a, b) => (scores[a] as number) - (scores[b] as number)),
  );
  const share = found.helpful.reduce((sum, { shareMillionths }) => sum + (shareMillionths ?? 0), 0);
  assert.ok(share >= 999_980, "with the harmful ones of the same contributors, shares sum to one");

  // Each is named as it stands in the Datanet.
  const { rows: accepted } = await node.datanets.getVersion(1n, 1);
  for (const one of [...found.helpful, ...(found.harmful ?? [])]) {
    const of = accepted[one.row];
    assert.equal(one.row, one.example < 12 ? one.example : one.example + 5, "the five left out are between");
    assert.deepEqual(
      [one.contributor, one.exampleDigest, one.text, one.license, one.paid],
      [of?.contributor, of?.exampleDigest, of?.example, "CC0-1.0", isPaid(one.example)],
    );
  }
  const { body: three } = await get("examples?limit=3");
  assert.deepEqual(
    [three.helpful, three.harmful],
    [found.helpful.slice(0, 3), null],
    "only helpful ones unless asked",
  );
});

test("a Datanet's releases, what they took in, and what its contributors have of that", async () => {
  const { bundle, ...receipt } = await node.settlement.receipt(receiptId);
  // biome-ignore lint/suspicious/noExplicitAny: bodies of any shape are picked apart here
  const uses = (await (await fetch(`${node.url}/v1/datanets/1/uses`)).json()) as any;
  assert.deepEqual(
    uses.releases.map((use: Record<string, unknown>) => [
      use.releaseId,
      use.version,
      use.answers,
      use.feesWei,
    ]),
    [[releaseId, 1, 1, String(receipt.to - receipt.from)]],
  );
  const payees = new Set(bundle.payments.map(({ payee }) => payee).filter((payee) => people.has(payee)));
  assert.ok(payees.size > 0);
  for (const payee of payees) {
    const paid = bundle.payments.reduce((sum, line) => (line.payee === payee ? sum + line.amount : sum), 0n);
    const { wei } = uses.earned.find(({ contributor }: { contributor: string }) => contributor === payee);
    assert.equal(wei, paid.toString());
  }
  assert.equal((await fetch(`${node.url}/v1/datanets/77/uses`)).status, 404);
});

test("spans of the same answer, from the release's own data", async () => {
  const { status, body } = await get("spans");
  assert.equal(status, 200, JSON.stringify(body));
  const [span] = body.spans;
  assert.match(span.text, /gem hug/);
  assert.equal(span.documents.count, 12, "what was left out of training is not among them");
  assert.deepEqual(
    span.contributors.first.map((address: Address) => people.get(address)),
    ["ada"],
  );
});

test("nobody else is told, nor how much is there to tell; questions of the wrong form are refused", async () => {
  for (const authorization of ["", "Bearer sk-ol-x"])
    assert.equal((await get("examples", authorization)).status, 401);
  assert.equal((await get("examples", `Bearer ${node.operatorToken}`)).status, 200);
  for (const wrong of ["limit=0", "limit=101", "limit=x", "harmful=maybe"])
    assert.equal((await get(`examples?${wrong}`)).status, 400, wrong);
});

test("a release without an explain index says so, and everything else of it goes on", async () => {
  await node.database.query(
    "update modelfactory.releases set manifest = manifest #- '{index,explainDigest}' where id = $1",
    [releaseId],
  );
  const { status, body } = await get("examples");
  assert.equal(status, 404);
  assert.equal(body.error.code, "no-explain-index");
  assert.match(body.error.message, /^no explain index: the release 0x/);
  assert.equal((await get("spans")).status, 200);
});
