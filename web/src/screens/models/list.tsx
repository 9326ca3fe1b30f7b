import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { modelsQuery } from "../../api/models.ts";
import { Amount } from "../../components/amount.tsx";
import { ReleaseLink } from "../../components/hash.tsx";
import { Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";

/** What this node serves: base models and the releases fine-tuned on them. */
export function ModelList() {
  const models = useQuery(modelsQuery);
  return (
    <Page
      title="Models"
      lead="Every release names the data it was made from, and pays it whenever it answers."
    >
      <Card>
        <Loaded query={models}>
          {({ data }) => (
            <Table
              caption="Models"
              stack
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                {
                  heading: "Name",
                  cell: ({ id, openledger }) => (
                    <Link
                      to={openledger.release === null ? "/playground" : "/models/$release"}
                      params={{ release: id }}
                      {...(openledger.release === null ? { search: { model: id } as never } : {})}
                      className="font-medium text-accent hover:underline"
                    >
                      {id}
                    </Link>
                  ),
                },
                { heading: "Fine-tuned from", wide: true, cell: ({ parent }) => parent ?? "a base model" },
                {
                  heading: "Release",
                  wide: true,
                  cell: ({ openledger }) =>
                    openledger.release === null ? "–" : <ReleaseLink value={openledger.release} />,
                },
                {
                  heading: "A token asked",
                  numeric: true,
                  cell: ({ openledger }) => <Amount wei={openledger.prompt_wei_per_token} />,
                },
                {
                  heading: "A token answered",
                  numeric: true,
                  cell: ({ openledger }) => <Amount wei={openledger.completion_wei_per_token} />,
                },
                {
                  heading: "Since",
                  numeric: true,
                  wide: true,
                  cell: ({ created }) => <When ms={created * 1000} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
