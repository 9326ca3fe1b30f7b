import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Amount } from "../../components/amount.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { leaderboardQuery } from "../../earnings/queries.ts";
import { count, percent, short } from "../../lib/format.ts";

/** Whose examples shaped answers most: what is paid for data is divided by influence, so pay tells it. */
export function Leaderboard({ you }: { you: string | undefined }) {
  const board = useQuery(leaderboardQuery);
  return (
    <Card
      heading="Contributors by influence"
      note="What is paid for data is divided by influence. Owners of Datanets, their pools, developers of models and the network's own accounts are left out."
    >
      <Loaded query={board} rows={6}>
        {(board) => (
          <Table
            caption="Contributors by influence"
            stack
            rows={board.slice(0, 100)}
            keyOf={({ payee }) => payee}
            empty={<Empty title="Nobody has earned yet">The first paid answer fills this list.</Empty>}
            columns={[
              {
                heading: "Rank",
                numeric: true,
                cell: ({ rank }) => (
                  <>
                    <span className="sm:hidden">Rank </span>
                    {rank}
                  </>
                ),
              },
              {
                heading: "Contributor",
                cell: ({ payee }) => (
                  <span className="whitespace-nowrap">
                    <Link
                      to="/earnings"
                      search={{ address: payee } as never}
                      title={payee}
                      className="font-mono text-[0.8125rem] text-accent hover:underline"
                    >
                      {short(payee)}
                    </Link>{" "}
                    {payee === you && <span className="text-xs text-quiet">shown here</span>}
                  </span>
                ),
              },
              {
                heading: "Share",
                numeric: true,
                cell: ({ share }) => (
                  <span className="inline-flex items-center gap-2">
                    <span
                      aria-hidden
                      className="hidden h-2 w-20 overflow-hidden rounded-full bg-sunken sm:inline-block"
                    >
                      <span className="block h-full bg-accent" style={{ width: `${100 * share}%` }} />
                    </span>
                    {percent(share)}
                  </span>
                ),
              },
              { heading: "Earned", numeric: true, cell: ({ earnedWei }) => <Amount wei={earnedWei} /> },
              { heading: "Answers", numeric: true, cell: ({ receipts }) => count(receipts) },
              { heading: "Last", numeric: true, wide: true, cell: ({ lastAtMs }) => <When ms={lastAtMs} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
