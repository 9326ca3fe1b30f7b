import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { PrivateKeyAccount } from "viem";
import {
  ada,
  bo,
  card,
  chunksOf,
  lines,
  openWorld,
  owner,
  signed,
  stranger,
  type World,
} from "../fixtures/world.ts";
import { createDatanets, type Datanets } from "../service.ts";
import { rulesSchema } from "./rules.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
let count = 0;
const countTokens = (text: string) => text.split(/\s+/).length;

before(async () => {
  world = await openWorld();
  service = await createDatanets({ ...world, countTokens });
});
after(() => world.close());
beforeEach(async () => {
  datanetId = (await service.create(owner, { ...card, name: `Checked ${count++}` })).datanetId;
});

type SignedOptions = Parameters<typeof signed>[4] & { mask?: boolean; sourceLicense?: string };
const give = async (
  who: PrivateKeyAccount,
  text: string,
  { mask, sourceLicense, ...options }: SignedOptions = {},
) => {
  const { examplesDigest, exampleCount } = await service.preview(datanetId, chunksOf(text), { mask });
  const changes = { examplesDigest, exampleCount, ...options.changes };
  const input = await signed(world.registry, datanetId, who, text, { ...options, changes });
  return service.contribute({ ...input, mask, sourceLicense });
};
const rules = (given: object) => service.setRules(owner, datanetId, rulesSchema.parse(given));
const reasonOf = (row: { reasons: readonly { check: string }[] } | undefined, check: string) =>
  row?.reasons.find((reason) => reason.check === check) as
    | { severity: string; message: string; details: Record<string, unknown> }
    | undefined;

/** A text of its own for each number: no two share a pair of words. */
const story = (n: number, words = 30) => Array.from({ length: words }, (_, i) => `word${n}x${i}`).join(" ");
const row = (prompt: string, completion = "So it is.") => ({ prompt, completion });
const changed = (text: string, ...places: number[]) =>
  text
    .split(" ")
    .map((word, i) => (places.includes(i) ? `other${i}` : word))
    .join(" ");

test("a near duplicate is noted, joins its cluster, and can be refused", async () => {
  const first = await give(ada, lines(row(story(1)), row(story(2))));
  const second = await give(
    bo,
    lines(row(changed(story(1), 4, 20)), row(story(3)), row(changed(story(3), 7))),
  );
  assert.deepEqual(
    second.rows.map(({ status, nearOf }) => [status, nearOf?.contributionId, nearOf?.line]),
    [
      ["accepted", first.contributionId, 1],
      ["accepted", undefined, undefined],
      ["accepted", second.contributionId, 2],
    ],
  );
  assert.match(
    reasonOf(second.rows[0], "near-duplicate")?.message ?? "",
    /^It repeats row 1 of contribution \d+ by 0x[0-9a-f]{40}: \d\d % of their word pairs are the same\.$/,
  );
  const [rowId] = await world.database.query<{ id: number }>(
    "select id from datanets.rows where contribution_id = $1 and position = 2",
    [second.contributionId],
  );
  const cluster = await service.clusterOf(rowId!.id);
  assert.deepEqual([cluster.representative.line, cluster.members.map(({ line }) => line)], [2, [3]]);
  await assert.rejects(service.clusterOf(10 ** 9), /There is no row/);
  await rules({ refuse: ["near-duplicate"] });
  const third = await give(bo, lines(row(changed(story(2), 9)), row(story(4))));
  assert.deepEqual(
    [third.rows.map(({ status }) => status), third.accepted, third.refused],
    [["near-duplicate", "accepted"], 1, 1],
  );
});

