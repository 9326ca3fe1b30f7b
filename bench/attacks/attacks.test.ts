import assert from "node:assert/strict";
import { test } from "node:test";
import { attacks } from "./attacks.ts";
import { attempt, type Outcome, selfQuery, settle, splitUp } from "./suite.ts";
import { valleyWorld } from "./world.ts";

// One fact of each contributor, an adapter of rank 2 and half the label draws: about ten seconds of one core a training with its index.
const world = valleyWorld(1, 2);
const options = { samples: 2, nullRows: 99 };
const honest = await settle(world, world.rows, options);
const within = ({ defended, bound }: Outcome) =>
  assert.ok(bound !== null && defended <= bound, `${defended} of the honest payout, at most ${bound}`);
const named = (name: string) => attacks.find((attack) => attack.name === name) as (typeof attacks)[number];

test("the model learned the facts, and who taught them is paid", () => {
  assert.ok(honest.accuracy >= 0.6, `${honest.accuracy}`);
  const { contributor, pool } = honest.defended.heads;
  assert.ok(contributor > pool, `${contributor} wei to contributors, ${pool} to the pool`);
  assert.ok((honest.defended.contributors[0] as bigint) > 0n);
});

test("ten copies of one's own rows are one row, and earn no more", async () => {
  const outcome = await attempt(world, named("copiesOfOwn"), honest, options);
  assert.equal(outcome.clustered, outcome.added);
  within(outcome);
});

test("ten other wordings of one's own rows stay within their bound", async () => {
  within(await attempt(world, named("paraphrases"), honest, options));
});

test("ten names earn no more than one", async () => {
  within(await splitUp(world, honest));
});

test("asking oneself returns less than it costs, in whatever roles", () => {
  const { contributor, owner, everyone } = selfQuery(world, honest);
  assert.ok(contributor < owner && owner < everyone && everyone < 1, `${contributor}, ${owner}, ${everyone}`);
  assert.ok(contributor <= 0.45);
});

test("another's rows are another's, whoever sends them again", async () => {
  const outcome = await attempt(world, named("copiesOfAnother"), honest, options);
  assert.equal(outcome.clustered, outcome.added);
  within(outcome);
});
