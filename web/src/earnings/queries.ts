import { queryOptions } from "@tanstack/react-query";
import { api, ask } from "../api/client.ts";
import type { Schema } from "../api/types.ts";
import { network } from "../chain/client.ts";
import { contractName } from "../chain/view.ts";

const live = 5_000;

/** What an address has earned, and how far it has come. */
export const balanceQuery = (address: string) =>
  queryOptions({
    queryKey: ["balance", address],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/balances/{address}", { params: { path: { address } }, signal })),
    refetchInterval: live,
  });

/** As many answers as are read for the picture: ten pages. */
const answersMax = 1_000;
const page = 100;

/** The answers that pay an address, the newest first; `whole` when there are no more than were read. */
export const answersQuery = (payee: string) =>
  queryOptions({
    queryKey: ["answers that pay", payee],
    queryFn: async ({ signal }) => {
      const answers: Schema<"ListedReceipt">[] = [];
      let whole = false;
      while (!whole && answers.length < answersMax) {
        const before = answers.at(-1)?.seq;
        const { receipts } = await ask(
          api.GET("/v1/receipts", {
            params: { query: { payee, limit: page, ...(before === undefined ? {} : { before }) } },
            signal,
          }),
        );
        answers.push(...receipts);
        whole = receipts.length < page;
      }
      return { answers, whole };
    },
    refetchInterval: 15_000,
  });

/** Whom receipts pay for their data: everyone but the network's own payees and those of models, with each one's share of what all of them earned. */
export const leaderboardQuery = queryOptions({
  queryKey: ["leaderboard"],
  queryFn: async ({ signal }) => {
    const [{ earners }, { datanets }, { data: models }, known] = await Promise.all([
      ask(api.GET("/v1/earners", { params: { query: { limit: 200 } }, signal })),
      ask(api.GET("/v1/datanets", { signal })),
      ask(api.GET("/v1/models", { signal })),
      network(),
    ]);
    const others = new Set<string | null>([
      ...datanets.flatMap(({ owner, pool }) => [owner, pool]),
      ...models.map(({ owned_by }) => owned_by.toLowerCase()),
    ]);
    const contributors = earners.filter(
      ({ payee }) =>
        payee !== known.operator.toLowerCase() &&
        !others.has(payee) &&
        contractName(known, payee) === undefined,
    );
    const sum = contributors.reduce((total, { earnedWei }) => total + BigInt(earnedWei), 0n);
    return contributors.map((one, at) => ({
      ...one,
      rank: at + 1,
      share: sum === 0n ? 0 : Number((BigInt(one.earnedWei) * 1_000_000n) / sum) / 1_000_000,
    }));
  },
  refetchInterval: 15_000,
});
