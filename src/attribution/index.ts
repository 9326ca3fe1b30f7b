/**
 * # attribution: whose examples shaped an answer
 *
 * Influence is measured with gradients and paid in integers. Read in this order:
 *
 * - `influence`: the mathematics, a label-sampled Fisher in Adam's metric, one block per layer
 * - `pay-index`: from training examples to one integer row per contributor, null rows and the threshold
 * - `basis`: the directions rows and queries share; a query's gradient becomes k integers
 * - `queries`: an answer's gradient and its integers
 * - `bm25`, `graddot`: baselines, to be printed beside ours
 * - `statistics/`: how right scores and payouts are, against retraining
 * - `service`: scores finished answers in a worker thread of its own
 */
export * from "./basis.ts";
export * from "./bm25.ts";
export * from "./graddot.ts";
export * from "./influence.ts";
export * from "./linalg.ts";
export * from "./pay-index.ts";
export * from "./queries.ts";
export * from "./service.ts";
export * from "./statistics/index.ts";
