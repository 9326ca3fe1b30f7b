import type { JobState } from "../modelfactory/index.ts";

/** In which nothing will happen any more. */
export const overStates: ReadonlySet<string> = new Set<JobState>(["succeeded", "failed", "cancelled"]);

/** A job's state in a sentence. */
export const stateLine = ({
  id,
  state,
  spec,
}: {
  readonly id: string;
  readonly state: JobState;
  readonly spec: { readonly model: string };
}): string =>
  `Job ${id} ${state === "succeeded" || state === "failed" ? "has" : "is"} ${state}: "${spec.model}".`;
