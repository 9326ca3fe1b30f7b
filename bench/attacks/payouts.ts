/** Trains a world's model, indexes it, and divides the fees of its questions: what each contributor is paid in wei. */
import {
  adamMetric,
  buildPayIndex,
  createBm25,
  defaultPayIndexOptions,
  findClusters,
  type PayIndexOptions,
  projectQuery,
  type Representatives,
  sketchExamples,
  widenAdapter,
} from "../../src/attribution/index.ts";
import {
  type Adapter,
  createEvaluator,
  createGradients,
  createTrainer,
  loraOf,
  type OptimizerState,
  positionsFor,
} from "../../src/engine/index.ts";
import {
  apportion,
  genesisSplit,
  type Influence,
  type PaymentKind,
  payout,
} from "../../src/protocol/index.ts";
import type { Row, World } from "./world.ts";

export type Trained = {
  readonly adapter: Adapter;
  readonly optimizer: OptimizerState;
  readonly steps: number;
};

export async function trainOn(world: World, rows: readonly Row[]): Promise<Trained> {
  const trainer = await createTrainer(
    world.base,
    world.recipe,
    rows.map((row) => world.sequence(row)),
  );
  while (!trainer.done) await trainer.step();
  const { adapter, optimizer, step } = trainer.state;
  return { adapter, optimizer, steps: step };
}

/** Part of the questions that the model answers right, word for word. */
export async function accuracy(world: World, { adapter }: Trained): Promise<number> {
  const sequences = world.questions.map((question) => world.sequence(question));
  const evaluate = await createEvaluator(
    world.base,
    loraOf(world.recipe),
    positionsFor(sequences),
    world.recipe.threads,
  );
  const { exact } = await evaluate(adapter, sequences);
  return exact.filter(Boolean).length / exact.length;
}

/** The gradients of one trained model, and which of its rows repeat another's by their gradients. */
export async function openModel(
  world: World,
  rows: readonly Row[],
  trained: Trained,
  options: Partial<PayIndexOptions>,
) {
  const { optimizer } = trained;
  const { beta2 } = world.recipe.optimizer;
  const sequences = rows.map((row) => world.sequence(row));
  const heldOut = world.heldOut.map((text) => world.sequence(text));
  const questions = world.questions.map((question) => world.sequence(question, true));
  const adapter = widenAdapter(world.base.config, trained.adapter);
  const gradients = await createGradients(world.base, adapter.config, {
    parts: ["B"],
    positions: positionsFor([...sequences, ...heldOut, ...questions]),
    threads: world.recipe.threads,
  });
  const secondMoments = new Map([...optimizer.moments].map(([name, { v }]) => [name, v] as const));
  const metric = adamMetric(
    gradients.segments,
    gradients.width,
    (name) => secondMoments.get(name) as Float32Array,
    1 - beta2 ** trained.steps,
  );
  const asked = (await gradients.rows(adapter, questions)).data;
  const representatives: Representatives = findClusters({
    texts: rows,
    committed: rows.map(({ wave }) => wave),
    sketches: await sketchExamples(gradients, adapter, sequences, metric),
  });
  return {
    /** Near duplicates, the earliest of each standing for it. */
    representatives,
    /** Scores of every question against every contributor and null row. @param clean near duplicates left out */
    async scores(contributorOf: readonly number[], contributors: number, clean: boolean) {
      const index = await buildPayIndex(
        {
          gradients,
          adapter,
          secondMoments,
          beta2,
          steps: trained.steps,
          sequences,
          contributorOf,
          contributors,
          heldOut,
          ...(clean && { representatives }),
        },
        { ...defaultPayIndexOptions, ...options, threads: world.recipe.threads },
      );
      const p = gradients.width;
      return world.questions.map((_, n): Answer => {
        const q = projectQuery(index.basis, asked.subarray(n * p, (n + 1) * p));
        const all = index.rows.map((row) => row.reduce((sum, x, i) => sum + x * (q[i] as number), 0));
        const rows = index.contributorOfRow.length;
        return {
          scores: all.slice(0, rows),
          nullScores: all.slice(rows),
          thresholdMillionths: index.thresholdMillionths,
          contributorOfRow: index.contributorOfRow,
        };
      });
    },
  };
}

export type Answer = Omit<Influence, "contributors"> & {
  /** By row of the index, whose it is. */
  readonly contributorOfRow: readonly number[];
};

/** One unit of money a question. */
export const fee = 10n ** 18n;
const address = (n: number) => `0x${n.toString(16).padStart(40, "0")}` as const;

export type Paid = {
  /** wei, by contributor. */
  readonly contributors: readonly bigint[];
  /** wei of all the questions, by head of the fee. */
  readonly heads: Readonly<Record<PaymentKind, bigint>>;
};

/**
 * What the questions pay, together.
 *
 * @param defended as releases pay; else each contributor in proportion to its sum, where that is positive
 */
export function paid(answers: readonly Answer[], contributors: number, defended: boolean): Paid {
  const earned = new Array<bigint>(contributors).fill(0n);
  const heads = {
    operator: 0n,
    treasury: 0n,
    developer: 0n,
    stakers: 0n,
    owner: 0n,
    contributor: 0n,
    pool: 0n,
  };
  for (const answer of answers) {
    const { scores, contributorOfRow } = answer;
    const { payments } = payout({
      fee,
      split: genesisSplit,
      payees: { operator: address(1), treasury: address(2), developer: address(3), stakers: address(4) },
      datanets: [{ owner: address(5), pool: address(6), acceptedExamples: 1 }],
      influence: defended ? { ...answer, contributors: contributorOfRow.map((c) => address(100 + c)) } : null,
    });
    const sums = new Array<number>(contributors).fill(0);
    for (const [row, c] of contributorOfRow.entries())
      sums[c] = (sums[c] as number) + (scores[row] as number);
    const positive = sums.map((sum) => BigInt(Math.max(0, sum)));
    const plain = !defended && positive.some((sum) => sum > 0n);
    for (const { kind, amount, at } of payments) {
      if (plain && kind === "pool")
        apportion(amount, positive).forEach((part, c) => {
          heads.contributor += part;
          earned[c] = (earned[c] as bigint) + part;
        });
      else {
        heads[kind] += amount;
        if (kind === "contributor") {
          const c = contributorOfRow[at as number] as number;
          earned[c] = (earned[c] as bigint) + amount;
        }
      }
    }
  }
  return { contributors: earned, heads };
}

/** The same questions paid by BM25's sums, to compare with: what matching words would pay. In millionths of a score's unit. */
export function lexicalAnswers(world: World, rows: readonly Row[]): Answer[] {
  const score = createBm25(rows.map(({ prompt, completion }) => `${prompt} ${completion}`));
  return world.questions.map(({ prompt, completion }) => {
    const scores = new Array<number>(world.contributors).fill(0);
    score(`${prompt} ${completion}`).forEach((x, i) => {
      const c = rows[i]?.contributor as number;
      scores[c] = (scores[c] as number) + Math.round(1e6 * x);
    });
    return { scores, nullScores: [0], thresholdMillionths: 0, contributorOfRow: [...scores.keys()] };
  });
}

/** Not a number when there is nothing to compare with. */
export const ratioOf = (a: bigint, b: bigint): number =>
  b === 0n ? Number.NaN : Number((a * 1_000_000n) / b) / 1_000_000;
