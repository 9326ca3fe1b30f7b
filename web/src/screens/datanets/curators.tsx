import { useQuery } from "@tanstack/react-query";
import type { Schema } from "../../api/types.ts";
import { Address } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { ElectionCard } from "./election-card.tsx";
import { curatorsQuery, electionsQuery } from "./queries.ts";

/** Who judges a Datanet's rows, and the elections in which its contributors say who does. */
export function Curators({ datanet: { datanetId, owner } }: { datanet: Schema<"Datanet"> }) {
  const curators = useQuery(curatorsQuery(datanetId));
  const elections = useQuery(electionsQuery(datanetId));
  const chosen = curators.data?.curators.filter(({ electedUntil }) => electedUntil !== null);
  const curates = chosen && ((account: string) => chosen.some(({ curator }) => curator === account));
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="Who curates"
        note="The owner, whom the owner names on chain, and whom contributors elect for a term."
      >
        <Loaded query={curators} rows={2}>
          {({ curators: all }) => (
            <Table
              caption="Curators"
              stack
              rows={[{ curator: owner, named: false, electedUntil: null }, ...all]}
              keyOf={({ curator }) => curator}
              columns={[
                { heading: "Curator", cell: ({ curator }) => <Address value={curator} /> },
                {
                  heading: "By",
                  cell: ({ curator, named, electedUntil }) =>
                    [
                      ...(curator === owner ? ["owns it"] : []),
                      ...(named ? ["named by the owner"] : []),
                      ...(electedUntil === null ? [] : ["elected by contributors"]),
                    ].join(", "),
                },
                {
                  heading: "Until",
                  numeric: true,
                  cell: ({ electedUntil }) =>
                    electedUntil === null ? "–" : <When ms={electedUntil * 1_000} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Loaded query={elections} rows={4}>
        {({ elections: held, signing }) =>
          held.length === 0 ? (
            <Empty title="Nobody has been elected here yet">
              The owner opens elections. Then each example of a published version is a vote of its
              contributor.
            </Empty>
          ) : (
            held.map((election) => (
              <ElectionCard
                key={election.electionId}
                election={election}
                signing={signing}
                curates={curates}
              />
            ))
          )
        }
      </Loaded>
    </div>
  );
}
