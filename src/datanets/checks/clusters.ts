import type { Database } from "../../store/index.ts";
import { DatanetError } from "../errors.ts";
import type { RowReference } from "./duplicates.ts";

export type ClusterRow = RowReference & {
  readonly rowId: number;
  readonly status: string;
  readonly withdrawn: boolean;
};

/** Near duplicates and the row they all repeat: the earliest that was accepted. */
export type Cluster = { readonly representative: ClusterRow; readonly members: readonly ClusterRow[] };

const membersMax = 1_000;

/**
 * The cluster of a row; a row that repeats none and that none repeats is one by itself. At most 1,000 members, the earliest.
 *
 * @throws DatanetError `unknown-row`
 */
export async function clusterOf(database: Pick<Database, "query">, rowId: number): Promise<Cluster> {
  const rows = await database.query<ClusterRow>(
    `with head as (select coalesce(near_of, id) as id from datanets.rows where id = $1)
     select r.id as "rowId", r.contribution_id as "contributionId", c.contributor, r.line, r.status,
       r.withdrawn_at_ms is not null as withdrawn
     from datanets.rows r join datanets.contributions c on c.id = r.contribution_id, head
     where r.id = head.id or r.near_of = head.id
     order by r.id <> head.id, r.id limit $2`,
    [rowId, membersMax + 1],
  );
  const [representative, ...members] = rows;
  if (representative) return { representative, members };
  throw new DatanetError("unknown-row", `There is no row ${rowId} here.`);
}
