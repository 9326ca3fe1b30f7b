/**
 * How right scores are, against what retraining found. Read in this order:
 *
 * - `ranks`, `bootstrap`: Spearman's ρ under resampling, 95 % intervals on shared draws; the highest scores
 * - `lds`: the linear datamodeling score of examples and contributors, and the ceiling another seed sets
 * - `payout-error`: payout rules against leaving a contributor out
 * - `auc`: finding what is marked
 */
export * from "./auc.ts";
export {
  type BootstrapOptions,
  difference,
  type Estimate,
  overQueries,
  type QueryEstimate,
  ratio,
} from "./bootstrap.ts";
export * from "./lds.ts";
export * from "./payout-error.ts";
export { spearman, topOf } from "./ranks.ts";
