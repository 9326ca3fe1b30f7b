import { useInfiniteQuery } from "@tanstack/react-query";
import { api, ask } from "../../../api/client.ts";
import { Address } from "../../../components/hash.tsx";
import { Loaded } from "../../../components/states.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { Table } from "../../../components/ui/table.tsx";
import { When } from "../../../components/when.tsx";
import { count } from "../../../lib/format.ts";

const pageSize = 20;

/** What was read by whom, by the hour. */
export function Reads({ datanetId }: { datanetId: string }) {
  const pages = useInfiniteQuery({
    queryKey: ["datanet", datanetId, "reads"],
    initialPageParam: 0,
    queryFn: ({ signal, pageParam }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/reads", {
          params: { path: { datanetId }, query: { offset: pageParam, limit: pageSize } },
          signal,
        }),
      ),
    getNextPageParam: ({ reads }, _, offset) => (reads.length < pageSize ? undefined : offset + pageSize),
  });
  return (
    <Card heading="What was read" note="Counted by the hour, newest first.">
      <Loaded query={pages} rows={3}>
        {({ pages: loaded }) => (
          <Table
            caption="What was read"
            stack
            rows={loaded.flatMap(({ reads }) => reads)}
            keyOf={({ hourMs, version, reader, what }) => `${hourMs} ${version} ${reader} ${what}`}
            empty={<p className="text-sm text-quiet">Nobody has read it yet.</p>}
            columns={[
              {
                heading: "Reader",
                cell: ({ reader }) => (reader.startsWith("0x") ? <Address value={reader} /> : reader),
              },
              { heading: "What", cell: ({ what }) => what },
              { heading: "Version", numeric: true, cell: ({ version }) => version },
              { heading: "Times", numeric: true, cell: ({ times }) => count(times) },
              { heading: "Hour from", numeric: true, wide: true, cell: ({ hourMs }) => <When ms={hourMs} /> },
            ]}
          />
        )}
      </Loaded>
      {pages.hasNextPage && (
        <Button
          size="small"
          className="mt-3"
          disabled={pages.isFetchingNextPage}
          onClick={() => pages.fetchNextPage()}
        >
          Show more
        </Button>
      )}
    </Card>
  );
}
