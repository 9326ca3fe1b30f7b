/** The files of trainings under way, one for each job that has begun and is not over. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describeCheckpoint, exportPeft, loraOf } from "../engine/index.ts";
import { jsonDigest } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import type { FineTuningJob } from "./job.ts";
import { type BaseModel, baseDigest, engineVersion } from "./release.ts";
import { readTraining, removeTraining } from "./training-state.ts";

export type ProgressFiles = ReturnType<typeof openProgressFiles>;

/** What a training's file is of: another engine or base would go on with other sums, so that theirs starts anew. */
export const progressKey = (jobId: string, base: BaseModel): string =>
  jsonDigest([jobId, baseDigest(base), engineVersion()]);

/** @param folder nowhere without it */
export function openProgressFiles(folder: string | undefined, base: BaseModel) {
  const file = (jobId: string) => (folder === undefined ? undefined : join(folder, `${jobId}.training`));
  const remove = (jobId: string) => {
    const path = file(jobId);
    if (path !== undefined) removeTraining(path);
  };
  return {
    file,
    remove,
    /** Removes what jobs that are over, or of another database, have left. */
    async sweep(database: Database): Promise<void> {
      if (folder === undefined || !existsSync(folder)) return;
      const wanted = await database.query<{ id: string }>(
        "select id from modelfactory.jobs where state not in ('succeeded', 'failed', 'cancelled') and trained is null",
      );
      const ids = new Set(wanted.map(({ id }) => id));
      for (const name of readdirSync(folder)) {
        const [, id] = /^([\w-]{1,64})\.training(?:\.part)?$/.exec(name) ?? [];
        if (id !== undefined && !ids.has(id)) remove(id);
      }
    },
    /** The adapter that a training has reached and kept: after how many steps, and its tensors as a release's file. */
    checkpoint({
      id,
      spec,
    }: Pick<FineTuningJob, "id" | "spec">): { step: number; tensors: Uint8Array } | undefined {
      const path = file(id);
      if (path === undefined) return undefined;
      const { config } = describeCheckpoint(base.folder);
      const kept = readTraining(path, progressKey(id, base), config, loraOf(spec.recipe));
      if (kept === undefined) return undefined;
      const { step, adapter } = kept.state;
      return { step, tensors: exportPeft(adapter, base.name)["adapter_model.safetensors"] };
    },
  };
}
