import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import { Address } from "../../components/hash.tsx";
import { Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { count, datanetLabel } from "../../lib/format.ts";
import { useTourMark } from "../../tour/tour.ts";
import { useIsOperator } from "../../wallet/session.ts";
import { ImportVersion } from "./import-version.tsx";

const pageSize = 50;

/** All Datanets of this node, newest first. */
export function DatanetList() {
  const operator = useIsOperator();
  const pages = useInfiniteQuery({
    queryKey: ["datanets"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ signal, pageParam }) =>
      ask(
        api.GET("/v1/datanets", {
          params: { query: { limit: pageSize, ...(pageParam === undefined ? {} : { before: pageParam }) } },
          signal,
        }),
      ),
    getNextPageParam: ({ datanets }) => (datanets.length < pageSize ? undefined : datanets.at(-1)?.datanetId),
  });
  const mark = useTourMark("rows");
  return (
    <Page
      title="Datanets"
      action={
        <>
          {operator && <ImportVersion />}
          <Button asChild>
            <Link to="/datanets/new">New Datanet</Link>
          </Button>
        </>
      }
      lead="Pools of licensed, versioned knowledge. Whoever contributes is paid whenever a model's answer comes from it."
    >
      <Card className={mark}>
        <Loaded query={pages}>
          {({ pages: loaded }) => (
            <Table
              caption="Datanets"
              stack
              rows={loaded.flatMap(({ datanets }) => datanets)}
              keyOf={({ datanetId }) => datanetId}
              empty={
                <Empty title="There is no Datanet yet">
                  Create one, and invite people to bring what they know.
                </Empty>
              }
              columns={[
                {
                  heading: "Name",
                  cell: ({ datanetId, name, description }) => (
                    <>
                      <Link
                        to="/datanets/$id"
                        params={{ id: datanetId }}
                        className="font-medium text-accent hover:underline"
                      >
                        {datanetLabel(name, datanetId)}
                      </Link>
                      <span className="block max-w-prose truncate text-quiet">{description}</span>
                    </>
                  ),
                },
                { heading: "Domain", wide: true, cell: ({ domain }) => domain },
                { heading: "Licence", cell: ({ license }) => license },
                {
                  heading: "Rows to train on",
                  numeric: true,
                  cell: ({ trainRows }) => count(trainRows),
                },
                {
                  heading: "Contributors",
                  numeric: true,
                  wide: true,
                  cell: ({ contributors }) => count(contributors),
                },
                { heading: "Owner", wide: true, cell: ({ owner }) => <Address value={owner} /> },
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
    </Page>
  );
}
