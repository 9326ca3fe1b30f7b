import { queryOptions } from "@tanstack/react-query";
import type { Address } from "viem";

/** What an account has on chain, wei; it also pays the gas. What it has earned is `earnings/queries.ts`'s. */
export const accountBalanceQuery = (address: Address) =>
  queryOptions({
    queryKey: ["balance of", address],
    queryFn: async () => {
      const { network } = await import("./client.ts");
      return (await network()).public.getBalance({ address });
    },
    refetchInterval: 10_000,
  });
