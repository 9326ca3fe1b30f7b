/**
 * # attribution: whose examples shaped an answer
 *
 * Influence is measured with gradients and paid in integers. Read in this order:
 *
 * - `influence`: the mathematics, a label-sampled Fisher in Adam's metric, one block per layer
 * - `pay-index`: from training examples to integer rows of a contributor's examples, null rows and the threshold, in three passes over files
 *   (`scratch`): `index-gradients`, `index-rows`, `index-basis`; `inspect-index`: one made again, in the basis of one that was published
 * - `widen`: an adapter's gradient along more directions than it has
 * - `basis`: the directions rows and queries share; a query's gradient becomes k integers
 * - `projection`: the same fast, by exact integer scans
 * - `queries`: an answer's gradient and its integers
 * - `clusters/`: near duplicates, of which only the first is paid
 * - `statistics/`: how right scores and payouts are, against retraining
 * - `methods`: ten ways to score examples behind one interface, the baselines among them, and what they read
 *   collected from the engine
 * - `spans/`: runs of an answer that stand word for word in the training data; shown, not paid
 * - `scan`: a query against every row, exactly, in WebAssembly SIMD (`kernels`, written with `wasm`)
 * - `explain-index`: one row per example in few bits (`rotation`, `explain-codes`), to show those behind a score; `explain-search`: asking it;
 *   `explain-service`: the examples behind a finished answer, in a thread of its own (`thread`)
 * - `row-groups`: which examples stand for one row of the pay index
 * - `service`: scores finished answers in a worker thread of its own
 */
export * from "./basis.ts";
export * from "./check-index.ts";
export * from "./clusters/index.ts";
export * from "./explain-index.ts";
export * from "./explain-search.ts";
export * from "./explain-service.ts";
export * from "./influence.ts";
export * from "./inspect-index.ts";
export * from "./linalg.ts";
export * from "./methods/index.ts";
export * from "./pay-index.ts";
export * from "./projection.ts";
export * from "./queries.ts";
export * from "./row-groups.ts";
export * from "./scan.ts";
export * from "./service.ts";
export * from "./spans/index.ts";
export * from "./statistics/index.ts";
export * from "./widen.ts";