test("a chain of small changes does not link its ends, also across restarts", async () => {
  let text = story(1);
  const chain = [text];
  for (let i = 0; i < 15; i++) {
    text = changed(text, 2 * i, 2 * i + 1);
    chain.push(text);
  }
  for (const [i, each] of chain.entries()) {
    await give(ada, lines(row(each)));
    if (i % 4 === 0) service = await createDatanets({ ...world, countTokens });
  }
  const found = await world.database.query<{ id: number; near: number | null }>(
    "select id, near_of as near from datanets.rows where datanet_id = $1 order by id",
    [datanetId],
  );
  const heads = new Set(found.filter(({ near }) => near === null).map(({ id }) => id));
  assert.ok(heads.size >= 2 && heads.size < chain.length, `${heads.size} clusters`);
  for (const { near } of found) assert.ok(near === null || heads.has(near), "a member stands for a cluster");
  assert.equal(found[1]?.near, found[0]?.id);
  assert.notEqual(found.at(-1)?.near, found[0]?.id);
});

test("a withdrawn row stands for nobody: the next of its cluster does", async () => {
  await give(ada, lines(row(story(1))));
  const second = await give(bo, lines(row(changed(story(1), 3))));
  await world.database.query(
    "update datanets.rows set withdrawn_at_ms = 1 where datanet_id = $1 and near_of is null",
    [datanetId],
  );
  const third = await give(ada, lines(row(changed(story(1), 8))));
  assert.deepEqual(
    [third.rows[0]?.nearOf?.contributionId, third.rows[0]?.nearOf?.line],
    [second.contributionId, 1],
  );
});

test("training rows that hold a held-out row are refused, and the other way round; forms are not", async () => {
  const secret = story(1, 20);
  const heldout = await give(ada, lines(row(secret), row("What is the capital of Farland?", "Port Low.")), {
    split: "heldout",
  });
  const train = await give(
    bo,
    lines(
      row(`I have heard that ${secret.toUpperCase()}, and more.`),
      row("What is the capital of Farland", "Port Low"),
      row("What is the capital of Nearland?", "Port High."),
      row(story(2)),
    ),
  );
  assert.deepEqual(
    train.rows.map(({ status }) => status),
    ["refused", "refused", "accepted", "accepted"],
  );
  assert.match(reasonOf(train.rows[0], "contamination")?.message ?? "", /held-out row 1 of contribution/);
  assert.deepEqual(reasonOf(train.rows[1], "contamination")?.details.contributionId, heldout.contributionId);
  const late = await give(bo, lines(row(`As ${story(2)} says`, "Yes."), row(story(5))), { split: "heldout" });
  assert.deepEqual(
    late.rows.map(({ status }) => status),
    ["refused", "accepted"],
  );
  assert.match(reasonOf(late.rows[0], "contamination")?.message ?? "", /training row 4 of contribution/);
  const form = (n: number) =>
    row(`${story(7, 20)} Name the one who keeps the ${n}th gate of the old town.`, `Keeper ${n} it is.`);
  await give(ada, lines(form(1), form(2)), { split: "heldout" });
  const forms = await give(bo, lines(...Array.from({ length: 12 }, (_, n) => form(n + 3))));
  assert.equal(forms.accepted, 12, "what more than ten rows share is the form");
  const { trainRows, heldoutRows } = await service.get(datanetId);
  assert.deepEqual([trainRows, heldoutRows], [14, 5]);
});

test("personal data is noted, refused or masked; what is masked is what is signed", async () => {
  const text = lines(row("Write to jane@x.org about it.", "I will."), row(story(1)));
  const noted = await service.preview(datanetId, chunksOf(text));
  assert.deepEqual(
    noted.rows.map(({ status }) => status),
    ["accepted", "accepted"],
  );
  assert.deepEqual(reasonOf(noted.rows[0], "personal-data")?.details, {
    count: 1,
    places: [{ field: "prompt", kind: "email", start: 9, end: 19 }],
  });
  await rules({ refuse: ["personal-data"] });
  const refused = await service.preview(datanetId, chunksOf(text));
  assert.deepEqual(
    refused.rows.map(({ status }) => status),
    ["refused", "accepted"],
  );
  const masked = await give(ada, text, { mask: true });
  assert.equal(masked.accepted, 2);
  assert.notEqual(masked.rows[0]?.digest, noted.rows[0]?.digest);
  await rules({ maskPersonalData: true });
  const asked = await service.preview(datanetId, chunksOf(text));
  assert.deepEqual(
    [asked.mask, asked.rows[0]?.masked, asked.rows[0]?.status],
    [true, { prompt: "Write to [email] about it.", completion: "I will." }, "duplicate"],
  );
  const plain = await signed(world.registry, datanetId, ada, text);
  await assert.rejects(service.contribute(plain), /Sign for exactly the rows/);
});

