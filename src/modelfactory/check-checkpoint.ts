/**
 * `verify --retrain` of a job that its payer cancelled: whether the checkpoint that was paid for is what the plan's training gives after so
 * many steps, found out by making them.
 */
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import type { CarriedVersion, WantedVersion } from "../datanets/index.ts";
import { exportPeft, loadCheckpoint } from "../engine/index.ts";
import {
  type Address,
  bytesDigest,
  type Digest,
  escrowId,
  type JobPlan,
  jobDigest,
  toHex,
} from "../protocol/index.ts";
import { type AdapterDistance, adapterDistance } from "./adapter-distance.ts";
import {
  judgeTraining,
  type NamedCheck,
  oneLine,
  openStart,
  openVersions,
  type StartMaterial,
  whyNot,
} from "./check-parts.ts";
import { ModelFactoryError } from "./errors.ts";
import { stateName } from "./escrow.ts";
import { rowsOf } from "./job-rows.ts";
import { type Recipe, recipeOf } from "./recipe.ts";
import { type BaseModel, baseDigest, engineVersion } from "./release.ts";
import type { ReproductionEvents } from "./reproduce.ts";
import { readableRows, trainAdapter } from "./training.ts";
import { trainingRows } from "./training-rows.ts";

/** A cancelled job's settlement as it was got, from a node or a file. */
export type StoppedJob = {
  readonly plan: JobPlan;
  readonly payer: Address;
  readonly operator: Address;
  /** How many of the plan's steps were paid for, and the digest that the settlement names for them. */
  readonly done: number;
  readonly checkpoint: Digest;
  /** Engine, runtime and processor that trained it, by the operator's word; null where that was not written down. */
  readonly engine: string | null;
  /** The adapter's tensors, or why they were not had. */
  readonly tensors: Uint8Array | Error;
  /** In the plan's order; an Error says why one could not be had. */
  readonly versions: readonly (CarriedVersion | Error)[];
  /** The release that its training continued from, where the plan names one. */
  readonly start?: StartMaterial | Error | undefined;
  /** What the chain says of it; null where none was asked. */
  readonly settled: SettledStop | null;
};

/** What the chain says of a cancelled job: its settlement, in words, and the versions that its plan names. */
export type SettledStop = {
  readonly expected: string;
  readonly actual: string;
  readonly versions: readonly WantedVersion[];
};

/**
 * In the order in which they are made: `escrow` (the chain paid for so many steps of this plan, and for this digest), `base`, `recipe`,
 * `start`, `datanet <id>@<version>` for each, `checkpoint` (the bytes that the node gives), `steps` (all that the plan's training takes,
 * of which a part was paid for), `training`.
 */
export type StoppedRetraining = {
  readonly checks: readonly NamedCheck[];
  /** Digest of the adapter that this machine has after so many steps; null where nothing was trained. */
  readonly adapter: Digest | null;
  readonly trainedOn: string;
  readonly distance: AdapterDistance | null;
  readonly seconds: number;
};

const now = { blockTag: "pending" } as const;
const words = (state: string, done: bigint | number, steps: number, checkpoint: string) =>
  `${state} after ${done} of ${steps} steps, checkpoint ${checkpoint}`;

/** Asks the chain. @throws Error where the node's chain does not answer */
export async function readStopped(
  { public: chain }: Pick<ChainReader, "public">,
  { JobEscrow, DatanetRegistry }: Pick<ProtocolContracts, "JobEscrow" | "DatanetRegistry">,
  {
    plan,
    payer,
    operator,
    done,
    checkpoint,
  }: Omit<StoppedJob, "settled" | "versions" | "tensors" | "engine">,
): Promise<SettledStop> {
  const args = { escrowId: escrowId(payer, operator, jobDigest(plan)) };
  const [event] = await chain.getContractEvents({
    ...JobEscrow,
    ...{ eventName: "EscrowSettled", args, fromBlock: 0n, strict: true },
  });
  const versions = await Promise.all(
    plan.datanets.map(async ({ datanetId, version }) => {
      const of = [BigInt(datanetId), BigInt(version)] as const;
      const found = await chain.readContract({
        ...DatanetRegistry,
        ...{ functionName: "versionOf", args: of, ...now },
      });
      const manifestDigest = toHex(found.metadataDigest);
      return { datanetId, version, root: toHex(found.root), count: found.count, manifestDigest };
    }),
  );
  const actual =
    event === undefined
      ? "no such settlement"
      : words(stateName(event.args.state), event.args.done, plan.steps, toHex(event.args.evidence));
  return { expected: words("stopped", done, plan.steps, checkpoint), actual, versions };
}

