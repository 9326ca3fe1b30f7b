/** What curation has come to: how much waits, how far curators agree, and what contributors and curators are known for. */
import type { Address } from "../../protocol/index.ts";
import type { Queries } from "../../store/index.ts";
import { contributorFigures } from "../contributors.ts";
import { type Judged, krippendorffAlpha, wilsonLower } from "./agreement.ts";

export type CurationStanding = {
  readonly pending: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Krippendorff's alpha over rows that two or more judged; null while there is nothing to tell it by. */
  readonly agreement: number | null;
  readonly curators: readonly {
    readonly curator: Address;
    readonly reviews: number;
    /** Part of the decided rows on which it was on the side that won. */
    readonly withOutcome: number | null;
  }[];
  readonly contributors: readonly {
    readonly contributor: Address;
    /** Rows that count now, and rows turned down; what was taken back is neither. */
    readonly accepted: number;
    readonly rejected: number;
    /** Of both, those that curators decided. */
    readonly judged: number;
    /** Lower end of the 95 % interval of the part of its judged rows that were accepted. */
    readonly reputation: number;
  }[];
};

const listed = 1_000;

export async function curationStanding(queries: Queries, datanetId: bigint): Promise<CurationStanding> {
  const counts = await queries.query<{ status: string; rows: number }>(
    `select status, count(*) as rows from datanets.rows
     where datanet_id = $1 and withdrawn_at_ms is null and status in ('pending', 'accepted', 'rejected') group by status`,
    [datanetId],
  );
  const judged = await queries.query<Judged>(
    `select count(*) filter (where decision = 'accept') as accept, count(*) filter (where decision = 'reject') as reject
     from datanets.reviews v join datanets.rows r on r.id = v.row_id where r.datanet_id = $1 group by v.row_id having count(*) > 1`,
    [datanetId],
  );
  const curators = await queries.query<{ curator: Address; reviews: number; decided: number; right: number }>(
    `select v.curator, count(*) as reviews, count(*) filter (where r.status in ('accepted', 'rejected')) as decided,
       count(*) filter (where (r.status, v.decision) in (('accepted', 'accept'), ('rejected', 'reject'))) as right
     from datanets.reviews v join datanets.rows r on r.id = v.row_id where r.datanet_id = $1
     group by v.curator order by reviews desc limit $2`,
    [datanetId, listed],
  );
  const contributors = await contributorFigures(queries, datanetId, {
    of: "judged",
    offset: 0,
    limit: listed,
  });
  const countOf = (status: string) => Number(counts.find((one) => one.status === status)?.rows ?? 0);
  return {
    ...{ pending: countOf("pending"), accepted: countOf("accepted"), rejected: countOf("rejected") },
    agreement: krippendorffAlpha(
      judged.map(({ accept, reject }) => ({ accept: Number(accept), reject: Number(reject) })),
    ),
    curators: curators.map(({ curator, reviews, decided, right }) => ({
      curator,
      reviews: Number(reviews),
      withOutcome: Number(decided) === 0 ? null : Number(right) / Number(decided),
    })),
    contributors: contributors.map(
      ({ contributor, trainRows, heldoutRows, rejected, judged, acceptedByCurators }) => ({
        ...{ contributor, accepted: trainRows + heldoutRows, rejected, judged },
        reputation: wilsonLower(acceptedByCurators, judged),
      }),
    ),
  };
}
