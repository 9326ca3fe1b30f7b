import assert from "node:assert/strict";
import { test } from "node:test";
import { findClusters } from "../../src/attribution/index.ts";
import { attacked, attacks } from "./attacks.ts";
import { playsWorld } from "./plays.ts";
import { attempt, type Outcome, selfQuery, settle, splitUp } from "./suite.ts";
import { valleyWorld } from "./world.ts";

// One fact of each contributor, an adapter of rank 2 and half the label draws: about ten seconds of one core a training with its index.
const world = valleyWorld(1, 2);
const options = { samples: 2, nullRows: 99, defendedOnly: true };
const honest = await settle(world, world.rows, options);
const within = ({ defended, bound, other, otherBound }: Outcome) => {
  assert.ok(bound !== null && defended <= bound, `${defended} of the honest payout, at most ${bound}`);
  if (otherBound !== null)
    assert.ok(other.defended >= otherBound, `${other.defended} left to another, at least ${otherBound}`);
};
const named = (name: string) => attacks.find((attack) => attack.name === name) as (typeof attacks)[number];

test("the model learned the facts, and who taught them is paid", () => {
  assert.ok(honest.accuracy >= 0.6, `${honest.accuracy}`);
  const { contributor, pool } = honest.defended.heads;
  assert.ok(contributor > pool, `${contributor} wei to contributors, ${pool} to the pool`);
  assert.ok((honest.defended.contributors[0] as bigint) > 0n);
});

for (const name of ["copiesOfOwn", "copiesOfAnother", "drowning"])
  test(`${name}: copies are not trained on, and move no money`, async () => {
    const outcome = await attempt(world, named(name), honest, options);
    assert.equal(outcome.byText, outcome.added);
    assert.equal(outcome.defended, 1);
    assert.equal(outcome.other.defended, 1);
    within(outcome);
  });

test("ten other wordings of one's own rows stay within their bound", async () => {
  within(await attempt(world, named("paraphrases"), honest, options));
});

test("where influence is spread, other wordings are not trained on either", () => {
  const plays = playsWorld();
  const found = (name: string) => {
    const rows = attacked(plays, named(name));
    const representatives = findClusters({ texts: rows, committed: rows.map(({ wave }) => wave) });
    const joined = representatives.filter((to, i) => to !== i && i >= plays.rows.length).length;
    const honestJoined = representatives.filter((to, i) => to !== i && i < plays.rows.length).length;
    return { part: joined / (rows.length - plays.rows.length), honestJoined };
  };
  for (const name of ["paraphrases", "paraphrasesOfAnother"]) {
    const { part, honestJoined } = found(name);
    assert.ok(part >= 0.95, `${name}: ${part} of the rewordings found`);
    assert.equal(honestJoined, 0);
  }
  for (const name of ["outliers", "watchingQuestions"]) assert.equal(found(name).part, 0, name);
});

test("ten names earn no more than one", async () => {
  within(await splitUp(world, honest));
});

test("asking oneself returns less than it costs, in whatever roles", () => {
  const { contributor, owner, everyone } = selfQuery(world, honest);
  assert.ok(contributor < owner && owner < everyone && everyone < 1, `${contributor}, ${owner}, ${everyone}`);
  assert.ok(contributor <= 0.45);
});
