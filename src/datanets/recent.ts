import type { Address } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";

/** That somebody gave rows: how many, and nothing of what they say. */
export type RecentContribution = {
  readonly contributionId: number;
  readonly datanetId: bigint;
  readonly contributor: Address;
  readonly split: "train" | "heldout";
  readonly examples: number;
  readonly accepted: number;
  readonly atMs: number;
};

/**
 * Contributions after a cursor, oldest first.
 *
 * @param after the cursor of an earlier call; null: nothing, and the cursor from now on
 */
export async function contributionsAfter(
  queries: Queries,
  after: number | null,
  limit: number,
): Promise<{ contributions: RecentContribution[]; cursor: number }> {
  if (after === null) {
    const [last] = await queries.query<{ id: number }>(
      "select coalesce(max(id), 0) as id from datanets.contributions",
    );
    return { contributions: [], cursor: last?.id ?? 0 };
  }
  const contributions = await queries.query<RecentContribution>(
    `select id as "contributionId", datanet_id as "datanetId", contributor, split, example_count as examples,
       accepted_count as accepted, recorded_at_ms as "atMs"
     from datanets.contributions where id > $1 order by id limit $2`,
    [after, limit],
  );
  return { contributions, cursor: contributions.at(-1)?.contributionId ?? after };
}
