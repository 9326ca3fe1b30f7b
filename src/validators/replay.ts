/** `verify --replay`: the answer's gradient again, from its audit file and the base model alone. */
import { type AnsweredTokens, createQueries, type QueryRelease } from "../attribution/index.ts";
import { loadCheckpoint } from "../engine/index.ts";
import { askedTokens } from "../inference/index.ts";
import { type BaseModel, isOfBase } from "../modelfactory/index.ts";
import { answerText } from "../openlora/index.ts";
import {
  type Audit,
  bytesDigest,
  type Check,
  type Digest,
  decodeRow,
  hashReceipt,
  sameHex,
  splitFee,
  textDigest,
  toBytes,
} from "../protocol/index.ts";
import { compareQueries, type QueryComparison, type Tolerance, tolerance } from "./tolerance.ts";

/** What is checked by computing again, in the order in which it is reported. */
export type ReplayName =
  /** The base model here is the one that the manifest names. */
  | "base"
  /** The adapter's bytes are those that the manifest names. */
  | "adapter"
  /** The basis' bytes are those that the manifest names. */
  | "basis"
  /** There are as many tokens as the receipt charges for. */
  | "tokens"
  /** The request that the receipt names reads as these prompt tokens. */
  | "prompt"
  /** These output tokens read as the answer that the receipt names. */
  | "answer"
  /** The published q is the gradient of this answer, within tolerance. */
  | "gradient";

export type ReplayCheck = Omit<Check, "name"> & { readonly name: ReplayName };

export type Replay = {
  readonly receiptId: Digest;
  readonly checks: readonly ReplayCheck[];
  /** Null where there was nothing to compare: a payer who opted out, or material that is missing. */
  readonly comparison: QueryComparison | null;
  /** The gradient that was computed, `[p]`. */
  readonly gradient: Float32Array | null;
  readonly seconds: number;
};

/** What a replay takes: an audit file's decoded form. */
export type ReplayInput = Pick<Audit, "manifest" | "index" | "request" | "response" | "tokens" | "files"> & {
  readonly bundle: Pick<Audit["bundle"], "receipt" | "query"> & {
    readonly terms: Pick<Audit["bundle"]["terms"], "split">;
  };
};

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

