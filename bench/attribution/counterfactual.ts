/** Training a task's adapter with some of its rows left out, and what becomes of the answers. */
import {
  type Adapter,
  argmax,
  type Checkpoint,
  createDecoder,
  createEvaluator,
  createRandom,
  createTrainer,
  loraOf,
  positionsFor,
  promptTokens,
  type Sequence,
  shuffle,
  type TrainState,
} from "../../src/engine/index.ts";
import type { Retraining, RetrainingKind } from "./table.ts";
import { maxLength, recipes, rowSequence, type Task } from "./task.ts";

export type Job = { readonly kind: RetrainingKind; readonly seed: number; readonly number: number };

/** How many retrainings of each kind a task needs, those that tell most first. */
export function jobsOf({ task, contributors }: Task): Job[] {
  const many = (kind: RetrainingKind, count: number, seed = 1): Job[] =>
    Array.from({ length: count }, (_, number) => ({ kind, seed, number }));
  const one = many("one-contributor", contributors.length);
  const full = [...many("full", 1), ...many("full", 1, 2)];
  switch (task) {
    case "shakespeare":
      return [
        ...full,
        ...many("half", 60),
        ...many("half", 60, 2),
        ...one,
        ...many("contributors", 40),
        ...many("twentieth", 50),
      ];
    case "pubmedqa":
      return [
        ...full,
        ...many("half", 60),
        ...many("half", 60, 2),
        ...many("contributors", 40),
        ...one,
        ...many("twentieth", 24),
      ];
    case "shakespeare-hot":
      return [...full, ...many("half", 40), ...many("half", 40, 2)];
    case "facts":
      return [...full, ...one, ...many("half", 30)];
    default:
      return [...full, ...many("half", 40), ...one];
  }
}

/** Which rows a job keeps, `[N]`; the same for every seed of training. */
export function keptBy(task: Task, { kind, number }: Job): Uint8Array {
  const { length } = task.train;
  const random = createRandom(500 + number, 60);
  const chosen = (of: number, count: number) =>
    new Set(
      shuffle(
        Array.from({ length: of }, (_, i) => i),
        random,
      ).slice(0, count),
    );
  const keep = (test: (row: number, contributor: number) => boolean) =>
    Uint8Array.from(task.train, ({ contributor }, row) => (test(row, contributor) ? 1 : 0));
  switch (kind) {
    case "full":
      return keep(() => true);
    case "half": {
      const rows = chosen(length, length >> 1);
      return keep((row) => rows.has(row));
    }
    case "contributors": {
      const kept = chosen(task.contributors.length, task.contributors.length >> 1);
      return keep((_, contributor) => kept.has(contributor));
    }
    case "twentieth": {
      const gone = chosen(length, Math.round(length / 20));
      return keep((row) => !gone.has(row));
    }
    case "one-contributor":
      return keep((_, contributor) => contributor !== number);
  }
}

/** Trains as a job says. @param onEpoch is shown the state after each epoch, which goes on changing */
export async function trainJob(
  base: Checkpoint,
  task: Task,
  job: Job,
  kept: Uint8Array,
  onEpoch: (state: TrainState, learningRate: number) => void = () => {},
): Promise<TrainState> {
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  const without = new Set(kept.keys().filter((row) => kept[row] === 0));
  const trainer = await createTrainer(base, { ...recipes[task.task], seed: job.seed }, sequences, {
    without,
  });
  while (!trainer.done) {
    const { learningRate } = await trainer.step();
    if (trainer.state.step % trainer.stepsPerEpoch === 0) onEpoch(trainer.state, learningRate);
  }
  return trainer.state;
}

/** The most likely answer to each question, up to `most` tokens or the end. */
export async function generateAnswers(
  base: Checkpoint,
  task: Task,
  adapter: Adapter,
  most = 32,
): Promise<string[]> {
  const { tokenizer } = base;
  const answers: string[] = [];
  const decoder = await createDecoder(base, {
    modules: adapter.config.modules,
    rank: adapter.config.rank,
    maxRows: 1,
    maxLength,
    threads: 1,
  });
  const packed = decoder.pack(adapter);
  for (const row of task.queries) {
    const prompt = promptTokens(tokenizer, row);
    const at = decoder.open(packed);
    let logits = (await decoder.feed(at, [prompt]))[0] as Float32Array;
    const ids: number[] = [];
    while (ids.length < Math.min(most, maxLength - prompt.length)) {
      const id = argmax(logits);
      if (tokenizer.eosIds.includes(id) && ids.length > 0) break;
      ids.push(id);
      logits = (await decoder.feed(at, [[id]]))[0] as Float32Array;
    }
    decoder.remove(at);
    answers.push(tokenizer.decode(ids));
  }
  return answers;
}

/** Questions with their reference answers, then with answers that were generated. */
export function querySequences(base: Checkpoint, task: Task, answers: readonly string[]) {
  const reference = task.queries.map((row) => rowSequence(base.tokenizer, row));
  const generated = task.queries.map(({ prompt }, i) =>
    rowSequence(base.tokenizer, { prompt, completion: answers[i] as string }),
  );
  return { reference, generated };
}

/** Losses of both kinds of answers under an adapter. */
export async function createJudge(base: Checkpoint, task: Task, answers: readonly string[]) {
  const { reference, generated } = querySequences(base, task, answers);
  const all: Sequence[] = [...reference, ...generated];
  const evaluate = await createEvaluator(base, loraOf(recipes[task.task]), positionsFor(all), 1);
  return async (adapter: Adapter) => {
    const { losses } = await evaluate(adapter, all);
    return {
      losses: Float32Array.from(losses.slice(0, reference.length)),
      generated: Float32Array.from(losses.slice(reference.length)),
    };
  };
}

/** One retraining, judged. */
export async function retrain(
  base: Checkpoint,
  task: Task,
  job: Job,
  judge: Awaited<ReturnType<typeof createJudge>>,
): Promise<Retraining> {
  const kept = keptBy(task, job);
  const { adapter } = await trainJob(base, task, job, kept);
  return { ...job, kept, ...(await judge(adapter)) };
}
