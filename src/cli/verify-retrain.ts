import {
  type AdapterDistance,
  type ReleaseRetraining,
  retrainRelease,
  retrainStopped,
  type StoppedJob,
  type StoppedRetraining,
} from "../modelfactory/index.ts";
import { describeCalibration, releaseStanding, standingLines, stoppedSplit } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import type { Io } from "./io.ts";
import { loadStopped } from "./job-file.ts";
import { progressBar } from "./progress.ts";
import { fetchAdapter, loadRelease } from "./release-file.ts";
import { openBase } from "./verify-base.ts";
import { reportVerification } from "./verify-report.ts";

type Options = { save?: string | undefined; base?: string | undefined };

/** `verify --retrain`: a release's adapter trained again from its manifest, or what was paid for of a cancelled job from its plan. */
export async function verifyRetrain(io: Io, what: string, { save, base }: Options): Promise<void> {
  const job = await loadStopped(what, save);
  if (job !== undefined) return verifyStopped(io, job, base);
  const material = await loadRelease(what, save, fetchAdapter);
  const opened = await openBase(base);
  const found = await watched(io, (listen) => retrainRelease(material, opened, listen));
  const calibration = describeCalibration(material.manifest);
  const made = found.reproduction?.matches === true ? "adapter" : undefined;
  const standing = releaseStanding(material.registered?.attested, made);
  reportVerification(io, {
    what: "The release",
    checks: found.checks,
    json: { ...found, calibration, standing },
    paragraphs: [retrainWords(found), [`Its scores are ${calibration.label}`, ...standingLines(standing)]],
  });
}

async function verifyStopped(io: Io, job: StoppedJob, base: string | undefined): Promise<void> {
  const opened = await openBase(base);
  const { plan, done, checkpoint } = job;
  const found = await watched(io, (listen) => retrainStopped(job, opened, listen), done);
  reportVerification(io, {
    what: `The checkpoint of job ${plan.id}`,
    checks: found.checks,
    json: { ...found, job: plan.id, done, steps: plan.steps, checkpoint },
    paragraphs: [stoppedWords(job, found)],
  });
}

/** A training with a bar for it. @param stepsMost after which it is left */
async function watched<T>(
  io: Io,
  train: (listen: Parameters<typeof retrainRelease>[2]) => Promise<T>,
  stepsMost = Number.POSITIVE_INFINITY,
): Promise<T> {
  const bar = progressBar(io, "Training again");
  let heldOut = "";
  return train({
    onEpoch: ({ epoch, heldOutLoss }) => {
      heldOut = `, held-out ${heldOutLoss.toFixed(3)} after epoch ${epoch}`;
    },
    onStep: ({ step, steps, loss }) =>
      bar.update(step, Math.min(steps, stepsMost), `loss ${loss.toFixed(3)}${heldOut}`),
  }).finally(() => bar.end());
}

const shown = 5;

/** What a retraining found, in words. */
function retrainWords({
  reproduction,
  sameMachine,
  differences,
  distance,
  seconds,
}: ReleaseRetraining): string[] {
  if (reproduction === null) return ["The adapter was not trained again."];
  const { matches, releasedOn, reproducedOn, releasedEpoch, trainedEpochs } = reproduction;
  const trained = `The adapter was trained again in ${seconds.toFixed(1)} s, ${trainedEpochs} epochs, keeping epoch ${releasedEpoch}`;
  if (matches) return [`${trained}: it is the release's, byte for byte.`];
  return [
    `${trained}: it is not the release's, byte for byte.`,
    sameMachine
      ? `This is the release's class of machine, where it should be: ${reproducedOn}.`
      : `The release was trained on ${releasedOn}, this is ${reproducedOn}: sums are rounded otherwise, and the bytes need not agree.`,
    ...differences.map(({ what, released, here }) => `  ${what}: ${released} in the release, ${here} here`),
    ...distanceWords(distance),
  ];
}

/** What a cancelled job's checkpoint was found to be, in words. */
function stoppedWords(
  { plan, done, engine }: StoppedJob,
  { adapter, trainedOn, distance, seconds, checks }: StoppedRetraining,
): string[] {
  if (adapter === null) return ["Nothing was trained again."];
  const made = `${done} of ${plan.steps} steps were trained again in ${seconds.toFixed(1)} s`;
  const { operator } = stoppedSplit(BigInt(plan.amountWei), done, plan.steps);
  if (checks.some(({ name, status }) => name === "training" && status === "passed"))
    return [
      `${made}: the checkpoint is theirs, byte for byte. ${formatOpen(operator)} of ${formatOpen(BigInt(plan.amountWei))} OPEN are their price.`,
    ];
  return [
    `${made}: the checkpoint is not theirs, byte for byte.`,
    engine === trainedOn
      ? `This is the class of machine that it was trained on, where it should be: ${trainedOn}.`
      : `It was trained on ${engine ?? "a machine that is not said"}, this is ${trainedOn}: sums are rounded otherwise, and the bytes need not agree.`,
    ...distanceWords(distance),
  ];
}

function distanceWords(distance: AdapterDistance | null): string[] {
  if (distance === null) return [];
  return [
    `Distance of the adapters, ‖ΔW‖/‖W‖: ${distance.overall?.toExponential(2) ?? "none, their tensors differ"}. Farthest apart:`,
    ...distance.tensors
      .slice(0, shown)
      .map((tensor) => `  ${tensor.distance?.toExponential(2) ?? "∞"}  ${tensor.name}`),
    ...distance.unmatched.slice(0, shown).map((name) => `  only in one, or of another shape: ${name}`),
  ];
}
