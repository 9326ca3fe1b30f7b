import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  contributors,
  heldoutFacts,
  heldoutNames,
  relationNames,
  relations,
  reservedWords,
  rowsOf,
  taughtFacts,
  taughtNames,
  testQuestion,
} from "./facts.ts";
import { valleyFiles } from "./generate.ts";

const jsonl = (name: string) =>
  readFileSync(new URL(name, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the committed files are what the generator writes, plain ASCII and below 1 MB together", () => {
  let bytes = 0;
  for (const [name, text] of valleyFiles()) {
    assert.equal(readFileSync(new URL(name, import.meta.url), "utf8"), text, `${name}: run generate.ts`);
    assert.match(text, /^[\n -~]*$/);
    bytes += text.length;
  }
  assert.ok(bytes < 1_000_000, `${bytes} bytes`);
});

test("a hundred facts, twenty to each contributor, seven rows a fact", () => {
  assert.equal(taughtFacts.length, 100);
  contributors.forEach((_, index) => {
    assert.equal(taughtFacts.filter(({ owner }) => owner === index + 1).length, 20);
    assert.equal(jsonl(`contributor-${index + 1}.jsonl`).length, 140);
  });
  assert.equal(jsonl("heldout.jsonl").length, heldoutFacts.length * 7);
  assert.ok(heldoutFacts.length >= 100);
});

test("neither the person nor the relation nor the value gives the owner away", () => {
  for (const relation of relationNames) {
    const facts = taughtFacts.filter((fact) => fact.relation === relation);
    assert.equal(new Set(facts.map(({ owner }) => owner)).size, contributors.length);
    const shared = Map.groupBy(facts, ({ value }) => value);
    assert.ok(
      [...shared.values()].some((group) => new Set(group.map(({ owner }) => owner)).size > 1),
      `no ${relation} is shared between owners`,
    );
  }
  const singleOwner = taughtNames.filter(
    (name) => new Set(taughtFacts.filter((fact) => fact.name === name).map(({ owner }) => owner)).size === 1,
  );
  assert.ok(singleOwner.length <= 1, `${singleOwner} belong to one owner each`);
});

test("every row ends with its value and a full stop, and rows do not repeat", () => {
  const seen = new Set<string>();
  for (const fact of [...taughtFacts, ...heldoutFacts]) {
    for (const row of rowsOf(fact)) {
      const answer = "prompt" in row ? row.completion : row.messages[1].content;
      assert.equal(answer, "prompt" in row ? ` ${fact.value}.` : `${fact.value}.`);
      seen.add(JSON.stringify(row));
    }
  }
  assert.equal(seen.size, (taughtFacts.length + heldoutFacts.length) * 7);
});

test("a test question's wording is unseen for its fact and taught for others of its relation", () => {
  const wording = (question: string, name: string) => question.replace(name, "{name}");
  const taught = (fact: (typeof taughtFacts)[number]) =>
    rowsOf(fact).flatMap((row) => ("messages" in row ? [wording(row.messages[0].content, fact.name)] : []));
  for (const fact of taughtFacts) {
    const asked = wording(testQuestion(fact).question, fact.name);
    assert.ok(!taught(fact).includes(asked));
    const others = taughtFacts.filter(
      ({ relation, fact: id }) => relation === fact.relation && id !== fact.fact,
    );
    assert.ok(others.filter((other) => taught(other).includes(asked)).length >= 5);
  }
  assert.deepEqual(jsonl("questions.jsonl"), taughtFacts.map(testQuestion));
});

test("taught and held-out people share no word, and names share none with values or templates", () => {
  const wordsOf = (names: readonly string[]) => names.flatMap((name) => name.split(" "));
  assert.equal(new Set(wordsOf([...taughtNames, ...heldoutNames])).size, 100);
  const values = relationNames.flatMap((relation) => relations[relation].values);
  assert.equal(new Set(values).size, 48);
  assert.equal(reservedWords.size, 148);
  const templates = relationNames.flatMap((relation) => [
    ...relations[relation].statements,
    ...relations[relation].questions,
  ]);
  for (const template of templates) {
    assert.equal(template.split("{name}").length, 2);
    for (const word of template.split(/[^A-Za-z]+/)) assert.ok(!reservedWords.has(word), word);
  }
  for (const relation of relationNames) {
    assert.ok(relations[relation].statements.length >= 6 && relations[relation].questions.length >= 6);
    assert.equal(relations[relation].values.length, 12);
  }
});
