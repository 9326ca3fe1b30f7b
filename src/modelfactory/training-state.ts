/** A training under way as one file: what is read back goes on to the same bytes that an uninterrupted training ends in. */
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import {
  adapterShapes,
  type EpochSums,
  formatSafetensors,
  type LoraConfig,
  type ModelConfig,
  parseSafetensors,
  type TensorData,
  type TrainState,
} from "../engine/index.ts";

/** Everything that the steps to come depend on, and what has been told of those that were made. */
export type TrainingProgress = {
  readonly state: TrainState;
  readonly epoch: EpochSums;
  /** The epoch with the lowest held-out loss so far; none before the first epoch ended, or where that is not looked for. */
  readonly best: { readonly loss: number; readonly epoch: number; readonly state: TrainState } | undefined;
  /** Mean training loss of each step. */
  readonly stepLosses: readonly number[];
  readonly epochLosses: readonly number[];
  readonly heldOutLosses: readonly number[];
  readonly tokens: number;
  readonly seconds: number;
};

const magic = "openledger/training/1\n";
const digestBytes = 32;
const count = z.int().nonnegative();
const headerSchema = z.strictObject({
  key: z.string(),
  step: count,
  epoch: z.strictObject({ loss: z.number(), tokens: count }),
  best: z.strictObject({ loss: z.number(), epoch: count, step: count }).nullable(),
  stepLosses: z.array(z.number()),
  epochLosses: z.array(z.number()),
  heldOutLosses: z.array(z.number()),
  tokens: count,
  seconds: z.number().nonnegative(),
});

function* tensorsOf(prefix: string, state: TrainState): Generator<readonly [string, TensorData]> {
  for (const [name, tensor] of state.adapter.tensors) {
    const moments = state.optimizer.moments.get(name);
    yield [`${prefix}.p.${name}`, tensor];
    if (moments === undefined) continue;
    yield [`${prefix}.m.${name}`, { data: moments.m, shape: tensor.shape }];
    yield [`${prefix}.v.${name}`, { data: moments.v, shape: tensor.shape }];
  }
}

/**
 * Writes the file in place of the one before, which stays whole until then: magic, SHA-256 of the rest, length of the header (32 bits,
 * little-endian), header as JSON, tensors as safetensors.
 *
 * @param key what the training is of; {@link readTraining} takes back only what was written under the same
 */
export function writeTraining(file: string, key: string, progress: TrainingProgress): void {
  const { state, best } = progress;
  const header = Buffer.from(
    JSON.stringify({
      key,
      step: state.step,
      epoch: progress.epoch,
      best: best === undefined ? null : { loss: best.loss, epoch: best.epoch, step: best.state.step },
      stepLosses: [...progress.stepLosses],
      epochLosses: [...progress.epochLosses],
      heldOutLosses: [...progress.heldOutLosses],
      tokens: progress.tokens,
      seconds: progress.seconds,
    } satisfies z.input<typeof headerSchema>),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const tensors = formatSafetensors(
    [...tensorsOf("now", state), ...(best === undefined ? [] : tensorsOf("best", best.state))],
    "F32",
  );
  const digest = createHash("sha256").update(length).update(header).update(tensors).digest();
  mkdirSync(dirname(file), { recursive: true });
  const part = `${file}.part`;
  const opened = openSync(part, "w", 0o600);
  try {
    for (const bytes of [Buffer.from(magic), digest, length, header, tensors]) writeAll(opened, bytes);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  renameSync(part, file);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** What {@link writeTraining} left, or nothing where there is no such file, it is of another training, or it is damaged: then it starts anew. */
export function readTraining(
  file: string,
  key: string,
  model: ModelConfig,
  lora: LoraConfig,
): TrainingProgress | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return undefined;
  }
  const start = magic.length + digestBytes;
  const rest = bytes.subarray(start);
  const digest = createHash("sha256").update(rest).digest();
  if (
    bytes.toString("latin1", 0, magic.length) !== magic ||
    !digest.equals(bytes.subarray(magic.length, start))
  )
    return undefined;
  const end = 4 + rest.readUInt32LE();
  const told = headerSchema.parse(JSON.parse(rest.toString("utf8", 4, end)));
  if (told.key !== key) return undefined;
  const tensors = parseSafetensors(rest.subarray(end), file);
  const stateOf = (prefix: string, step: number): TrainState => {
    const names = adapterShapes(model, lora).map(({ name }) => name);
    const data = (kind: string, name: string) => tensors.get(`${prefix}.${kind}.${name}`) as TensorData;
    return {
      step,
      adapter: { config: lora, tensors: new Map(names.map((name) => [name, data("p", name)])) },
      optimizer: {
        step,
        moments: new Map(names.map((name) => [name, { m: data("m", name).data, v: data("v", name).data }])),
      },
    };
  };
  const { best, key: _, step, ...more } = told;
  return {
    ...more,
    state: stateOf("now", step),
    best: best === null ? undefined : { ...best, state: stateOf("best", best.step) },
  };
}

/** Whatever there is of a training's file. */
export function removeTraining(file: string): void {
  for (const path of [file, `${file}.part`]) rmSync(path, { force: true });
}
