import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openSpans, type Spans } from "../attribution/index.ts";
import { ben, type Node, openWorld, type World } from "../inference/fixtures/world.ts";
import { type Address, type Digest, hashReceipt } from "../protocol/index.ts";
import { openBlobFolder } from "../store/index.ts";
import type { PaidAnswer } from "./answers.ts";
import { spansRoutes } from "./spans.ts";

const token = "t".repeat(43);
const contributors: Address[] = [`0x${"1".repeat(40)}`, `0x${"2".repeat(40)}`, `0x${"3".repeat(40)}`];
const root: Digest = `0x${"7".repeat(64)}`;

let world: World;
let node: Node;
let spans: Spans;
let secret: string;
let other: string;
let receiptId: Digest;
let app: ReturnType<typeof spansRoutes>;
let answer: string;
/** The Datanet whose texts are not open to all. */
let gated: bigint | undefined;

before(async () => {
  world = await openWorld();
  const home = await world.newFolder();
  node = await world.openNode(home);
  ({ secret } = await node.newKey(undefined, ben));
  ({ secret: other } = await node.newKey());
  const response = await node.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
    body: JSON.stringify({
      model: "valley",
      messages: [{ role: "user", content: "the mill" }],
      max_tokens: 12,
      temperature: 0,
    }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  await node.inference.drain();
  const [bundle] = await node.bundles();
  assert.ok(bundle);
  receiptId = hashReceipt(bundle.receipt);
  answer = (await node.inference.evidence(receiptId))?.response ?? "";
  spans = await openSpans({
    database: node.database,
    blobs: await openBlobFolder(join(home, "blobs")),
    folder: join(home, "spans"),
    waitMs: 120_000,
  });
  const row = (contributor: Address, text: string) => ({
    contributor,
    example: { prompt: "", completion: text },
  });
  // Two Datanets; the second one's consents are older. The last row's contributor was left out of training.
  const versions: Record<string, { rows: object[]; signedAt: number[] }> = {
    "1": { rows: [row(contributors[0]!, `later: ${answer}`)], signedAt: [200] },
    "2": {
      rows: [row(contributors[1]!, `first: ${answer}`), row(contributors[2]!, answer)],
      signedAt: [100, 50],
    },
  };
  const datanets = {
    access: {
      rule: async (id: bigint) => ({ rule: { kind: id === gated ? "request" : "public" } }),
    } as never,
    getVersion: async (id: bigint) => {
      const { rows, signedAt } = versions[id.toString()]!;
      return {
        rows,
        manifest: {
          rows: rows.map((_, contribution) => ({ contribution })),
          contributions: signedAt.map((at) => ({ signedAt: at })),
        },
      } as never;
    },
  };
  const { releaseId } = bundle.receipt;
  const listed = (datanetId: string, license: string) => ({ datanetId, version: 1, root, license });
  const release = {
    id: releaseId,
    manifest: { datanets: [listed("1", "CC0-1.0"), listed("2", "CC-BY-4.0")] },
    contributors: contributors.slice(0, 2),
  } as unknown as PaidAnswer["release"];
  app = spansRoutes(
    {
      spans,
      payments: node.payments,
      inference: node.inference,
      receipt: async (id) => (id === receiptId ? bundle : undefined),
      release: async (id) => (id === releaseId ? release : undefined),
      datanets,
    },
    async (context, next) =>
      context.req.header("authorization") === `Bearer ${token}` ? next() : context.body(null, 401),
  );
});
after(async () => {
  await spans.close();
  await node.close();
  await world.close();
});

type AnswerSpans = {
  answer: string;
  receiptId: string;
  searched: number;
  spans: { text: string; at: { start: number; end: number }[]; documents: object; contributors: object }[];
};

const get = (id: string, authorization?: string) =>
  app.request(`/v1/receipts/${id}/spans`, authorization === undefined ? {} : { headers: { authorization } });

test("who paid and the operator see an answer's spans, and nobody else", async () => {
  for (const authorization of [undefined, `Bearer ${other}`, "Bearer sk-ol-x", "Basic x", ""])
    assert.equal((await get(receiptId, authorization)).status, 401, authorization);
  const unknown = `0x${"9".repeat(64)}`;
  assert.equal(
    (await get(unknown, `Bearer ${secret}`)).status,
    401,
    "whether there is a receipt is not told",
  );
  assert.equal((await get(unknown, `Bearer ${token}`)).status, 404);
  assert.equal((await get("0x12", `Bearer ${token}`)).status, 400);
  const seen = await Promise.all(
    [secret, token].map(async (key) => (await get(receiptId, `Bearer ${key}`)).json()),
  );
  assert.deepEqual(seen[0], seen[1]);
});

test("who pays learns nothing of where an answer stands in data that is not open to all; the operator does", async () => {
  const ask = async (key: string) => (await get(receiptId, `Bearer ${key}`)).json() as Promise<AnswerSpans>;
  const open = await ask(secret);
  assert.ok(open.spans.length > 0);
  gated = 2n;
  const { receiptId: id, answer: text, ...rest } = await ask(secret);
  const { releaseId, ...told } = rest as typeof rest & { releaseId: string };
  assert.deepEqual([id, text, releaseId.length], [receiptId, answer, 66]);
  assert.deepEqual(told, { gated: ["2"], words: 0, searched: 0, total: 0, spans: [] });
  assert.deepEqual(await ask(token), open);
  gated = undefined;
});

test("each span names its documents with licence and contributor, the earliest consent first", async () => {
  const {
    answer: text,
    spans: found,
    ...rest
  } = (await (await get(receiptId, `Bearer ${secret}`)).json()) as AnswerSpans;
  assert.equal(text, answer);
  assert.deepEqual([rest.receiptId, rest.searched], [receiptId, answer.length]);
  const [span] = found;
  assert.ok(span, `"${answer}" stands in two documents`);
  assert.equal(answer.slice(span.at[0]?.start, span.at[0]?.end), span.text);
  assert.equal(span.text, answer.trim());
  assert.deepEqual(span.documents, {
    count: 2,
    first: [
      { datanetId: "2", version: 1, row: 0, license: "CC-BY-4.0", contributor: contributors[1] },
      { datanetId: "1", version: 1, row: 0, license: "CC0-1.0", contributor: contributors[0] },
    ],
  });
  assert.deepEqual(span.contributors, { count: 2, first: [contributors[1], contributors[0]] });
});
