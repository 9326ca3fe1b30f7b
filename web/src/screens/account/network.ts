import { queryOptions } from "@tanstack/react-query";

/** The node's network, loaded with what reads the chain. */
export const networkQuery = queryOptions({
  queryKey: ["network"],
  queryFn: async () => (await import("../../chain/client.ts")).network(),
  staleTime: Number.POSITIVE_INFINITY,
  structuralSharing: false,
});
