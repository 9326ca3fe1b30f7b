import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Address } from "../../components/hash.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Table } from "../../components/ui/table.tsx";
import { votersQuery } from "../../governance/queries.ts";
import { count, percent, votes } from "../../lib/format.ts";

type Props = { proposals: number | undefined; votableWei: bigint | undefined };

/** Who has votes, whose they are, how often they were cast; and delegating to them. */
export function Voters({ proposals, votableWei }: Props) {
  const voters = useQuery(votersQuery);
  return (
    <Card
      heading="Who has votes"
      note="The heaviest first. Stake votes by its owner, GOPEN by whom its owner names."
    >
      <Loaded query={voters}>
        {(voters) => (
          <Table
            caption="Voters"
            stack
            rows={voters}
            keyOf={({ account }) => account}
            empty={
              <Empty title="Nobody has votes yet">
                Lock OPEN and delegate it under “Your votes”, or stake it.
              </Empty>
            }
            columns={[
              { heading: "Account", cell: ({ account }) => <Address value={account} /> },
              { heading: "Votes", numeric: true, cell: ({ votesWei }) => votes(votesWei) },
              {
                heading: "Of all",
                numeric: true,
                cell: ({ votesWei }) =>
                  votableWei === undefined || votableWei === 0n
                    ? "–"
                    : percent(Number((votesWei * 1_000_000n) / votableWei) / 1_000_000, 3),
              },
              { heading: "Staked", numeric: true, wide: true, cell: ({ stakedWei }) => votes(stakedWei) },
              {
                heading: "Delegated by",
                numeric: true,
                wide: true,
                cell: ({ delegators }) => `${count(delegators)} ${delegators === 1 ? "other" : "others"}`,
              },
              {
                heading: "Voted on",
                numeric: true,
                cell: ({ cast }) => (proposals === undefined ? count(cast) : `${cast} of ${proposals}`),
              },
              {
                heading: "Delegate",
                cell: ({ account }) => (
                  <Button asChild size="small">
                    <Link
                      to="/governance"
                      search={{ tab: "votes", to: account } as never}
                      aria-label={`Delegate to this one, ${account}`}
                    >
                      To this one
                    </Link>
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
