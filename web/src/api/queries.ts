import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client.ts";

/** One cache for all screens. What the node refused is not asked again by itself; what it could not be asked is, twice. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => !(error instanceof ApiError) && failures < 2,
    },
  },
});
