import { useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Empty } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { datanetLabel } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { leavePass, usePasses } from "../datanets/pass.ts";
import { datanetQuery } from "../datanets/queries.ts";

/** Passes to Datanets whose texts are not open to all: which this page holds, and until when. */
export function Passes() {
  const now = useNow();
  const passes = usePasses().filter(({ expiresAtMs }) => expiresAtMs > now);
  const datanets = useQueries({ queries: passes.map(({ datanetId }) => datanetQuery(datanetId)) });
  return (
    <Card
      heading="Passes to read"
      note="Some Datanets show their rows to those alone whom their owner admits. A pass is an hour long and in this page's memory only."
    >
      <Table
        caption="Passes"
        stack
        rows={passes.map((pass, at) => ({ ...pass, name: datanets[at]?.data?.name }))}
        keyOf={({ datanetId }) => datanetId}
        empty={
          <Empty
            title="This page holds no pass"
            action={
              <Button asChild>
                <Link to="/datanets">Look at the Datanets</Link>
              </Button>
            }
          >
            Under “Access” a Datanet says who may read; your signature accepts its terms and asks to be let
            in.
          </Empty>
        }
        columns={[
          {
            heading: "Datanet",
            cell: ({ datanetId, name }) => (
              <Link
                to="/datanets/$id"
                params={{ id: datanetId }}
                className="text-accent underline underline-offset-3"
              >
                {datanetLabel(name, datanetId)}
              </Link>
            ),
          },
          { heading: "Opens until", cell: ({ expiresAtMs }) => <When exact ms={expiresAtMs} /> },
          {
            heading: "Action",
            numeric: true,
            cell: ({ datanetId }) => (
              <Button size="small" onClick={() => void leavePass(datanetId)}>
                Let it go
              </Button>
            ),
          },
        ]}
      />
    </Card>
  );
}
