/** The scoring thread: holds the base model's gradient graph and a few releases' adapters and bases; answers with q. */
import { loadCheckpoint, type Sequence, sequenceOf, serveWorker } from "../engine/index.ts";
import { gradDot } from "./methods/graddot.ts";
import { type AnsweredTokens, createQueries, type QueryFiles, type QueryRelease } from "./queries.ts";

export type ScoringWorkerData = {
  baseFolder: string;
  threads: number;
  residentReleases: number;
  maxLength: number;
};
export type QueryRequest = { release: string; promptIds: number[]; outputIds: number[] };
export type GradDotRequest = {
  release: string;
  examples: Sequence[];
  contributorOf: number[];
  contributors: number;
  queries: { promptIds: number[]; outputIds: number[] }[];
};

export type ScoringMethods = {
  has: (release: string) => boolean;
  load: (files: QueryFiles) => void;
  query: (request: QueryRequest) => Promise<Int16Array>;
  gradDot: (request: GradDotRequest) => Promise<number[][]>;
};

await serveWorker<ScoringWorkerData>((data): ScoringMethods => {
  const queries = createQueries(loadCheckpoint(data.baseFolder), data);
  const resident = new Map<string, Promise<QueryRelease>>();

  function use(release: string): Promise<QueryRelease> {
    const found = resident.get(release);
    if (found === undefined) throw new Error(`Release ${release} is not loaded.`);
    resident.delete(release);
    resident.set(release, found); // most recently used last
    return found;
  }

  return {
    has: (release) => resident.has(release),
    async load(files) {
      const opened = queries.open(files);
      resident.set(files.release, opened);
      opened.catch(() => resident.delete(files.release));
      await opened;
      for (const oldest of resident.keys()) {
        if (resident.size <= data.residentReleases) break;
        resident.delete(oldest);
      }
    },
    query: async ({ release, promptIds, outputIds }) => (await use(release)).query({ promptIds, outputIds }),
    async gradDot({ release, examples, contributorOf, contributors, queries: asked }) {
      const { adapter, gradients } = await use(release);
      const toSequence = ({ promptIds, outputIds }: AnsweredTokens) =>
        sequenceOf(promptIds, outputIds, data.maxLength);
      const sequences = asked.map(toSequence);
      return gradDot(gradients, adapter, examples, contributorOf, contributors, sequences, data.threads);
    },
  };
});