/** @returns how answers are replayed over one base model; its weights are read once, when first needed */
export function createReplayer(base: BaseModel, options: { threads?: number; tolerance?: Tolerance } = {}) {
  const { threads = 1, tolerance: allowed = tolerance } = options;
  let loaded: ReturnType<typeof loadCheckpoint> | undefined;
  const checkpoint = () => (loaded ??= loadCheckpoint(base.folder));

  /** A failed check stops nothing: everything that can be said is said. */
  return async function replay(input: ReplayInput): Promise<Replay> {
    const started = performance.now();
    const { bundle, manifest, tokens, files } = input;
    const { receipt } = bundle;
    const checks: ReplayCheck[] = [];
    const add = (name: ReplayName, expected: string, actual: string) =>
      checks.push({ name, status: expected === actual ? "passed" : "failed", expected, actual });
    const missing = (name: ReplayName, what: string) =>
      checks.push({ name, status: "unchecked", expected: what, actual: "not in the file" });
    const done = (comparison: QueryComparison | null, gradient: Float32Array | null): Replay => ({
      receiptId: hashReceipt(receipt),
      checks,
      comparison,
      gradient,
      seconds: (performance.now() - started) / 1000,
    });

    const isBase = isOfBase(manifest, base);
    add("base", `${manifest.base.weightsDigest}`, isBase ? manifest.base.weightsDigest : base.weightsDigest);
    if (files === undefined) {
      missing("adapter", "the adapter's files");
      missing("basis", "the basis");
    } else {
      add("adapter", manifest.adapter.digest, bytesDigest(bytesOf(files.adapter)));
      add("basis", manifest.index.basisDigest, bytesDigest(bytesOf(files.basis)));
    }
    if (tokens === undefined) {
      for (const name of ["tokens", "prompt", "answer", "gradient"] as const)
        missing(name, "the answer's tokens");
      return done(null, null);
    }
    add(
      "tokens",
      `${receipt.promptTokens} and ${receipt.completionTokens}`,
      `${tokens.prompt.length} and ${tokens.output.length}`,
    );
    if (!isBase) {
      for (const name of ["prompt", "answer", "gradient"] as const)
        missing(name, "the manifest's base model");
      return done(null, null);
    }
    const stop = checkPrompt(input, checkpoint(), checks);
    const text = answerText(checkpoint().tokenizer, tokens.output, stop);
    add("answer", receipt.responseDigest, text === undefined ? "no answer" : textDigest(text));
    if (bundle.query === "0x") {
      checks.push({ name: "gradient", status: "unchecked", expected: "a query", actual: "none: not traced" });
      return done(null, null);
    }
    if (
      files === undefined ||
      checks.some(({ name, status }) => name !== "gradient" && status === "failed")
    ) {
      missing("gradient", files === undefined ? "the release's files" : "material that holds");
      return done(null, null);
    }
    return replayGradient(input, tokens, files);

    async function replayGradient(
      { index }: ReplayInput,
      { prompt, output }: NonNullable<ReplayInput["tokens"]>,
      { adapter, adapterConfig, basis }: NonNullable<ReplayInput["files"]>,
    ): Promise<Replay> {
      const answer: AnsweredTokens = { promptIds: prompt, outputIds: output };
      const queries = createQueries(checkpoint(), { maxLength: prompt.length + output.length, threads });
      const opened = await queries
        .open({
          release: receipt.releaseId,
          adapterConfig: bytesOf(adapterConfig),
          adapterTensors: bytesOf(adapter),
          basis: bytesOf(basis),
        })
        .catch((error: Error) => error);
      if (opened instanceof Error) {
        add("gradient", "an adapter and a basis of this base", opened.message);
        return done(null, null);
      }
      const release = opened;
      const told = {
        rank: manifest.adapter.rank,
        scale: Number(manifest.adapter.alpha) / manifest.adapter.rank,
      };
      const { rank, scale, modules } = release.trained.config;
      const shape = (of: object, names: readonly string[]) =>
        JSON.stringify({ ...of, modules: [...names].sort() });
      const [expected, actual] = [shape(told, manifest.adapter.modules), shape({ rank, scale }, modules)];
      if (expected !== actual) {
        checks.push({ name: "gradient", status: "failed", expected: `an adapter of ${expected}`, actual });
        return done(null, null);
      }
      const gradient = await release.gradient(answer);
      const q = projected(release, gradient);
      if (q instanceof Error) {
        add("gradient", "a query of finite numbers", q.message);
        return done(null, null);
      }
      const heads = splitFee(receipt.to - receipt.from, bundle.terms.split);
      const comparison = compareQueries(
        decodeRow(toBytes(bundle.query)),
        q,
        {
          rows: index.rows.map((row) => decodeRow(toBytes(row))),
          contributors: index.contributors.length,
          thresholdMillionths: manifest.index.thresholdMillionths,
          influenceShare: Number(heads.influence) / Number(receipt.to - receipt.from),
        },
        allowed,
      );
      checks.push({
        name: "gradient",
        status: comparison.within ? "passed" : "failed",
        expected: `q within ${allowed.distance} of its length, ${100 * allowed.moved} % of the fee`,
        actual: `${comparison.distance.toExponential(2)} of its length, ${(100 * comparison.moved).toFixed(4)} % of the fee`,
      });
      return done(comparison, gradient);
    }
  };
}

/** A basis whose numbers are none yields no query: that is an answer about the release, and must not keep a validator from its verdict. */
function projected({ project }: QueryRelease, gradient: Float32Array): Int16Array | Error {
  try {
    return project(gradient);
  } catch (error) {
    if (error instanceof RangeError) return error;
    throw error;
  }
}

/** @returns the request's stop strings; none where it is not here */
function checkPrompt(
  { bundle, request, tokens }: ReplayInput,
  base: Parameters<typeof askedTokens>[1],
  checks: ReplayCheck[],
): readonly string[] {
  const name = "prompt";
  if (request === undefined) {
    checks.push({ name, status: "unchecked", expected: "the request", actual: "not in the file" });
    return [];
  }
  const { requestDigest } = bundle.receipt;
  const digest = bytesDigest(request);
  if (!sameHex(digest, requestDigest)) {
    checks.push({ name, status: "failed", expected: requestDigest, actual: digest });
    return [];
  }
  try {
    const { prompts, stop } = askedTokens(toBytes(request), base);
    const found = prompts.some((ids) => ids.join() === tokens?.prompt.join());
    checks.push({
      name,
      status: found ? "passed" : "failed",
      expected: "tokens of the request's prompt",
      actual: found ? "the same" : `${tokens?.prompt.length} others`,
    });
    return stop;
  } catch (error) {
    checks.push({
      name,
      status: "failed",
      expected: "a request that this base answers",
      actual: (error as Error).message,
    });
    return [];
  }
}
