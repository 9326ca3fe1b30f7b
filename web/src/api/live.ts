import type { UseQueryOptions } from "@tanstack/react-query";
import { api, ask } from "./client.ts";

/** What several screens ask for, and how often it is asked again, milliseconds. */
const live = 5_000;

export const statusQuery = {
  queryKey: ["status"],
  queryFn: ({ signal }: { signal: AbortSignal }) => ask(api.GET("/v1/status", { signal })),
  refetchInterval: live,
} satisfies UseQueryOptions;

export const receiptsQuery = (
  query: { limit?: number; payee?: string; releaseId?: string; before?: number } = {},
) => ({
  queryKey: ["receipts", query],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/receipts", { params: { query }, signal })),
  refetchInterval: live,
});

export const receiptQuery = (receiptId: string) => ({
  queryKey: ["receipt", receiptId],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    ask(api.GET("/v1/receipts/{receiptId}", { params: { path: { receiptId } }, signal })),
  // Once final it never changes.
  refetchInterval: (query: { state: { data?: { state: string } | undefined } }) =>
    query.state.data?.state === "final" ? (false as const) : 2_000,
});
