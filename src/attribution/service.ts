/** Scores finished answers: a query's integers and every row's exact score. */
import { workerUrl } from "../engine/index.ts";
import { type Address, concat, encodeRow } from "../protocol/index.ts";
import type { IndexFacts } from "./check-index.ts";
import type { AnsweredTokens } from "./queries.ts";
import { openThread } from "./thread.ts";
import type { GradDotRequest, ReleaseFiles, ScoringMethods, ScoringWorkerData } from "./worker.ts";

/** Where a release's files come from; asked once each time a release becomes resident. */
export type ReleaseSource = (release: string) => Promise<{
  adapterConfig: Uint8Array;
  adapterTensors: Uint8Array;
  basis: Uint8Array;
  /** Index rows as they are committed: 2k bytes each, contributors first. */
  rows: readonly Uint8Array[];
  /** Payees of the contributor rows. */
  payees: readonly Address[];
  /** Of the manifest: what rows, payees and basis are held against. */
  index: IndexFacts;
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

/** A name each: no release is looked at twice before this many. */
const preparedMax = 100_000;

export type Attribution = Awaited<ReturnType<typeof createAttribution>>;

/** An answer without a single token has nothing to attribute. */
export class EmptyAnswerError extends Error {
  override name = "EmptyAnswerError";
}

/** @throws EmptyAnswerError when there is no output token */
function asked({ promptIds, outputIds }: AnsweredTokens) {
  if (outputIds.length === 0) throw new EmptyAnswerError("The answer has no tokens, so nothing shaped it.");
  return { promptIds: [...promptIds], outputIds: [...outputIds] };
}

export async function createAttribution(source: ReleaseSource, options: AttributionOptions) {
  const residentReleases = options.residentReleases ?? 8;
  const worker = openThread<ScoringMethods>(workerUrl(import.meta.url, "worker"), {
    baseFolder: options.baseFolder,
    threads: options.threads ?? 1,
    residentReleases,
    maxLength: options.maxLength,
  } satisfies ScoringWorkerData);
  await worker.start();
  const contributorsOf = new Map<string, number>();
  /** Releases whose files were once found to be what they must be. */
  const prepared = new Set<string>();
  let loading: Promise<unknown> = Promise.resolve();

  /** Makes a release resident and runs `use` before another load can push it out. */
  function withRelease<T>(release: string, use: (contributors: number) => Promise<T>): Promise<T> {
    const turn = loading.then(async () => {
      let known = contributorsOf.get(release);
      if (known === undefined || !(await worker.call("has", release))) {
        const { rows, payees, index, adapterConfig, adapterTensors, basis } = await source(release);
        const files = { release, payees, index, adapterConfig, adapterTensors, basis };
        // One buffer: rows may be views of larger ones.
        await worker.call("load", { ...files, rows: concat(rows) } satisfies ReleaseFiles);
        known = payees.length;
        if (prepared.size < preparedMax) prepared.add(release);
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
     * Resolves when answers of the release can be scored: at once, if they ever could since the start.
     *
     * @throws what keeps its files from being read; IndexMismatchError, by name, when they are not what the release committed to
     */
    async prepare(release: string): Promise<void> {
      if (!prepared.has(release)) await withRelease(release, async () => {});
    },
    /**
     * @param answer tokens exactly as the model read and wrote them
     * @throws EmptyAnswerError when there is no output token
     */
    async score(release: string, answer: AnsweredTokens): Promise<AnswerScores> {
      const tokens = asked(answer);
      return withRelease(release, async (contributors) => {
        const { q, scores } = await worker.call("score", { release, ...tokens });
        return {
          query: encodeRow(q),
          scores: Array.from(scores.subarray(0, contributors)),
          nullScores: Array.from(scores.subarray(contributors)),
        };
      });
    },
    /** An answer's gradient in the release's metric, `[p]`: what the explain index is asked with. @throws EmptyAnswerError */
    async gradient(release: string, answer: AnsweredTokens): Promise<Float32Array> {
      return withRelease(release, () => worker.call("gradient", { release, ...asked(answer) }));
    },
    /** The plain gradient baseline for many answers at once, by contributor. */
    gradDot: (request: GradDotRequest): Promise<number[][]> =>
      withRelease(request.release, () => worker.call("gradDot", request)),
    close: () => worker.close(),
  };
}
