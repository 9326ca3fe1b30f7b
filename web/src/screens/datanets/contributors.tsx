import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { useFilters } from "../../lib/filters.ts";
import { count, percent } from "../../lib/format.ts";
import { useAddress } from "../../wallet/wallet.ts";
import { Contributions } from "./contributions.tsx";
import { usesQuery } from "./queries.ts";

const pageSize = 50;

/** Who gave how much, and what it has earned them; below, contribution by contribution. */
export function Contributors({ datanet }: { datanet: Schema<"Datanet"> }) {
  const { datanetId, trainRows, heldoutRows } = datanet;
  const me = useAddress();
  const uses = useQuery(usesQuery(datanetId));
  const pages = useInfiniteQuery({
    queryKey: ["datanet", datanetId, "contributors"],
    initialPageParam: 0,
    queryFn: ({ signal, pageParam }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/contributors", {
          params: { path: { datanetId }, query: { offset: pageParam, limit: pageSize } },
          signal,
        }),
      ),
    getNextPageParam: ({ contributors }, all) =>
      contributors.length < pageSize ? undefined : all.length * pageSize,
  });
  const rows = Math.max(1, trainRows + heldoutRows);
  const earned = (contributor: string) =>
    uses.data?.earned.find((one) => one.contributor === contributor)?.wei ?? "0";
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="Contributors"
        note="Rows that count now. Earned is what the answers of the releases below “Used by” gave, settled or not."
      >
        <Loaded query={pages}>
          {({ pages: loaded }) => (
            <Table
              caption="Contributors"
              stack
              rows={loaded.flatMap(({ contributors }) => contributors)}
              keyOf={({ contributor }) => contributor}
              empty={
                <Empty
                  title="No row counts yet"
                  action={
                    <Button variant="primary" asChild>
                      <Link to="/datanets/$id/contribute" params={{ id: datanetId }}>
                        Be the first
                      </Link>
                    </Button>
                  }
                />
              }
              columns={[
                {
                  heading: "Contributor",
                  cell: ({ contributor }) => (
                    <span className="flex items-center gap-2">
                      <Address value={contributor} />
                      {contributor === me && <Badge tone="good">you</Badge>}
                    </span>
                  ),
                },
                { heading: "Train rows", numeric: true, cell: (one) => count(one.trainRows) },
                { heading: "Held out", numeric: true, wide: true, cell: (one) => count(one.heldoutRows) },
                {
                  heading: "Share of rows",
                  wide: true,
                  cell: (one) => <Share part={(one.trainRows + one.heldoutRows) / rows} />,
                },
                {
                  heading: "Earned",
                  numeric: true,
                  cell: ({ contributor }) => (uses.data ? <Amount wei={earned(contributor)} /> : "…"),
                },
                {
                  heading: "Contributions",
                  numeric: true,
                  wide: true,
                  cell: ({ contributions }) => count(contributions),
                },
                {
                  heading: "Last",
                  numeric: true,
                  wide: true,
                  cell: ({ lastAtMs }) => <When ms={lastAtMs} />,
                },
              ]}
            />
          )}
        </Loaded>
        {pages.hasNextPage && (
          <Button className="mt-3" disabled={pages.isFetchingNextPage} onClick={() => pages.fetchNextPage()}>
            Show more
          </Button>
        )}
      </Card>
      <Given datanetId={datanetId} me={me} />
    </div>
  );
}

const Share = ({ part }: { part: number }) => (
  <span className="flex items-center gap-2">
    <span className="h-2 w-24 overflow-hidden rounded-full bg-sunken" aria-hidden>
      <span className="block h-full bg-accent" style={{ width: `${100 * part}%` }} />
    </span>
    {percent(part)}
  </span>
);

function Given({ datanetId, me }: { datanetId: string; me: string | undefined }) {
  const [filter, change] = useFilters();
  const mine = filter("mine") === "yes" && me !== undefined;
  const pages = useInfiniteQuery({
    queryKey: ["datanet", datanetId, "contributions", mine ? me : ""],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ signal, pageParam }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/contributions", {
          params: {
            path: { datanetId },
            query: {
              limit: pageSize,
              ...(mine && { contributor: me }),
              ...(pageParam !== undefined && { before: pageParam }),
            },
          },
          signal,
        }),
      ),
    getNextPageParam: ({ contributions }) =>
      contributions.length < pageSize ? undefined : contributions.at(-1)?.contributionId,
  });
  return (
    <Card
      heading="Contributions"
      action={
        me && (
          <Button size="small" onClick={() => change({ mine: mine ? undefined : "yes" })}>
            {mine ? "Show everybody's" : "Show only mine"}
          </Button>
        )
      }
    >
      <Loaded query={pages}>
        {({ pages: loaded }) => (
          <Contributions
            contributions={loaded.flatMap(({ contributions }) => contributions)}
            beside="contributor"
            empty={<Empty title={mine ? "You have given nothing here yet" : "Nothing has been given yet"} />}
          />
        )}
      </Loaded>
      {pages.hasNextPage && (
        <Button className="mt-3" disabled={pages.isFetchingNextPage} onClick={() => pages.fetchNextPage()}>
          Show more
        </Button>
      )}
    </Card>
  );
}