/** A failed check stops nothing that can still be told: everything is said at once. */
export async function retrainStopped(
  job: StoppedJob,
  base: BaseModel,
  listen: ReproductionEvents = {},
): Promise<StoppedRetraining> {
  const begun = performance.now();
  const { plan, settled, done } = job;
  const checks: NamedCheck[] = [];
  const add = (name: string, expected: string, actual: string) =>
    checks.push({ name, status: expected === actual ? "passed" : "failed", expected, actual });
  if (settled === null)
    checks.push({ name: "escrow", status: "unchecked", expected: "the chain", actual: "not asked" });
  else add("escrow", settled.expected, settled.actual);
  add("base", plan.baseDigest, baseDigest(base));
  const recipe = openRecipe(plan, checks);
  const checkpoint = plan.baseDigest === baseDigest(base) ? loadCheckpoint(base.folder) : undefined;
  const start = openStart(plan.continueFrom ?? undefined, job.start, checkpoint?.config, checks);
  const named = settled?.versions ?? plan.datanets.map((of, i) => ({ ...of, ...ownWord(job.versions[i]) }));
  const versions = openVersions(named, job.versions, checks, settled !== null);
  const here = engineVersion();
  if (job.tensors instanceof Error)
    checks.push({
      name: "checkpoint",
      status: "unchecked",
      expected: "its bytes",
      actual: job.tensors.message,
    });
  else add("checkpoint", job.checkpoint, bytesDigest(job.tensors));
  const ended = (adapter: Digest | null, distance: AdapterDistance | null): StoppedRetraining => ({
    ...{ checks, adapter, trainedOn: here, distance },
    seconds: (performance.now() - begun) / 1000,
  });
  const lacks = [
    ...(checkpoint === undefined ? ["the plan's base model"] : []),
    ...(recipe === undefined ? ["a recipe of this program"] : []),
    ...(start === null ? ["the adapter that it began with"] : []),
    ...(versions.length === plan.datanets.length ? [] : ["every Datanet version"]),
  ];
  if (checkpoint === undefined || recipe === undefined || start === null || lacks.length > 0) {
    checks.push({ name: "training", status: "unchecked", expected: lacks.join(", "), actual: "not here" });
    return ended(null, null);
  }
  const train = async () => {
    const rows = rowsOf(versions, plan.exclude);
    const { sequences } = trainingRows(checkpoint, recipe, rows.examples);
    // What was paid is a part of them.
    const steps = Math.ceil(sequences.length / recipe.batch) * recipe.epochs;
    add("steps", `${plan.steps} at most`, `${steps} at most`);
    // Held-out rows decide nothing but when a training ends that stops at their optimum.
    const heldOut = recipe.stopAtOptimum ? readableRows(checkpoint, recipe, rows.heldOut).sequences : [];
    const { state, stepLosses } = await trainAdapter(checkpoint, recipe, sequences, heldOut, {
      signal: listen.signal ?? new AbortController().signal,
      onStep: listen.onStep ?? (() => {}),
      onEpoch: listen.onEpoch ?? (() => {}),
      ...{ start, stepsMost: done },
    });
    if (state.step === done) return exportPeft(state.adapter, base.name)["adapter_model.safetensors"];
    throw new ModelFactoryError(
      "other-data",
      `The plan's training ends after ${stepLosses.length} steps: nobody can have made ${done}.`,
    );
  };
  const made = await train().catch(whyNot);
  if (made instanceof Error) {
    checks.push({
      ...{ name: "training", status: "failed", expected: job.checkpoint },
      actual: oneLine(made),
    });
    return ended(null, null);
  }
  const digest = bytesDigest(made);
  const known =
    !(job.tensors instanceof Error) && bytesDigest(job.tensors) === job.checkpoint ? job.tensors : null;
  const distance = digest === job.checkpoint || known === null ? null : adapterDistance(known, made);
  const claimed = { whose: "the checkpoint's", digest: job.checkpoint, on: job.engine };
  checks.push(judgeTraining(claimed, { digest, on: here }, distance));
  return ended(digest, distance);
}

/** By the version's own word, where no chain was asked. */
function ownWord(carried: CarriedVersion | Error | undefined): Pick<WantedVersion, "root" | "count"> {
  const nothing = { root: "0x" as Digest, count: 0 };
  if (carried === undefined || carried instanceof Error) return nothing;
  const { root, count } = { ...nothing, ...(carried.manifest as Partial<WantedVersion>) };
  return { root, count };
}

function openRecipe(plan: JobPlan, checks: NamedCheck[]): Recipe | undefined {
  try {
    const recipe = recipeOf(plan);
    const said = `seed ${recipe.seed}, ${recipe.threads} threads, rank ${recipe.rank}`;
    checks.push({ name: "recipe", status: "passed", expected: said, actual: said });
    return recipe;
  } catch (error) {
    checks.push({
      ...{ name: "recipe", status: "failed", expected: "a recipe of this program" },
      actual: oneLine(error),
    });
    return undefined;
  }
}
