import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Address } from "../../../components/hash.tsx";
import { Page, Stat, Stats } from "../../../components/page.tsx";
import { Empty, Loaded } from "../../../components/states.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { Table } from "../../../components/ui/table.tsx";
import { count, percent } from "../../../lib/format.ts";
import { datanetQuery, standingQuery } from "../queries.ts";
import { datanetTrail } from "../trail.ts";
import { agreementInWords } from "./drafts.ts";
import { Queue } from "./queue.tsx";

/** Where curators judge rows, and how far they agree. */
export function Review() {
  const { id } = useParams({ strict: false }) as { id: string };
  const datanet = useQuery(datanetQuery(id));
  const standing = useQuery(standingQuery(id));
  return (
    <Page
      title="Review"
      lead="Curators look at what passed the checks; what they accept counts from the next version on."
      trail={datanetTrail(id, datanet.data?.name)}
    >
      <Loaded query={standing} rows={6}>
        {({ overlap, pending, accepted, rejected, agreement, curators, contributors }) => (
          <>
            <Stats>
              <Stat label="Rows that wait">{count(pending)}</Stat>
              <Stat label="Each row is judged by">
                {overlap === null ? "nobody" : overlap === 1 ? "1 curator" : `${overlap} curators`}
              </Stat>
              <Stat label="Accepted">{count(accepted)}</Stat>
              <Stat label="Turned down">{count(rejected)}</Stat>
              <Stat label="Agreement (Krippendorff's α)" note={agreementInWords(agreement)}>
                {agreement === null ? "–" : agreement.toFixed(2)}
              </Stat>
            </Stats>
            {overlap === null && pending === 0 ? (
              <Empty title="Nobody reviews here">
                What passes the checks counts at once. The owner may set how many curators judge each row, in
                the Datanet's settings.
              </Empty>
            ) : (
              <Queue datanetId={id} />
            )}
            <div className="grid gap-5 xl:grid-cols-2">
              <Card heading="Curators">
                <Table
                  caption="Curators"
                  stack
                  rows={curators}
                  keyOf={({ curator }) => curator}
                  empty={<p className="text-sm text-quiet">Nobody has judged yet.</p>}
                  columns={[
                    { heading: "Curator", cell: ({ curator }) => <Address value={curator} /> },
                    { heading: "Judged", numeric: true, cell: ({ reviews }) => count(reviews) },
                    {
                      heading: "As it came out",
                      numeric: true,
                      cell: ({ withOutcome }) => (withOutcome === null ? "–" : percent(withOutcome, 0)),
                    },
                  ]}
                />
              </Card>
              <Card
                heading="Contributors' reputation"
                note="The share of judged rows that is accepted, at least, with 95 % confidence."
              >
                <Table
                  caption="Contributors"
                  stack
                  rows={contributors}
                  keyOf={({ contributor }) => contributor}
                  empty={<p className="text-sm text-quiet">No row has been judged yet.</p>}
                  columns={[
                    { heading: "Contributor", cell: ({ contributor }) => <Address value={contributor} /> },
                    { heading: "Accepted", numeric: true, cell: (one) => count(one.accepted) },
                    { heading: "Turned down", numeric: true, cell: (one) => count(one.rejected) },
                    { heading: "Judged", numeric: true, cell: (one) => count(one.judged) },
                    { heading: "At least", numeric: true, cell: (one) => percent(one.reputation, 0) },
                  ]}
                />
              </Card>
            </div>
          </>
        )}
      </Loaded>
    </Page>
  );
}
