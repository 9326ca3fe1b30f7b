/** How right a release's scores are, as its manifest states it, sorted out for whoever shows a score. */
import { z } from "zod";
import type { Manifest } from "./manifest.ts";
import { payWeights } from "./payout.ts";
import type { ScoreEntry } from "./row.ts";

/** A mean and its 95 % interval, in millionths. */
const estimateSchema = z.object({ mean: z.int(), lo: z.int(), hi: z.int() });

/** The facts of `calibration` that are written when a release's scores were held against retrainings (docs/protocol.md, section 4). */
const measuredSchema = z.looseObject({
  retrainings: z.int().min(1),
  queries: z.int().min(1),
  /** Linear datamodeling score: rank correlation of predicted with measured losses over half-subsets. */
  lds: estimateSchema,
  bm25: estimateSchema,
  /** lds − bm25 on the same retrainings, paired. */
  difference: estimateSchema,
  /** What another seed's retrainings predict, at most. */
  ceiling: estimateSchema.nullable(),
  separates: z.boolean(),
  /** 95 % of contributors' shares of what an answer pays for influence are within this, millionths; null when it could not be told. */
  shareErrorMillionths: z.int().min(0).nullable(),
});

export type MillionthsEstimate = z.infer<typeof estimateSchema>;
export type Calibration =
  | ({ readonly status: "separates" | "not-separated" } & z.infer<typeof measuredSchema>)
  | { readonly status: "unmeasured"; readonly shareErrorMillionths: null };

/** What a manifest says about the worth of its scores; `unmeasured` where it says nothing that is complete. */
export function calibrationOf({ calibration }: Pick<Manifest, "calibration">): Calibration {
  const { success, data } = measuredSchema.safeParse(calibration);
  return success
    ? { ...data, status: data.separates && data.difference.lo > 0 ? "separates" : "not-separated" }
    : { status: "unmeasured", shareErrorMillionths: null };
}

const hundredths = (millionths: number) => (millionths / 1e6).toFixed(2);
const interval = ({ mean, lo, hi }: MillionthsEstimate) =>
  `${hundredths(mean)} [${hundredths(lo)}, ${hundredths(hi)}]`;

/** One line for people, to stand wherever the release or a score of it is shown. */
export function calibrationLabel(calibration: Calibration): string {
  if (calibration.status === "unmeasured")
    return "NOT CALIBRATED: no retraining has tested whether these scores are right";
  const { lds, bm25, ceiling, retrainings, queries } = calibration;
  const figures = `LDS ${interval(lds)} against ${interval(bm25)} of shared words (BM25)${
    ceiling === null ? "" : `, ceiling ${hundredths(ceiling.mean)}`
  }, ${retrainings} retrainings, ${queries} answers`;
  return calibration.status === "separates"
    ? `calibrated: ${figures}`
    : `NO BETTER THAN SHARED WORDS: scores predict retraining no better than BM25 does; ${figures}`;
}

/** What a listed row is paid of an answer's influence, with its interval. */
export type ScoreShare = {
  readonly row: number;
  readonly score: number;
  readonly shareMillionths: number;
  /** A contributor's share, the sum of its rows', is within this with 95 % confidence; null where nothing tells. */
  readonly errorMillionths: number | null;
};

/** No score stands without its error bar: what each listed row is paid of the influence part, with ±. */
export function scoreShares(
  scores: readonly ScoreEntry[],
  threshold: bigint,
  { shareErrorMillionths }: Pick<Calibration, "shareErrorMillionths">,
): ScoreShare[] {
  // A list that lies may hold what is not above the cut: it is shown, too, and pays nothing.
  const weights = payWeights(scores, threshold).map((weight) => Math.max(0, Number(weight)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return scores.map(({ row, score }, i) => ({
    row,
    score,
    shareMillionths: sum > 0 ? Math.round(((weights[i] as number) / sum) * 1e6) : 0,
    errorMillionths: shareErrorMillionths,
  }));
}

export type DescribedCalibration = Calibration & { readonly label: string };

/** What a release's list entry and a receipt say of it over HTTP: status, label and the figures behind them. */
export const describeCalibration = (manifest: Pick<Manifest, "calibration">): DescribedCalibration => {
  const calibration = calibrationOf(manifest);
  return { ...calibration, label: calibrationLabel(calibration) };
};
