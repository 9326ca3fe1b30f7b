import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom, shuffle } from "../../engine/index.ts";
import { jaccard, jsonDigest, shinglesOf } from "../../protocol/index.ts";
import {
  type ClusterText,
  clusterList,
  clustersDigest,
  findClusters,
  representativesOf,
} from "./clusters.ts";
import { cosineOf, sketchRows } from "./sketch.ts";
import { weightOf } from "./wording.ts";

const text = (prompt: string, completion: string): ClusterText => ({ prompt, completion });
const words = (count: number, seed: number) => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => `w${random.below(50_000)}`);
};
const long = (seed: number) => text(words(30, seed).join(" "), words(12, seed + 1_000_000).join(" "));
/** The same text with its n-th word of the prompt replaced. */
const touched = ({ prompt, completion }: ClusterText, n: number, by: string) =>
  text(
    prompt
      .split(" ")
      .map((word, i) => (i === n ? by : word))
      .join(" "),
    completion,
  );

test("copies join the earliest commitment; another answer to the same question does not", () => {
  const original = long(1);
  const texts = [
    touched(original, 15, "changed"),
    original,
    long(2),
    { ...original },
    text(original.prompt.toUpperCase().replaceAll(" ", ",  "), original.completion),
    text(original.prompt, words(12, 77).join(" ")),
    touched(touched(original, 0, "several"), 20, "changes"),
  ];
  assert.deepEqual([...findClusters({ texts })], [0, 0, 2, 0, 0, 5, 6]);
  const committed = [9, 1, 2, 3, 4, 5, 6];
  const found = findClusters({ texts, committed });
  assert.deepEqual([...found], [1, 1, 2, 1, 1, 5, 1]); // the copies lie close to the original, not to each other
  assert.deepEqual(clusterList(found), [[1, 0, 3, 4, 6]]);
  assert.equal(clustersDigest(found), jsonDigest({ clusters: [[1, 0, 3, 4, 6]] }));
  assert.equal(clustersDigest(findClusters({ texts: [long(1)] })), jsonDigest({ clusters: [] }));
  assert.equal(clustersDigest(findClusters({ texts: [] })), jsonDigest({ clusters: [] }));
  assert.deepEqual(representativesOf(["a", "b", "c", "d", "e", "f", "g"], found), ["b", "c", "f"]);
  assert.throws(() => findClusters({ texts, committed: [1] }), /7 texts have 1 commitments/);
  assert.throws(() => findClusters({ texts, sketches: new Float32Array(3) }), /numbers of sketches/);
});

test("a chain of small changes does not link its ends", () => {
  const chain = [long(3)];
  for (let n = 0; n < 24; n++) chain.push(touched(chain[n] as ClusterText, n, `changed${n}`));
  const found = findClusters({ texts: chain });
  assert.ok(new Set(found).size > 3, `${[...found]}`);
  const setOf = (i: number) => shinglesOf(`${chain[i]?.prompt} ${chain[i]?.completion}`);
  found.forEach((representative, i) => {
    assert.ok(jaccard(setOf(i), setOf(representative)) >= 0.8);
  });
});

test("the rarer a word, the more it weighs, in integers", () => {
  const weights = [300, 250, 125, 62, 31, 15, 7, 3, 1, 0].map((holding) => weightOf(1000, holding));
  assert.deepEqual(weights, [0, 1, 1, 2, 3, 5, 6, 8, 10, 10]);
  assert.deepEqual(
    [3, 4, 16, 17].map((holding) => weightOf(70, holding)),
    [2, 2, 2, 1],
  );
  assert.equal(weightOf(2 ** 31, 1), 120, "a weight fits into eight bits");
});

/** Sentences of words by Zipf's law, as language has them. */
function zipf(count: number, random: ReturnType<typeof createRandom>) {
  return Array.from({ length: count }, () => `z${Math.floor(Math.exp(random.uniform() * Math.log(20_000)))}`);
}

test("an invented prompt of any length makes no other text of the same answer", () => {
  const texts = Array.from({ length: 60 }, (_, i) =>
    text(words(4, i).join(" "), words(30, 100 + i).join(" ")),
  );
  for (const count of [10, 30, 120]) {
    const posed = texts.map(({ prompt, completion }, i) =>
      text(`${words(count, 500 + i).join(" ")} ${prompt}`, completion),
    );
    const found = findClusters({ texts: [...texts, ...posed] });
    assert.deepEqual(found.subarray(60), Uint32Array.from(texts.keys()), `behind ${count} words`);
  }
});

