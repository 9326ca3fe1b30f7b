import { queryOptions } from "@tanstack/react-query";
import type { Address } from "viem";
import { readParameters } from "./parameters.ts";
import { readPower } from "./power.ts";
import { findProposal, readProposals } from "./proposals.ts";
import { readTreasury } from "./treasury.ts";
import { readVoters } from "./voters.ts";

/** States change with the clock, without a block: they are asked again this often, milliseconds. */
const live = 4_000;

/** Every proposal. */
export const proposalsQuery = queryOptions({
  queryKey: ["proposals"],
  queryFn: readProposals,
  refetchInterval: live,
});

/** One proposal, and how an account stands to it. */
export const proposalQuery = (which: string, account: Address | undefined) =>
  queryOptions({
    queryKey: ["proposal", which, account],
    queryFn: () => findProposal(which, account),
    refetchInterval: live,
  });

/** An account's votes. */
export const powerQuery = (account: Address | undefined) =>
  queryOptions({
    queryKey: ["votes of", account],
    queryFn: () => readPower(account as Address),
    enabled: account !== undefined,
    refetchInterval: live,
  });

/** Who has votes. */
export const votersQuery = queryOptions({ queryKey: ["voters"], queryFn: readVoters, refetchInterval: live });

/** Every parameter. */
export const parametersQuery = queryOptions({ queryKey: ["parameters"], queryFn: readParameters });

/** The treasury. */
export const treasuryQuery = queryOptions({ queryKey: ["treasury"], queryFn: readTreasury });