test("length, language and profanity are judged by the rules", async () => {
  const text = lines(
    row(
      "Where does the river that passes the old mill of our village come from?",
      "It comes from the hills.",
    ),
    row(
      "Woher kommt der Fluss, der an der alten Mühle unseres Dorfes vorbeifließt?",
      "Er kommt aus den Bergen.",
    ),
    row("What the fuck is this about, and who has written all of it down for us?", "Nobody knows."),
    row("Ok", "ok"),
  );
  const free = await service.preview(datanetId, chunksOf(text));
  assert.deepEqual(
    free.rows.map(({ status }) => status),
    Array(4).fill("accepted"),
  );
  assert.match(
    reasonOf(free.rows[1], "language")?.message ?? "",
    /^Its language is German .*; most of these rows are in English\./,
  );
  assert.deepEqual(
    [0, 2, 3].map((i) => reasonOf(free.rows[i], "language")),
    [undefined, undefined, undefined],
    "what is as expected goes without saying",
  );
  assert.equal(reasonOf(free.rows[2], "profanity")?.severity, "note");
  await rules({
    refuse: ["length", "language", "profanity"],
    languages: ["en"],
    minTokens: 3,
    maxTokens: 30,
  });
  const strict = await service.preview(datanetId, chunksOf(text));
  assert.deepEqual(
    strict.rows.map(({ status, reasons }) => [
      status,
      reasons.filter(({ severity }) => severity === "refusal").map(({ check }) => check),
    ]),
    [
      ["accepted", []],
      ["refused", ["language"]],
      ["refused", ["profanity"]],
      ["refused", ["length"]],
    ],
  );
  assert.match(reasonOf(strict.rows[3], "language")?.message ?? "", /cannot be told/);
  assert.equal(reasonOf(strict.rows[0], "language"), undefined);
  assert.equal(reasonOf(strict.rows[3], "length")?.message, "It has 2 tokens, at least 3 are asked for.");
});

test("a licence that conflicts is told of each row, one nobody knows is refused", async () => {
  const noted = await give(ada, lines(row(story(1))), { sourceLicense: "CC-BY-SA-4.0" });
  assert.equal(noted.sourceLicense, "CC-BY-SA-4.0");
  assert.deepEqual(
    (reasonOf(noted.rows[0], "license")?.details.conflicts as { kind: string }[] | undefined)?.map(
      ({ kind }) => kind,
    ),
    ["share-alike", "attribution"],
  );
  await assert.rejects(give(ada, lines(row(story(2))), { sourceLicense: "Do what you want" }), {
    code: "unknown-license",
  });
  await rules({ refuse: ["license"] });
  const refused = await give(ada, lines(row(story(3))), { sourceLicense: "LicenseRef-mine" });
  assert.deepEqual([refused.accepted, refused.refused], [0, 1]);
});

test("rules are the owner's, and read strictly", async () => {
  assert.deepEqual(await service.getRules(datanetId), { refuse: ["contamination"], maskPersonalData: false });
  await assert.rejects(service.setRules(stranger, datanetId, rulesSchema.parse({})), { code: "not-owner" });
  for (const wrong of [
    { refuse: ["duplicate"] },
    { languages: ["english"] },
    { minTokens: 10, maxTokens: 5 },
    { maxTokens: 0 },
    { unknown: true },
  ])
    assert.equal(rulesSchema.safeParse(wrong).success, false, JSON.stringify(wrong));
});
