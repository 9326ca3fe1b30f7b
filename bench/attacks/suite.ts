/** Attacks on one world: trained, indexed and paid without the defence and with it, against the same contributor's honest payout. */
import type { PayIndexOptions, Representatives } from "../../src/attribution/index.ts";
import { type Attack, attacked, attacker, victim } from "./attacks.ts";
import {
  type Answer,
  accuracy,
  lexicalAnswers,
  openModel,
  type Paid,
  paid,
  ratioOf,
  trainOn,
} from "./payouts.ts";
import type { Row, World } from "./world.ts";

export type Outcome = {
  /** The attacker's payout over its honest one, when every contributor is paid by its sum where that is positive, copies and all. */
  readonly undefended: number;
  /** As releases pay, both times. */
  readonly defended: number;
  /** The same if matching words were paid (BM25). */
  readonly lexical: number;
  /** What is left to the contributor next to it, who is copied from in one attack: without and with the defence. */
  readonly other: { readonly undefended: number; readonly defended: number };
  /** Most `defended` may be. */
  readonly bound: number | null;
  /** Of the attacker's added rows: all, and those found to be near duplicates of earlier ones. */
  readonly added: number;
  readonly clustered: number;
  /** Part of the questions answered right after training on the attack. */
  readonly accuracy: number;
};

type Model = Awaited<ReturnType<typeof openModel>>;

/** A Datanet's model, and what the questions pay by it. */
export type Settled = {
  readonly rows: readonly Row[];
  readonly model: Model;
  readonly representatives: Representatives;
  readonly answers: readonly Answer[];
  readonly undefended: Paid;
  readonly defended: Paid;
  readonly lexical: Paid;
  readonly accuracy: number;
};

/** Trains on the rows, indexes them and pays by them. */
export async function settle(
  world: World,
  rows: readonly Row[],
  options: Partial<PayIndexOptions> = {},
): Promise<Settled> {
  const trained = await trainOn(world, rows);
  const model = await openModel(world, rows, trained, options);
  const representatives = await model.clusters();
  const contributorOf = rows.map(({ contributor }) => contributor);
  const plain = await model.scores(contributorOf, world.contributors);
  const answers = representatives.every((to, i) => to === i)
    ? plain
    : await model.scores(contributorOf, world.contributors, representatives);
  return {
    rows,
    model,
    representatives,
    answers,
    undefended: paid(plain, world.contributors, false),
    defended: paid(answers, world.contributors, true),
    lexical: paid(lexicalAnswers(world, rows), world.contributors, false),
    accuracy: await accuracy(world, trained),
  };
}

const ratioFor = (contributor: number, after: Paid, before: Paid) =>
  ratioOf(after.contributors[contributor] as bigint, before.contributors[contributor] as bigint);

/** What the attack changed. */
export function outcomeOf(world: World, attack: Attack, honest: Settled, after: Settled): Outcome {
  const added = after.rows.length - world.rows.length;
  return {
    undefended: ratioFor(attacker, after.undefended, honest.undefended),
    defended: ratioFor(attacker, after.defended, honest.defended),
    lexical: ratioFor(attacker, after.lexical, honest.lexical),
    other: {
      undefended: ratioFor(victim, after.undefended, honest.undefended),
      defended: ratioFor(victim, after.defended, honest.defended),
    },
    bound: attack.bound ?? null,
    added,
    clustered: after.representatives.filter((to, i) => i >= world.rows.length && to !== i).length,
    accuracy: after.accuracy,
  };
}

/** Trains on an attack. */
export const attempt = async (
  world: World,
  attack: Attack,
  honest: Settled,
  options: Partial<PayIndexOptions> = {},
): Promise<Outcome> =>
  outcomeOf(world, attack, honest, await settle(world, attacked(world, attack), options));

/** The attacker's rows dealt out to ten names, on the honest model: what they earn together over what the one earned. */
export async function splitUp(world: World, honest: Settled): Promise<Outcome> {
  const names = 10;
  let dealt = 0;
  const contributorOf = world.rows.map(({ contributor }) => {
    if (contributor !== attacker) return contributor;
    const name = dealt++ % names;
    return name === 0 ? attacker : world.contributors + name - 1;
  });
  const all = world.contributors + names - 1;
  const plain = await honest.model.scores(contributorOf, all);
  const clean = await honest.model.scores(contributorOf, all, honest.representatives);
  const joined = (result: Paid): Paid => {
    const own = result.contributors.filter((_, c) => c === attacker || c >= world.contributors);
    const others = result.contributors.slice(attacker + 1, world.contributors);
    return { ...result, contributors: [own.reduce((sum, x) => sum + x, 0n), ...others] };
  };
  const after = {
    ...honest,
    undefended: joined(paid(plain, all, false)),
    defended: joined(paid(clean, all, true)),
  };
  return outcomeOf(world, { name: "splitting", about: "", bound: 1.05, added: () => [] }, honest, after);
}

/**
 * What comes back of each unit paid for questions about the attacker's own facts: to a contributor; to one who owns the Datanet, too; and to
 * one who is also operator, developer and every staker. The treasury's part never comes back.
 */
export function selfQuery(world: World, honest: Settled) {
  const own = honest.answers.filter((_, n) => world.questions[n]?.owner === attacker);
  const { contributors, heads } = paid(own, world.contributors, true);
  const fees = Object.values(heads).reduce((sum, amount) => sum + amount, 0n);
  const contributor = contributors[attacker] as bigint;
  const owner = contributor + heads.owner;
  return {
    contributor: ratioOf(contributor, fees),
    owner: ratioOf(owner, fees),
    everyone: ratioOf(owner + heads.operator + heads.developer + heads.stakers, fees),
  };
}
