/** The scoring thread: holds the base model's gradient graph and a few releases' adapters, bases and rows; answers with q and every row's score. */
import { loadCheckpoint, type Sequence, sequenceOf, serveWorker } from "../engine/index.ts";
import { decodeRow } from "../protocol/index.ts";
import { assertIndex, type IndexFiles } from "./check-index.ts";
import { gradDot } from "./methods/graddot.ts";
import { type AnsweredTokens, createQueries, type QueryFiles, type QueryRelease } from "./queries.ts";
import { createInt16Scan, type Scan } from "./scan.ts";

export type ScoringWorkerData = {
  baseFolder: string;
  threads: number;
  residentReleases: number;
  maxLength: number;
};
export type ReleaseFiles = QueryFiles & IndexFiles;
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
  load: (files: ReleaseFiles) => void;
  score: (request: QueryRequest) => Promise<{ q: Int16Array; scores: Float64Array }>;
  gradient: (request: QueryRequest) => Promise<Float32Array>;
  gradDot: (request: GradDotRequest) => Promise<number[][]>;
};

type Resident = QueryRelease & { readonly scan: Scan<Int16Array> };

/** @throws RangeError when the rows have other dimensions than queries will */
function scanOf({ release, rows, index }: ReleaseFiles, k: number): Scan<Int16Array> {
  const rowBytes = 2 * index.k;
  if (rowBytes !== 2 * k)
    throw new RangeError(
      `The pay index of release ${release} does not match its basis: rows of ${rowBytes} bytes, expected ${2 * k}.`,
    );
  const row = (i: number) => decodeRow(rows.subarray(i * rowBytes, (i + 1) * rowBytes));
  return createInt16Scan({ rows: rows.length / rowBytes, columns: k, row });
}

await serveWorker<ScoringWorkerData>((data): ScoringMethods => {
  const queries = createQueries(loadCheckpoint(data.baseFolder), data);
  const resident = new Map<string, Promise<Resident>>();

  function use(release: string): Promise<Resident> {
    const found = resident.get(release);
    if (found === undefined) throw new Error(`Release ${release} is not loaded.`);
    resident.delete(release);
    resident.set(release, found); // most recently used last
    return found;
  }

  return {
    has: (release) => resident.has(release),
    async load(files) {
      assertIndex(files);
      const opened = queries.open(files).then((release) => ({
        ...release,
        scan: scanOf(files, release.k),
      }));
      resident.set(files.release, opened);
      opened.catch(() => resident.delete(files.release));
      await opened;
      for (const oldest of resident.keys()) {
        if (resident.size <= data.residentReleases) break;
        resident.delete(oldest);
      }
    },
    async score({ release, promptIds, outputIds }) {
      const { query, scan } = await use(release);
      const q = await query({ promptIds, outputIds });
      return { q, scores: scan.scores(q) };
    },
    async gradient({ release, promptIds, outputIds }) {
      return (await use(release)).scaled({ promptIds, outputIds });
    },
    async gradDot({ release, examples, contributorOf, contributors, queries: asked }) {
      const { adapter, gradients } = await use(release);
      const toSequence = ({ promptIds, outputIds }: AnsweredTokens) =>
        sequenceOf(promptIds, outputIds, data.maxLength);
      const sequences = asked.map(toSequence);
      return gradDot(gradients, adapter, examples, contributorOf, contributors, sequences, data.threads);
    },
  };
});
