import { api, ask } from "./client.ts";

/** What can be asked, and what it costs. */
export const modelsQuery = {
  queryKey: ["models"],
  queryFn: ({ signal }: { signal: AbortSignal }) => ask(api.GET("/v1/models", { signal })),
};

/** A release by its id, which never changes but for what is said beside its manifest; or the one a model's name serves. */
export const releaseQuery = (release: string) => ({
  queryKey: ["release", release],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/releases/{release}", { params: { path: { release } }, signal })),
  staleTime: 60_000,
});

/** Whose examples a release was trained on; a release never changes. */
export const givenQuery = (release: string) => ({
  queryKey: ["release", release, "contributors"],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/releases/{release}/contributors", { params: { path: { release } }, signal })),
  staleTime: Number.POSITIVE_INFINITY,
});
