/**
 * # modelfactory: from Datanet versions to a released model
 *
 * - `recipe`, `job`: what is asked for; `service`: the queue; `run-job`: train → evaluate → index → release, each finished step written down
 * - `worker`: the training thread
 * - `release`: the manifest and the files it names; `releases`: those this node keeps; `registry`: the contract
 * - `base-model`, `base-corpus`, `base-profiles`: how `models/openledger-tiny` is made
 */
export * from "./base-corpus.ts";
export * from "./base-model.ts";
export * from "./base-profiles.ts";
export * from "./errors.ts";
export * from "./job.ts";
export * from "./model-card.ts";
export * from "./recipe.ts";
export * from "./registry.ts";
export * from "./release.ts";
export * from "./releases.ts";
export * from "./routes.ts";
export * from "./service.ts";
