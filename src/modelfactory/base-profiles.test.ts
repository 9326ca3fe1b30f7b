import assert from "node:assert/strict";
import { test } from "node:test";
import { contributors, reservedWords } from "../../examples/valley/facts.ts";
import { createRandom } from "../engine/index.ts";
import { createProfiles, relations, unknownAnswer } from "./base-profiles.ts";

const draw = (seed: number, count: number, avoid: ReadonlySet<string> = reservedWords) => {
  const profiles = createProfiles(1, 300, avoid);
  const random = createRandom(seed);
  return { profiles, texts: Array.from({ length: count }, () => profiles.next(random)) };
};

test("nothing the base practises on names the demo's people or values", () => {
  const { texts } = draw(3, 20_000);
  const words = new Set(texts.flatMap((text) => text.match(/[A-Za-z]+/g) ?? []));
  const shared = [...reservedWords].filter((word) => words.has(word));
  assert.deepEqual(shared, []);
  for (const name of contributors) assert.ok(!words.has(name));
});

test("the same seed gives the same people and texts", () => {
  assert.deepEqual(draw(3, 200).texts, draw(3, 200).texts);
  assert.notDeepEqual(draw(3, 200).texts, draw(4, 200).texts);
  assert.deepEqual(draw(3, 1).profiles.known, draw(4, 1).profiles.known);
});

test("questions are answered with the person's own value, or not at all", () => {
  const { profiles, texts } = draw(5, 5_000);
  const known = new Map(profiles.known.map((person) => [person.name, person.facts]));
  let answered = 0;
  let unknown = 0;
  for (const text of texts) {
    const match = /^Q: (.+)\?\nA: (.+)$/.exec(text);
    if (match === null) continue;
    const [, question, answer] = match as unknown as [string, string, string];
    const name = [...known.keys()].find((n) => question.includes(n));
    if (name === undefined) {
      assert.equal(answer, unknownAnswer);
      unknown++;
    } else {
      assert.ok(Object.values(known.get(name) ?? {}).includes(answer.slice(0, -1)), text);
      answered++;
    }
  }
  assert.ok(answered > 1_500 && unknown > 100, `${answered} answered, ${unknown} unknown`);
  for (const relation of Object.values(relations))
    assert.ok(relation.statements.every((s) => s.endsWith("{v}.")));
});
