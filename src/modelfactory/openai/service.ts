/** Files, and the jobs made of them, for who speaks OpenAI's dialect. */
import type { Account } from "viem";
import type { Datanets } from "../../datanets/index.ts";
import type { Address } from "../../protocol/index.ts";
import type { Blobs, Database } from "../../store/index.ts";
import type { FineTuningJob, JobSpecInput } from "../job.ts";
import { type BaseModel, isOfBase } from "../release.ts";
import type { Release } from "../releases.ts";
import { OpenAIError } from "./errors.ts";
import { createFiles } from "./files.ts";
import {
  type CreateJob,
  type KeptRequest,
  keptRequestSchema,
  namedVersion,
  settingsOf,
  specFor,
} from "./jobs.ts";
import { publishFiles } from "./training-data.ts";

export type OpenAIFineTuning = ReturnType<typeof createOpenAIFineTuning>;

export function createOpenAIFineTuning(parts: {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly datanets: Datanets;
  readonly developer: Account;
  readonly base: BaseModel;
  readonly now: () => number;
  readonly findRelease: (name: string) => Promise<Release | undefined>;
  readonly createJob: (
    id: string,
    spec: JobSpecInput,
    owner?: string,
    payer?: Address,
  ) => Promise<FineTuningJob>;
}) {
  const { database, datanets, developer, base } = parts;
  const files = createFiles(parts, datanets.limits.totalBytesMax);

  /** The release that a request continues, if it names one. @throws OpenAIError */
  async function continued(model: string): Promise<Release | undefined> {
    if (model === base.name) return undefined;
    const release = await parts.findRelease(model);
    if (release === undefined || !isOfBase(release.manifest, base))
      throw new OpenAIError(
        404,
        "model_not_found",
        `There is no model "${model}" over this node's base. Fine-tune "${base.name}", or one of GET /v1/models.`,
        "model",
      );
    return release;
  }

  /** The Datanet version that a request trains on. */
  async function dataOf(request: CreateJob): Promise<{ datanetId: string; version: number }> {
    const named = namedVersion(request.training_file);
    if (named !== undefined) {
      if (request.validation_file != null)
        throw new OpenAIError(
          400,
          "invalid_value",
          "A Datanet version brings its own held-out rows: leave validation_file out.",
          "validation_file",
        );
      return named;
    }
    const fileOf = (id: string, param: string) =>
      files.get(id).catch((error: unknown) => {
        if (error instanceof OpenAIError && error.status === 404)
          throw new OpenAIError(400, "invalid_value", `There is no file ${id}. Upload it first.`, param);
        throw error;
      });
    const training = await fileOf(request.training_file, "training_file");
    const validation =
      request.validation_file == null ? undefined : await fileOf(request.validation_file, "validation_file");
    return publishFiles(
      { datanets, developer, pathOf: ({ id }) => files.path(id) },
      { training, validation },
      settingsOf(request)["openledger.license"],
    );
  }

  return {
    files,
    /**
     * Makes data of the files, and a job of the request.
     *
     * @throws OpenAIError, ModelFactoryError `job-exists`: the id is another request's
     */
    async createJob(id: string, request: CreateJob): Promise<FineTuningJob> {
      const from = await continued(request.model);
      const version = await dataOf(request);
      const spec = await specFor(request, id, version, from, datanets);
      const { "openledger.owner": owner, "openledger.payer": payer } = settingsOf(request);
      const job = await parts.createJob(id, spec, owner, payer);
      const kept: KeptRequest = {
        model: request.model,
        training_file: request.training_file,
        validation_file: request.validation_file ?? null,
        metadata: request.metadata ?? {},
      };
      await database.query(
        "insert into modelfactory.requests (job_id, request) values ($1, $2) on conflict (job_id) do nothing",
        [id, kept],
      );
      return job;
    },
    /** The request that a job was made by; none where it came another way. */
    async requestOf(jobId: string): Promise<KeptRequest | undefined> {
      const [row] = await database.query<{ request: unknown }>(
        "select request from modelfactory.requests where job_id = $1",
        [jobId],
      );
      return row === undefined ? undefined : keptRequestSchema.parse(row.request);
    },
  };
}
