import { type ReleaseRetraining, retrainRelease } from "../modelfactory/index.ts";
import { describeCalibration, releaseStanding, standingLines } from "../protocol/index.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";
import { fetchAdapter, loadRelease } from "./release-file.ts";
import { openBase } from "./verify-base.ts";
import { reportVerification } from "./verify-report.ts";

type Options = { save?: string | undefined; base?: string | undefined };

/** `verify --retrain`: a release's adapter trained again from its manifest. */
export async function verifyRetrain(io: Io, release: string, { save, base }: Options): Promise<void> {
  const material = await loadRelease(release, save, fetchAdapter);
  const opened = await openBase(base);
  const bar = progressBar(io, "Training again");
  let heldOut = "";
  const found = await retrainRelease(material, opened, {
    onEpoch: ({ epoch, heldOutLoss }) => {
      heldOut = `, held-out ${heldOutLoss.toFixed(3)} after epoch ${epoch}`;
    },
    onStep: ({ step, steps, loss }) => bar.update(step, steps, `loss ${loss.toFixed(3)}${heldOut}`),
  }).finally(() => bar.end());
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
    ...(distance === null
      ? []
      : [
          `Distance of the adapters, ‖ΔW‖/‖W‖: ${distance.overall?.toExponential(2) ?? "none, their tensors differ"}. Farthest apart:`,
          ...distance.tensors
            .slice(0, shown)
            .map((tensor) => `  ${tensor.distance?.toExponential(2) ?? "∞"}  ${tensor.name}`),
          ...distance.unmatched.slice(0, shown).map((name) => `  only in one, or of another shape: ${name}`),
        ]),
  ];
}
