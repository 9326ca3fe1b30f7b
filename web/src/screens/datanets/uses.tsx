import { useQuery } from "@tanstack/react-query";
import { Amount } from "../../components/amount.tsx";
import { ReleaseLink } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";
import { usesQuery } from "./queries.ts";

/** The releases trained on a Datanet, and what their answers took in. */
export function Uses({ datanetId }: { datanetId: string }) {
  const uses = useQuery(usesQuery(datanetId));
  return (
    <Card heading="Releases trained on it">
      <Loaded query={uses}>
        {({ releases }) => (
          <Table
            caption="Releases"
            stack
            rows={releases}
            keyOf={({ releaseId, version }) => `${releaseId} ${version}`}
            empty={
              <Empty title="No model has been trained on this yet">
                A developer picks a version of it in ModelFactory; its answers then pay the contributors.
              </Empty>
            }
            columns={[
              { heading: "Model", cell: ({ model }) => <span className="font-medium">{model}</span> },
              { heading: "Release", cell: ({ releaseId }) => <ReleaseLink value={releaseId} /> },
              { heading: "Of version", numeric: true, cell: ({ version }) => version },
              { heading: "Paid answers", numeric: true, cell: ({ answers }) => count(answers) },
              { heading: "Fees", numeric: true, cell: ({ feesWei }) => <Amount wei={feesWei} /> },
              {
                heading: "Released",
                numeric: true,
                wide: true,
                cell: ({ createdAtMs }) => <When ms={createdAtMs} />,
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
