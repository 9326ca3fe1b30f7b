import { api, ask } from "./client.ts";
import type { Schema } from "./types.ts";

/** Whether nothing will happen to a job any more. */
export const isOver = (state: Schema<"FineTuneState">): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled";

/** Fine-tuning jobs, newest first. */
export const jobsQuery = {
  queryKey: ["jobs"],
  queryFn: ({ signal }: { signal: AbortSignal }) => ask(api.GET("/v1/fine-tunes", { signal })),
  refetchInterval: 5_000,
};

export const jobQuery = (id: string) => ({
  queryKey: ["job", id],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/fine-tunes/{id}", { params: { path: { id } }, signal })),
  refetchInterval: (query: { state: { data?: Schema<"FineTune"> | undefined } }) =>
    query.state.data && isOver(query.state.data.state) ? (false as const) : 2_000,
});

/** What a job's evaluation found. */
export const reportQuery = (id: string) => ({
  queryKey: ["job report", id],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/fine-tunes/{id}/evaluation", { params: { path: { id } }, signal })),
  staleTime: Number.POSITIVE_INFINITY,
});