test("other wordings are found by their rare words; new texts, new answers and short ones are not copies", () => {
  const random = createRandom(8);
  const texts = Array.from({ length: 300 }, () =>
    text(zipf(4, random).join(" "), zipf(40, random).join(" ")),
  );
  const reworded = ({ prompt, completion }: ClusterText, share: number) =>
    text(
      prompt,
      shuffle(completion.split(" "), random)
        .flatMap((word) =>
          random.uniform() < share
            ? zipf(1, random)
            : [word, ...zipf(Number(random.uniform() < 0.15), random)],
        )
        .join(" "),
    );
  assert.equal(new Set(findClusters({ texts })).size, 300);
  const of = (share: number) => texts.slice(0, 100).map((one) => reworded(one, share));
  const joined = (added: ClusterText[]) =>
    findClusters({ texts: [...texts, ...added] }).filter((to, i) => i >= 300 && to === i - 300).length;
  assert.ok(joined(of(0.25)) >= 95, `${joined(of(0.25))} of 100 found`);
  assert.ok(joined(of(0.8)) <= 2, `${joined(of(0.8))} of 100 taken for what they are not`);
  const otherAnswers = texts.slice(0, 100).map(({ prompt }) => text(prompt, zipf(40, random).join(" ")));
  assert.equal(joined(otherAnswers), 0);
  const short = texts.map(({ prompt }) => text(prompt, "four words say little"));
  assert.equal(new Set(findClusters({ texts: short })).size, 300);
  // A form filled in otherwise is another example, however long the form.
  const form =
    "the parish book says that the one named X of Y paid the tithe in full every autumn and kept a Z as W";
  const filled = Array.from({ length: 100 }, (_, i) =>
    text(
      "Tell me.",
      form.replace(/[W-Z]/g, (slot) => `${slot}${i} ${slot}a${i}`),
    ),
  );
  const joinedForms = findClusters({ texts: [...texts, ...filled] });
  assert.equal(joinedForms.filter((to, i) => to !== i).length, 0);
});

test("who repeats a text is compared by gradient no more, and follows the one that it repeats", () => {
  const texts = [long(20), long(21), { ...long(21) }];
  const sketches = sketchRows(Float32Array.from([1, 2, 3, 1, 2, 3, 0, 0, 0]), 3);
  const byText = findClusters({ texts });
  assert.deepEqual([...byText], [0, 1, 1]);
  assert.deepEqual([...findClusters({ texts, sketches })], [0, 0, 0]);
  assert.deepEqual([...findClusters({ texts, sketches, byText })], [0, 0, 0]);
  assert.throws(() => findClusters({ texts, byText: new Uint32Array(2) }), /3 texts have 2 representatives/);
});

test("what everyone's prompt begins with makes nobody a copy", () => {
  const system = words(200, 4).join(" ");
  const texts = Array.from({ length: 60 }, (_, i) =>
    text(`${system} ${words(8, 100 + i).join(" ")}`, "Yes."),
  );
  assert.equal(new Set(findClusters({ texts })).size, 60);
});

test("gradients that point the same way are copies, whatever the texts say", () => {
  const random = createRandom(5);
  const p = 4000;
  const base = Float32Array.from({ length: p }, () => random.normal());
  const at = (cosine: number) => {
    const sine = Math.sqrt(1 - cosine * cosine);
    return base.map((x) => cosine * x + sine * random.normal());
  };
  const rows = [at(1), at(0.99).map((x) => 3 * x), at(0.8), at(0.9), at(0.97), new Float32Array(p), at(-1)];
  rows.push(new Float32Array(p));
  const all = new Float32Array(rows.length * p);
  rows.forEach((row, i) => {
    all.set(row, i * p);
  });
  const sketches = sketchRows(all, p);
  assert.ok(Math.abs(cosineOf(sketches, 0, 3) - 0.9) < 0.05);
  const texts = rows.map((_, i) => long(1000 + i));
  assert.deepEqual([...findClusters({ texts, sketches })], [0, 0, 2, 3, 0, 5, 6, 7]);
});

test("clusters do not depend on the order of the rows, only on that of the commitments", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 30 }), (seed, count) => {
      const random = createRandom(seed);
      const texts: ClusterText[] = [];
      for (let i = 0; i < count; i++)
        texts.push(
          i > 0 && random.uniform() < 0.6
            ? touched(texts[random.below(i)] as ClusterText, random.below(30), `x${random.below(3)}`)
            : long(seed + i),
        );
      const committed = texts.map(() => random.below(8));
      const found = findClusters({ texts, committed });
      const order = shuffle([...texts.keys()], random);
      const turned = findClusters({
        texts: order.map((i) => texts[i] as ClusterText),
        committed: order.map((i) => committed[i] as number),
      });
      const keyOf = (i: number) => JSON.stringify(texts[i]);
      turned.forEach((representative, n) => {
        assert.equal(keyOf(order[representative] as number), keyOf(found[order[n] as number] as number));
      });
    }),
    { numRuns: 40 },
  );
});

test("the valley's facts are no copies of each other", () => {
  const rows = [1, 2, 3, 4, 5].flatMap((n) =>
    readFileSync(new URL(`../../../examples/valley/contributor-${n}.jsonl`, import.meta.url), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  );
  const texts = rows.map((row) =>
    "prompt" in row
      ? text(row.prompt, row.completion)
      : text(row.messages[0].content, row.messages[1].content),
  );
  assert.equal(new Set(findClusters({ texts })).size, 700);
});

test("twenty thousand texts take seconds, and the copies among them are found", () => {
  const random = createRandom(6);
  const texts: ClusterText[] = [];
  for (let i = 0; i < 20_000; i++)
    texts.push(
      i % 10 === 9
        ? touched(texts[i - 9] as ClusterText, random.below(30), "copied")
        : text(words(30, 10_000 + i).join(" "), words(12, 2_000_000 + i).join(" ")),
    );
  const started = process.cpuUsage();
  const found = findClusters({ texts });
  const { user, system } = process.cpuUsage(started);
  const seconds = (user + system) / 1e6;
  const copies = [...found.keys()].filter((i) => i % 10 === 9);
  assert.ok(copies.filter((i) => found[i] === i - 9).length === copies.length);
  assert.equal(new Set(found).size, 18_000);
  assert.ok(seconds < 20, `${seconds} s`);
});
