import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Address } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";

type Contribution = Schema<"ContributionSummary">;

/** Contributions asked for at once. */
export const contributionsAtOnce = 50;

type Props = {
  caption?: string;
  contributions: readonly Contribution[];
  /** What tells them apart beside their number: who gave them, or to which Datanet. */
  beside: "contributor" | "datanet";
  empty: ReactNode;
};

/** Contributions, each with how its rows stand and the way to its report. */
export const Contributions = ({ caption = "Contributions", contributions, beside, empty }: Props) => (
  <Table
    caption={caption}
    stack
    rows={contributions}
    keyOf={({ contributionId }) => String(contributionId)}
    empty={empty}
    columns={[
      {
        heading: "Report",
        cell: ({ datanetId, contributionId, proposals }) => (
          <Link
            to="/datanets/$id/contributions/$contribution"
            params={{ id: datanetId, contribution: String(contributionId) }}
            className="text-accent hover:underline"
          >
            <span className="whitespace-nowrap">Contribution {contributionId}</span>
            {proposals > 0 && (
              <Badge tone="wait" className="ml-2">
                {count(proposals)} {proposals === 1 ? "edit" : "edits"} proposed
              </Badge>
            )}
          </Link>
        ),
      },
      beside === "contributor"
        ? { heading: "By", cell: ({ contributor }) => <Address value={contributor} /> }
        : {
            heading: "Datanet",
            cell: ({ datanetId, datanetName }) => (
              <Link to="/datanets/$id" params={{ id: datanetId }} className="text-accent hover:underline">
                {datanetName}
              </Link>
            ),
          },
      { heading: "State", cell: (one) => <State contribution={one} /> },
      { heading: "Rows", numeric: true, cell: ({ exampleCount }) => count(exampleCount) },
      { heading: "Count now", numeric: true, cell: ({ accepted }) => count(accepted) },
      { heading: "Wait", numeric: true, wide: true, cell: ({ pending }) => count(pending) },
      {
        heading: "Split",
        wide: true,
        cell: ({ split }) => (split === "train" ? "train" : "held out"),
      },
      {
        heading: "When",
        numeric: true,
        wide: true,
        cell: ({ recordedAtMs }) => <When ms={recordedAtMs} />,
      },
    ]}
  />
);

function State({ contribution: { accepted, pending } }: { contribution: Contribution }) {
  if (pending > 0) return <Badge tone="wait">waits for review</Badge>;
  return accepted > 0 ? <Badge tone="good">counts</Badge> : <Badge tone="quiet">no row counts</Badge>;
}

/** All that somebody gave, to whatever Datanet; first what curators would have otherwise, which waits for its contributor. */
export function ContributionsOf({ address, you }: { address: string; you: boolean }) {
  const proposed = useQuery({
    queryKey: ["contributions of", address, "proposed"],
    queryFn: ({ signal }) => contributionsOf(address, { proposed: true }, signal),
  });
  const pages = useInfiniteQuery({
    queryKey: ["contributions of", address],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ signal, pageParam }) => contributionsOf(address, { before: pageParam }, signal),
    getNextPageParam: (contributions) =>
      contributions.length < contributionsAtOnce ? undefined : contributions.at(-1)?.contributionId,
  });
  return (
    <div className="flex flex-col gap-5">
      {proposed.data !== undefined && proposed.data.length > 0 && (
        <Card
          heading={`Edits proposed to ${you ? "your" : "these"} rows`}
          note="A curator would have these rows otherwise. Their contributor takes the new text or declines it in the report."
        >
          <Contributions
            caption="Contributions with edits proposed"
            contributions={proposed.data}
            beside="datanet"
            empty={null}
          />
        </Card>
      )}
      <Card heading={you ? "Your contributions" : "Contributions"} note="To all Datanets, the newest first.">
        <Loaded query={pages}>
          {({ pages: loaded }) => (
            <Contributions
              contributions={loaded.flat()}
              beside="datanet"
              empty={
                <Empty
                  title={you ? "You have given nothing yet" : "Nothing has been given yet"}
                  action={
                    <Button asChild>
                      <Link to="/datanets">Look at the Datanets</Link>
                    </Button>
                  }
                >
                  Whoever contributes is paid whenever a model's answer comes from it.
                </Empty>
              }
            />
          )}
        </Loaded>
        {pages.hasNextPage && (
          <Button className="mt-3" disabled={pages.isFetchingNextPage} onClick={() => pages.fetchNextPage()}>
            Show more
          </Button>
        )}
      </Card>
    </div>
  );
}

async function contributionsOf(
  contributor: string,
  { proposed, before }: { proposed?: boolean; before?: number | undefined },
  signal: AbortSignal,
): Promise<readonly Contribution[]> {
  const { contributions } = await ask(
    api.GET("/v1/contributions", {
      params: {
        query: {
          contributor,
          limit: contributionsAtOnce,
          ...(proposed && { proposed }),
          ...(before !== undefined && { before }),
        },
      },
      signal,
    }),
  );
  return contributions;
}
