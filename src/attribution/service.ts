/** Scores finished answers: a query's integers and every row's exact score. */
import { startWorker, workerUrl } from "../engine/index.ts";
import { encodeRow } from "../protocol/index.ts";
import type { GradDotRequest, ReleaseFiles, ScoringMethods, ScoringWorkerData } from "./worker.ts";

/** Where a release's files come from; asked once each time a release becomes resident. */
export type ReleaseSource = (release: string) => Promise<{
  adapterConfig: Uint8Array;
  adapterTensors: Uint8Array;
  basis: Uint8Array;
  /** Index rows as they are committed: 2k bytes each, contributors first. */
  rows: readonly Uint8Array[];
  contributors: number;
}>;

export type AttributionOptions = {
  baseFolder: string;
  maxLength: number;
  threads?: number;
  residentReleases?: number;
};

export type AnswerScores = {
  /** q, k big-endian int16. */
  readonly query: Uint8Array;
  /** S by contributor row, then by null row. */
  readonly scores: readonly number[];
  readonly nullScores: readonly number[];
};

export type Attribution = Awaited<ReturnType<typeof createAttribution>>;

/** An answer without a single token has nothing to attribute. */
export class EmptyAnswerError extends Error {
  override name = "EmptyAnswerError";
}

export async function createAttribution(source: ReleaseSource, options: AttributionOptions) {
  const residentReleases = options.residentReleases ?? 8;
  const worker = await startWorker<ScoringMethods>(workerUrl(import.meta.url, "worker"), {
    baseFolder: options.baseFolder,
    threads: options.threads ?? 1,
    residentReleases,
    maxLength: options.maxLength,
  } satisfies ScoringWorkerData);
  const contributorsOf = new Map<string, number>();
  let loading: Promise<unknown> = Promise.resolve();

  /** Makes a release resident and runs `use` before another load can push it out. */
  function withRelease<T>(release: string, use: (contributors: number) => Promise<T>): Promise<T> {
    const turn = loading.then(async () => {
      let known = contributorsOf.get(release);
      if (known === undefined || !(await worker.call("has", release))) {
        const { rows, contributors, ...files } = await source(release);
        const rowBytes = rows[0]?.length ?? 0;
        const all = new Uint8Array(rows.length * rowBytes); // one buffer: rows may be views of larger ones
        for (const [i, row] of rows.entries()) all.set(row, i * rowBytes);
        await worker.call("load", { ...files, release, rows: all, rowBytes } satisfies ReleaseFiles);
        known = contributors;
        contributorsOf.delete(release);
        contributorsOf.set(release, known);
        for (const oldest of contributorsOf.keys()) {
          if (contributorsOf.size <= residentReleases) break;
          contributorsOf.delete(oldest);
        }
      }
      return use(known);
    });
    loading = turn.catch(() => undefined);
    return turn;
  }

  return {
    /**
     * @param answer tokens exactly as the model read and wrote them
     * @throws EmptyAnswerError when there is no output token
     */
    async score(
      release: string,
      answer: { promptIds: readonly number[]; outputIds: readonly number[] },
    ): Promise<AnswerScores> {
      if (answer.outputIds.length === 0)
        throw new EmptyAnswerError("The answer has no tokens, so nothing shaped it.");
      return withRelease(release, async (contributors) => {
        const { q, scores } = await worker.call("score", {
          release,
          promptIds: [...answer.promptIds],
          outputIds: [...answer.outputIds],
        });
        return {
          query: encodeRow(q),
          scores: Array.from(scores.subarray(0, contributors)),
          nullScores: Array.from(scores.subarray(contributors)),
        };
      });
    },
    /** The plain gradient baseline for many answers at once, by contributor. */
    gradDot: (request: GradDotRequest): Promise<number[][]> =>
      withRelease(request.release, () => worker.call("gradDot", request)),
    close: () => worker.close(),
  };
}
