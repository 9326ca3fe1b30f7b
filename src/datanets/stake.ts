/** Stake that a Datanet asks of its contributors: OPEN bonded in any pool of `OpenStaking`. It is asked, not taken: nothing of it is lost over rows. */
import { formatEther } from "viem";
import type { Address } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { readRules } from "./checks/index.ts";
import { DatanetError } from "./errors.ts";
import type { Registry } from "./registry.ts";

export type StakeStanding = {
  readonly neededWei: bigint;
  /** What the account has bonded, in all pools, after slashes; what is being taken out does not count. */
  readonly bondedWei: bigint;
};

type Parts = {
  readonly database: Pick<Database, "query">;
  readonly registry: Pick<Registry, "stakeOf">;
};

/** @throws DatanetError `unknown-datanet` */
export async function stakeStanding(
  { database, registry }: Parts,
  datanetId: bigint,
  contributor: Address,
): Promise<StakeStanding> {
  const { rules } = await readRules(database, datanetId);
  return { neededWei: BigInt(rules.stakeWei ?? 0), bondedWei: await registry.stakeOf(contributor) };
}

/** @throws DatanetError `stake-needed`, `unknown-datanet` */
export async function requireStake(parts: Parts, datanetId: bigint, contributor: Address): Promise<void> {
  const { rules } = await readRules(parts.database, datanetId);
  if (rules.stakeWei === undefined) return;
  const { neededWei, bondedWei } = await stakeStanding(parts, datanetId, contributor);
  if (bondedWei >= neededWei) return;
  throw new DatanetError(
    "stake-needed",
    `Datanet ${datanetId} takes rows of those who have at least ${formatEther(neededWei)} OPEN staked; ${contributor} has ${formatEther(bondedWei)}. ` +
      "Put stake into any pool (./openledger stake delegate <pool> <amount>; ./openledger stake pools lists them), then contribute again.",
    { neededWei: neededWei.toString(), bondedWei: bondedWei.toString() },
  );
}
