/** What ModelFactory is given, and what a job works with. */
import type { Account } from "viem";
import type { Datanets } from "../datanets/index.ts";
import type { WorkerHandle } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { Blobs, Database, Jobs } from "../store/index.ts";
import type { Journal } from "./job.ts";
import type { PaymentDependencies } from "./job-payments.ts";
import type { ModelRegistry } from "./registry.ts";
import type { BaseModel } from "./release.ts";
import type { TrainingMethods } from "./worker.ts";

export type ModelFactoryDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly jobs: Jobs;
  readonly datanets: Datanets;
  readonly registry: ModelRegistry;
  readonly base: BaseModel;
  /** Who releases are published by and developer fees are paid to. */
  readonly developer: Account;
  /** Where trainings are written down while they go on; without it one that is interrupted starts anew. */
  readonly trainingFolder?: string;
  /** How often; half a minute unless given. */
  readonly saveEveryMs?: number;
  readonly now?: () => number;
  readonly log?: (message: string) => void;
  /** Called after each finished step of a job; tests stop the process here. */
  readonly afterStep?: (step: string) => Promise<void>;
  /** How jobs are paid for; without it they are free. */
  readonly payment?: PaymentDependencies;
  /** What else answers to a model's name here, in words: no release takes it over. */
  readonly takenBy?: (model: string) => Promise<string | undefined>;
  /** Called once a release can be asked; it must not throw. */
  readonly onRelease?: (id: Digest) => void;
};

export type RunJobParts = Required<
  Omit<ModelFactoryDependencies, "trainingFolder" | "saveEveryMs" | "payment">
> & {
  /** Where a job's training is written down while it goes on; nowhere if the node keeps no folder for it. */
  readonly progressFile: (jobId: string) => string | undefined;
  readonly journal: Journal;
  /** The training thread, started when it is first needed. */
  readonly training: () => Promise<WorkerHandle<TrainingMethods>>;
};
