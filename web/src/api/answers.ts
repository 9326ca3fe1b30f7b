import { ApiError, api, ask } from "./client.ts";

/** A paid request until it has its receipt, or never will. */
export const requestQuery = (id: string) => ({
  queryKey: ["request", id],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/requests/{id}", { params: { path: { id } }, signal })),
  refetchInterval: (query: { state: { data?: { state: string; receipt: string | null } | undefined } }) => {
    const { data } = query.state;
    return data && (data.receipt !== null || data.state === "failed" || data.state === "released")
      ? (false as const)
      : 500;
  },
});

/** What is told to who paid only: the key says so. */
const paidBy = (secret: string) => ({ authorization: `Bearer ${secret}` });
/** The node makes what it needs when it is first asked: until then it says 503. */
const untilReady = {
  staleTime: Number.POSITIVE_INFINITY,
  retry: (failures: number, error: unknown) =>
    error instanceof ApiError ? error.status === 503 && failures < 30 : failures < 2,
  retryDelay: 1_500,
};

/** Runs of a paid answer that stand in the training data. */
export const spansQuery = (receipt: string, secret: string) => ({
  queryKey: ["spans", receipt],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(
      api.GET("/v1/receipts/{receipt}/spans", {
        params: { path: { receipt } },
        headers: paidBy(secret),
        signal,
      }),
    ),
  ...untilReady,
});

/** The examples that shaped a paid answer most. */
export const examplesQuery = (receipt: string, secret: string) => ({
  queryKey: ["examples", receipt],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(
      api.GET("/v1/receipts/{receipt}/examples", {
        params: { path: { receipt } },
        headers: paidBy(secret),
        signal,
      }),
    ),
  ...untilReady,
});

/** The key that pays: what it has left, what it has used. */
export const keyQuery = (secret: string) => ({
  // The secret stays out of the cache's keys.
  queryKey: ["paying key", secret.slice(-6)],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/keys", { headers: paidBy(secret), signal })),
  // An answer is charged a moment after it was written: until then its whole reservation is held.
  refetchInterval: ({ state }: { state: { data?: { reservedWei: string } | undefined } }) =>
    (state.data?.reservedWei ?? "0") === "0" ? false : 1_000,
});

/** What a key has left, wei: of what answers under way hold, only their fees will be gone. */
export const leftOn = ({
  remainingWei,
  reservedWei,
}: {
  remainingWei: string;
  reservedWei: string;
}): bigint => BigInt(remainingWei) + BigInt(reservedWei);

/** One row of a version, with its text. */
export const rowQuery = (datanetId: string, version: number, row: number) => ({
  queryKey: ["row", datanetId, version, row],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(
      api.GET("/v1/datanets/{datanetId}/versions/{version}/rows", {
        params: { path: { datanetId, version }, query: { offset: row, limit: 1 } },
        signal,
      }),
    ),
  staleTime: Number.POSITIVE_INFINITY,
});
