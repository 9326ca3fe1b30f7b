/** Attacks on one world: trained, indexed and paid without the defence and with it, against the same contributor's honest payout. */
import { findClusters, type PayIndexOptions, representativesOf } from "../../src/attribution/index.ts";
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
  /**
   * The attacker's payout over its honest one, when every contributor is paid by its sum where that is positive, and everything is trained
   * on, copies and all; null where that was not asked for.
   */
  readonly undefended: number | null;
  /** As releases pay, both times. */
  readonly defended: number;
  /** The same if matching words were paid (BM25). */
  readonly lexical: number;
  /** What is left to the contributor next to it, who is copied from in some attacks: without and with the defence. */
  readonly other: { readonly undefended: number | null; readonly defended: number };
  /** Most `defended` may be, and least `other.defended`. */
  readonly bound: number | null;
  readonly otherBound: number | null;
  /** Of the attacker's added rows: all, those not trained on as repeating another's text, and those found by their gradients. */
  readonly added: number;
  readonly byText: number;
  readonly byGradient: number;
  /** Part of the questions answered right after training on the attack. */
  readonly accuracy: number;
};

type Model = Awaited<ReturnType<typeof openModel>>;

/** A Datanet's release, and what the questions pay by it. */
export type Settled = {
  /** Rows trained on: those that repeat no other's text. */
  readonly rows: readonly Row[];
  readonly model: Model;
  readonly answers: readonly Answer[];
  readonly undefended: Paid | null;
  readonly defended: Paid;
  readonly lexical: Paid;
  readonly accuracy: number;
};

export type SettleOptions = Partial<PayIndexOptions> & {
  /** Without what is paid where nothing is defended, which takes a training of its own where there are copies. */
  readonly defendedOnly?: boolean;
};

/** Trains on the rows, indexes them and pays by them. @param honest which is taken where the same rows are left */
export async function settle(
  world: World,
  all: readonly Row[],
  { defendedOnly = false, ...options }: SettleOptions = {},
  honest?: Settled,
): Promise<Settled> {
  const byText = findClusters({ texts: all, committed: all.map(({ wave }) => wave) });
  const rows = representativesOf(all, byText);
  const release =
    honest !== undefined && isSame(rows, honest.rows) ? honest : await settleRelease(world, rows, options);
  const undefended = async () => {
    const model = rows.length === all.length ? release.model : (await train(world, all, options)).model;
    return paid(
      await model.scores(contributorsOf(all), world.contributors, false),
      world.contributors,
      false,
    );
  };
  return {
    ...release,
    undefended: defendedOnly ? null : await undefended(),
    lexical: paid(lexicalAnswers(world, all), world.contributors, false),
  };
}

const isSame = (rows: readonly Row[], others: readonly Row[]) =>
  rows.length === others.length && rows.every((row, i) => row === others[i]);
const contributorsOf = (rows: readonly Row[]) => rows.map(({ contributor }) => contributor);

async function train(world: World, rows: readonly Row[], options: Partial<PayIndexOptions>) {
  const trained = await trainOn(world, rows);
  return { trained, model: await openModel(world, rows, trained, options) };
}

async function settleRelease(world: World, rows: readonly Row[], options: Partial<PayIndexOptions>) {
  const { trained, model } = await train(world, rows, options);
  const answers = await model.scores(contributorsOf(rows), world.contributors, true);
  const defended = paid(answers, world.contributors, true);
  return { rows, model, answers, defended, accuracy: await accuracy(world, trained) };
}

const ratioFor = (contributor: number, after: Paid, before: Paid) =>
  ratioOf(after.contributors[contributor] as bigint, before.contributors[contributor] as bigint);

/** What the attack changed. */
export function outcomeOf(attack: Attack, rows: readonly Row[], honest: Settled, after: Settled): Outcome {
  const plain = (contributor: number) =>
    after.undefended && honest.undefended && ratioFor(contributor, after.undefended, honest.undefended);
  const later = ({ wave }: Row) => wave > 0;
  const isJoined = (_: Row, i: number) => after.model.representatives[i] !== i;
  const added = rows.filter(later).length;
  return {
    undefended: plain(attacker),
    defended: ratioFor(attacker, after.defended, honest.defended),
    lexical: ratioFor(attacker, after.lexical, honest.lexical),
    other: { undefended: plain(victim), defended: ratioFor(victim, after.defended, honest.defended) },
    bound: attack.bound ?? null,
    otherBound: attack.otherBound ?? null,
    added,
    byText: added - after.rows.filter(later).length,
    byGradient: after.rows.filter(isJoined).filter(later).length,
    accuracy: after.accuracy,
  };
}

/** Trains on an attack. */
export async function attempt(
  world: World,
  attack: Attack,
  honest: Settled,
  options: SettleOptions = {},
): Promise<Outcome> {
  const rows = attacked(world, attack);
  return outcomeOf(attack, rows, honest, await settle(world, rows, options, honest));
}

/** The attacker's rows dealt out to ten names, on the honest model: what they earn together over what the one earned. */
export async function splitUp(world: World, honest: Settled): Promise<Outcome> {
  const names = 10;
  let dealt = 0;
  const contributorOf = honest.rows.map(({ contributor }) => {
    if (contributor !== attacker) return contributor;
    const name = dealt++ % names;
    return name === 0 ? attacker : world.contributors + name - 1;
  });
  const all = world.contributors + names - 1;
  const plain = await honest.model.scores(contributorOf, all, false);
  const clean = await honest.model.scores(contributorOf, all, true);
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
  const attack = { name: "splitting", about: "", bound: 1.05, added: () => [] };
  return outcomeOf(attack, honest.rows, honest, after);
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
