/** The examples behind answers: from a finished answer to the training examples that made it likelier, or less likely. */
import { workerUrl } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { Explained } from "./explain-search.ts";
import type { ExplainMethods } from "./explain-worker.ts";
import type { AnsweredTokens } from "./queries.ts";
import { openThread } from "./thread.ts";

export type ExplainDependencies = {
  /** The answer's gradient, scaled by the release's metric `[p]`: computed again, in turn with the scoring of other answers. */
  readonly gradient: (release: Digest, answer: AnsweredTokens) => Promise<Float32Array>;
  /** A local file that holds a blob. */
  readonly path: (digest: Digest) => Promise<string>;
  /** For rows in memory, of all indexes together; 256 MiB unless given. */
  readonly memoryBytes?: number;
};

export type ExplainQuestion = {
  /** Names the answer. */
  readonly receipt: Digest;
  readonly release: Digest;
  /** The release's explain index. */
  readonly index: Digest;
  readonly answer: AnsweredTokens;
  /** Numbers of examples, ascending: of those, the helpful ones are wanted. */
  readonly among: readonly number[];
  /** Whether the harmful ones of all examples are wanted too. */
  readonly harmful: boolean;
};

export type Explainer = {
  /**
   * Asked again, the same answer comes from memory.
   *
   * @throws ExplainBusyError; IndexMismatchError, by name, when the index is not the one the release names; what reading it throws
   */
  explain(question: ExplainQuestion): Promise<Explained>;
  close(): Promise<void>;
};

/** Most examples of each kind that are found for an answer. */
export const explainMax = 100;
/** Answers whose examples are remembered: 256 × 2 × 100 pairs of numbers, 3 MiB at most. */
const rememberedMax = 256;
/** Questions that wait. One is worked on at a time, so that a receipt waits for one gradient at most. */
const waitingMax = 16;

/** Too many ask at once. */
export class ExplainBusyError extends Error {
  override name = "ExplainBusyError";
}

export function openExplainer(dependencies: ExplainDependencies): Explainer {
  const { gradient, path, memoryBytes = 2 ** 28 } = dependencies;
  const thread = openThread<ExplainMethods>(workerUrl(import.meta.url, "explain-worker"), { memoryBytes });
  const remembered = new Map<string, Promise<Explained>>();
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  async function find({ release, index, answer, among, harmful }: ExplainQuestion): Promise<Explained> {
    const file = await path(index);
    return thread.call("explain", {
      ...{ digest: index, path: file, among, harmful },
      gradient: await gradient(release, answer),
      count: explainMax,
    });
  }

  return {
    explain(question) {
      const key = `${question.receipt} ${question.harmful}`;
      const before = remembered.get(key);
      if (before !== undefined) {
        remembered.delete(key);
        remembered.set(key, before); // most recently asked last
        return before;
      }
      if (waiting >= waitingMax)
        return Promise.reject(
          new ExplainBusyError(`${waiting} questions for examples wait already. Ask again in a few seconds.`),
        );
      waiting++;
      const found = last.then(() => find(question));
      last = found.then(
        () => waiting--,
        () => {
          waiting--;
          remembered.delete(key);
        },
      );
      remembered.set(key, found);
      for (const oldest of remembered.keys()) {
        if (remembered.size <= rememberedMax) break;
        remembered.delete(oldest);
      }
      return found;
    },
    close: () => thread.close(),
  };
}
