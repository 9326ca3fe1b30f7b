/**
 * # validators: who checks what no proof on chain can decide
 *
 * That a query is the gradient of its answer, and that an index was made as its manifest says, is seen by computing it again.
 *
 * - `replay`: an answer's gradient once more, from its audit file; `tolerance`: how near two machines' queries must be
 * - `attest-index`: a release's index once more, from its data; `index-source`: what that takes, from a node;
 *   `index-claims`: what the release says of it; `index-clusters`, `index-examples`, `explain-blob`,
 *   `row-faults`: what is not as recomputed, in words
 * - `lottery`, `projection`: what draws a validator, and what it commits to; `verdicts`: the contract
 * - `release-verdicts`: the contract that attests or refutes a release's index, as `verdicts` does receipts
 * - `service`: the validator, round after round; `seat`: its place and its hash chain; `judge`: one receipt; `ballots`: pass, commit, reveal;
 *   `aftermath`: count, charge, accuse, execute; `charges`: who owes stake; `slashes`: what appeals have ended for; `record`: what others
 *   have shown, from the chain; `attempt`: calls that somebody may have made; `tables`: what it must not forget; `node-source`: what it asks nodes
 * - `release-verdicts`: the contract; `release-rounds`: its rounds, answered; `judge-release`: one release; `release-tables`: what is kept of them
 * - `evidence`, `sealing`: texts for drawn validators; `statements`: what validators say off chain; `routes`: both over HTTP, in the node
 */
export * from "./attest-index.ts";
export * from "./errors.ts";
export * from "./evidence.ts";
export * from "./explain-blob.ts";
export * from "./index-claims.ts";
export * from "./index-source.ts";
export * from "./lottery.ts";
export * from "./node-source.ts";
export * from "./projection.ts";
export * from "./release-verdicts.ts";
export * from "./replay.ts";
export * from "./routes.ts";
export * from "./row-faults.ts";
export * from "./sealing.ts";
export * from "./service.ts";
export * from "./statements.ts";
export * from "./tolerance.ts";
export * from "./verdicts.ts";
