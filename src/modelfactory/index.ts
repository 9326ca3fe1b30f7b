/**
 * # modelfactory: from Datanet versions to a released model
 *
 * - `recipe`, `job`: what is asked for; `service`: what may be done with it; `queue`: whose turn it is; `run-job`: train → evaluate → index → calibrate → release, each in `steps/`; each finished step
 *   written down
 * - `presets`, `preset-values`: recipes by a word; `recipe-file`: as YAML; `openai/`: files and jobs as OpenAI's clients ask for them
 * - `payment`: what a job costs and orders; `job-payments`: that it waits for its escrow, and has it settled; `escrow`: the contract;
 *   `settle-payment`: what is said to it; `plan-of`: whether a plan is of a job
 * - `estimate`: how long a job will take, by `measure` on this machine (`run-estimate`)
 * - `sweep`: a job for each point of a grid, side by side
 * - `training`: to the held-out optimum, and again without some examples; `training-state`: one that is under way, as a file, of which
 *   `progress-files` keeps one for each; `worker`: the training thread
 * - `evaluation`: base against tuned with intervals, `answers` they write, the general prompts of `regression`
 * - `calibration`: whether scores foretell retraining; `steps/calibrate`: the retrainings, one by one
 * - `reproduce`: a release's training again, from its manifest; `check-release`: whether that gives its adapter; `adapter-distance`: by how
 *   much not; `check-checkpoint`: the same of a job that its payer cancelled, to the step that was paid for; `check-parts`: what both check
 * - `release-index`: its pay index, made here and made again by who checks it
 * - `release`: the manifest and the files it names; `releases`: those this node keeps; `registry`: the contract; `registered`: what it and
 *   its like say of a release
 * - `served`: which release a model's name serves; `release-diff`: what two say differently; `merge`: base and adapter as one folder
 * - `base-model`, `base-corpus`, `base-profiles`: how `models/openledger-tiny` is made
 * - `hub-pull`: a base model from a hub to a folder, gone on with after an interruption; `hub-plan`: what the hub says of it, checked;
 *   `hub-model`: what is kept of that; `hub-file`: one file; `hub-http`: where requests may lead; `model-folder`: what is in a folder
 */
export { type AdapterDistance, adapterDistance } from "./adapter-distance.ts";
export * from "./base-corpus.ts";
export * from "./base-model.ts";
export * from "./base-profiles.ts";
export * from "./calibration.ts";
export * from "./check-checkpoint.ts";
export type { StartMaterial } from "./check-parts.ts";
export * from "./check-release.ts";
export * from "./errors.ts";
export * from "./escrow.ts";
export * from "./evaluation.ts";
export { type Hub, openHub } from "./hub-http.ts";
export { type HubFile, hubIdSchema, type Pull } from "./hub-model.ts";
export { type PullOptions, type PullResult, pullModel, readPull } from "./hub-pull.ts";
export * from "./job.ts";
export type { PaymentDependencies } from "./job-payments.ts";
export { rowsOf } from "./job-rows.ts";
export { exportMerged } from "./merge.ts";
export * from "./model-card.ts";
export * from "./model-folder.ts";
export { openaiRoutes } from "./openai/routes.ts";
export { type JobPayment, type PaymentState, paysFor } from "./payment.ts";
export { isPlanOf } from "./plan-of.ts";
export * from "./presets.ts";
export * from "./recipe.ts";
export * from "./recipe-file.ts";
export * from "./registered.ts";
export * from "./registry.ts";
export * from "./release.ts";
export { diffReleases, type ManifestDifference } from "./release-diff.ts";
export * from "./release-index.ts";
export * from "./releases.ts";
export * from "./reproduce.ts";
export * from "./routes.ts";
export type { JobEstimate } from "./run-estimate.ts";
export type { ReleaseVersion } from "./served.ts";
export * from "./service.ts";
export type { Grid, SweepRow } from "./sweep.ts";
